// oauth4webapi checks each answer as strictly as the specifications let it.
import * as oauth from 'oauth4webapi'
import { done, expect, settings, visit } from './talk.mjs'

const { issuer, id, secret, redirect } = settings
const http = { [oauth.allowInsecureRequests]: true }
const url = new URL(issuer)
const as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm: 'oidc', ...http }))
const plain = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm: 'oauth2', ...http }))
expect('both documents say the same', JSON.stringify(as) === JSON.stringify(plain))

const client = { client_id: id, require_auth_time: true }
const auth = oauth.ClientSecretPost(secret)
const verifier = oauth.generateRandomCodeVerifier()
const state = oauth.generateRandomState()
const nonce = oauth.generateRandomNonce()
const address = new URL(as.authorization_endpoint)
for (const [name, value] of Object.entries({
  client_id: id, redirect_uri: redirect, response_type: 'code', scope: 'openid email profile offline_access', prompt: 'consent', max_age: '3600', state, nonce,
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
})) address.searchParams.set(name, value)

const back = oauth.validateAuthResponse(as, client, await visit(address), state)
const response = await oauth.authorizationCodeGrantRequest(as, client, auth, back, redirect, verifier, http)
const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, { expectedNonce: nonce, maxAge: 3600, requireIdToken: true })
await oauth.validateApplicationLevelSignature(as, response, http)
const claims = oauth.getValidatedIdTokenClaims(tokens)
const user = await oauth.processUserInfoResponse(as, client, claims.sub, await oauth.userInfoRequest(as, client, tokens.access_token, http))

// The access token is the JWT of RFC 9068 that a resource server expects; that of somebody
// else's client is for userinfo.
const request = new Request('https://api.example.test/', { headers: { authorization: 'Bearer ' + tokens.access_token } })
const access = await oauth.validateJwtAccessToken(as, request, as.userinfo_endpoint, http)
expect('the access token names the client', access.client_id === id && access.sub === claims.sub)

const refreshed = await oauth.processRefreshTokenResponse(as, client, await oauth.refreshTokenGrantRequest(as, client, auth, tokens.refresh_token, http))
const active = await oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, auth, refreshed.access_token, http))
expect('introspection', active.active)
const signed = await oauth.introspectionRequest(as, { ...client, introspection_signed_response_alg: 'RS256' }, auth, refreshed.access_token, { requestJwtResponse: true, ...http })
const told = await oauth.processIntrospectionResponse(as, { ...client, introspection_signed_response_alg: 'RS256' }, signed)
await oauth.validateApplicationLevelSignature(as, signed, http)
expect('introspection as JWT (RFC 9701)', told.active)
await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, refreshed.refresh_token, http))

// Refusals in the words of the protocol.
let refused
try {
  await oauth.processRefreshTokenResponse(as, client, await oauth.refreshTokenGrantRequest(as, client, auth, refreshed.refresh_token, http))
} catch (err) {
  refused = err
}
expect('a revoked refresh token is invalid_grant', refused instanceof oauth.ResponseBodyError && refused.error === 'invalid_grant' && refused.status === 400)
await done({ sub: claims.sub, email: user.email })
