// The certified provider that is asked the same as we are (peer_test.go), set up as alike
// as its settings allow. Everything is kept in memory.
//
// A path below /hook is no part of it: there the test moves its clock, and answers for the
// person in front of a device. The person's pages are left out: who comes to one, and goes
// on, is alice and has said yes.
import Provider, { errors } from 'oidc-provider';

const { issuer, clients, resource } = JSON.parse(process.env.SETTINGS);

let ahead = 0;
const real = Date.now;
Date.now = () => real() + ahead * 1000;

const everything = async ({ Grant }, clientId) => {
  const grant = new Grant({ clientId, accountId: 'alice' });
  grant.addOIDCScope('openid email profile offline_access read');
  grant.addResourceScope(resource, 'read');
  return grant.save();
};
const strange = new Set(clients.filter((c) => c.client_name === 'foreign').map((c) => c.client_id));
const loose = new Set(clients.filter((c) => c.client_name === 'loose').map((c) => c.client_id));

const provider = new Provider(issuer, {
  clients,
  jwks: { keys: await Promise.all([['RSASSA-PKCS1-v1_5', 'RS256'], ['ECDSA', 'ES256'], ['Ed25519', 'EdDSA']].map(async ([name, alg]) => {
    const pair = await crypto.subtle.generateKey({ name, namedCurve: 'P-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }, true, ['sign', 'verify']);
    const { key_ops, ext, ...key } = await crypto.subtle.exportKey('jwk', pair.privateKey);
    return { ...key, alg, kid: alg, use: 'sig' };
  })) },
  scopes: ['openid', 'offline_access', 'profile', 'email', 'read'],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'updated_at'] },
  acrValues: ['1'],
  subjectTypes: ['public', 'pairwise'],
  pairwiseIdentifier: (_, id, client) => `${id}@${client.sectorIdentifier}`,
  responseTypes: ['code'],
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
  enabledJWA: {
    clientAuthSigningAlgValues: ['ES256', 'RS256', 'PS256', 'EdDSA'],
    requestObjectSigningAlgValues: ['ES256', 'RS256', 'PS256', 'EdDSA'],
    idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA'],
    userinfoSigningAlgValues: ['RS256', 'ES256', 'EdDSA'],
    introspectionSigningAlgValues: ['RS256', 'ES256', 'EdDSA'],
  },
  cookies: { keys: ['peer'], long: { sameSite: 'none' } },
  enableHttpPostMethods: true,
  allowOmittingSingleRegisteredRedirectUri: false,
  pkce: { required: (_, client) => !loose.has(client.clientId) },
  rotateRefreshToken: true,
  ttl: { AuthorizationCode: 60, DeviceCode: 600, AccessToken: 900, ClientCredentials: 900, RefreshToken: 86400, Session: 86400, Grant: 86400, Interaction: 3600, IdToken: 300 },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: `${id}@example.test`, email_verified: true, name: 'Alice' }) }),
  loadExistingGrant: async (ctx) => {
    if (!strange.has(ctx.oidc.client.clientId)) {
      const id = await everything(ctx.oidc.provider, ctx.oidc.client.clientId);
      return ctx.oidc.provider.Grant.find(id);
    }
    return undefined;
  },
  interactions: { url: (_, interaction) => `/hook/interaction/${interaction.uid}` },
  features: {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    claimsParameter: { enabled: true },
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    dPoP: { enabled: true },
    introspection: { enabled: true, allowedPolicy: (_, client, token) => token.clientId === client.clientId },
    jwtIntrospection: { enabled: true },
    jwtUserinfo: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    registration: { enabled: true },
    registrationManagement: { enabled: true, rotateRegistrationAccessToken: false },
    requestObjects: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (_, client) => (client.clientName === 'svc' ? resource : undefined),
      useGrantedResource: () => false,
      getResourceServerInfo: (_, asked) => {
        if (asked !== resource) throw new errors.InvalidTarget();
        return { scope: 'read', accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } };
      },
    },
    revocation: { enabled: true },
    rpInitiatedLogout: { enabled: true },
  },
});

provider.use(async (ctx, next) => {
  const [, , what, uid] = ctx.path.split('/');
  if (!ctx.path.startsWith('/hook/')) {
    await next();
  } else if (what === 'clock') {
    ahead += Number(ctx.query.seconds);
    ctx.status = 204;
  } else if (what === 'interaction') {
    const { params } = await provider.interactionDetails(ctx.req, ctx.res);
    ctx.respond = false;
    await provider.interactionFinished(ctx.req, ctx.res, {
      login: { accountId: 'alice' }, consent: { grantId: await everything(provider, params.client_id) },
    }, { mergeWithLastSubmission: false });
  } else {
    const code = await provider.DeviceCode.findByUserCode(ctx.query.code.replace(/\W/g, ''));
    if (what === 'deny') {
      Object.assign(code, { error: 'access_denied', errorDescription: 'the person said no' });
    } else {
      Object.assign(code, { accountId: 'alice', grantId: await everything(provider, code.clientId), scope: 'openid', authTime: Math.floor(Date.now() / 1000) });
    }
    await code.save();
    ctx.status = 204;
  }
});
provider.listen(Number(new URL(issuer).port), '127.0.0.1');
