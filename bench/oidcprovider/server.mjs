// The peer of the OAuth lines: oidc-provider with its in-memory adapter, set up for
// the same work: ES256 access tokens as JWT, ID Tokens as each client registered them.
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

const [host, port] = process.argv[2].split(':');
const issuer = `http://${host}:${port}`;
const jwk = (type, options, alg) => ({ ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: alg });

const web = (id, alg) => ({
  client_id: id, client_secret: 'bench-secret-of-the-peer', grant_types: ['authorization_code', 'refresh_token'],
  redirect_uris: ['https://app.example.test/cb'], response_types: ['code'], id_token_signed_response_alg: alg,
});

const provider = new Provider(issuer, {
  jwks: { keys: [jwk('rsa', { modulusLength: 2048 }, 'RS256'), jwk('ec', { namedCurve: 'P-256' }, 'ES256')] },
  clients: [
    { client_id: 'machine', client_secret: 'bench-secret-of-the-peer', grant_types: ['client_credentials'], redirect_uris: [], response_types: [], scope: 'orders:read' },
    web('web-rs256', 'RS256'), web('web-es256', 'ES256'),
  ],
  scopes: ['openid', 'offline_access', 'profile', 'email', 'orders:read'],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: id, email_verified: true, name: 'Bench' }) }),
  issueRefreshToken: () => true,
  rotateRefreshToken: true,
  cookies: { keys: ['bench'] },
  pkce: { required: () => true },
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx, client) => (client.clientId === 'machine' ? issuer : undefined),
      useGrantedResource: () => true,
      getResourceServerInfo: (_, resource) => ({
        scope: 'orders:read', accessTokenTTL: 900,
        ...(resource === 'urn:opaque' ? { accessTokenFormat: 'opaque' } : { accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } }),
      }),
    },
  },
});
provider.listen(Number(port), host);
