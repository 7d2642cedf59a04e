// openid-client as a web application: PAR, PKCE, nonce, DPoP with the server's nonces,
// refresh, userinfo, introspection, revocation, logout.
import * as client from 'openid-client'
import { done, expect, settings, visit } from './talk.mjs'

const { issuer, id, secret, redirect, after } = settings
const config = await client.discovery(new URL(issuer), id, undefined, client.ClientSecretBasic(secret), { execute: [client.allowInsecureRequests] })
client.enableNonRepudiationChecks(config) // ID Tokens are checked against the JWKS

const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
const pkceCodeVerifier = client.randomPKCECodeVerifier()
const expectedState = client.randomState()
const expectedNonce = client.randomNonce()
const address = await client.buildAuthorizationUrlWithPAR(config, {
  redirect_uri: redirect, scope: 'openid email offline_access', prompt: 'consent', state: expectedState, nonce: expectedNonce,
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: 'S256',
}, { DPoP })
expect('the address holds the pushed request and nothing else', address.searchParams.has('request_uri') && !address.searchParams.has('scope'))

const back = await visit(address)
const tokens = await client.authorizationCodeGrant(config, back, { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true, maxAge: 3600 }, undefined, { DPoP })
expect('token_type', tokens.token_type === 'dpop')
const claims = tokens.claims()
const user = await client.fetchUserInfo(config, tokens.access_token, claims.sub, { DPoP })

const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
expect('the refreshed ID Token speaks of the same person', refreshed.claims().sub === claims.sub)
// It pushes its requests and binds its tokens, and so is held to FAPI 2.0, which rotates nothing.
expect('the refresh token stays', refreshed.refresh_token === tokens.refresh_token)

const active = await client.tokenIntrospection(config, refreshed.access_token)
expect('introspection', active.active === true && active.sub === claims.sub && active.cnf?.jkt !== undefined)
await client.tokenRevocation(config, refreshed.refresh_token)
const ended = await client.tokenIntrospection(config, refreshed.access_token)
expect('revocation ends the access token', ended.active === false)

const left = await visit(client.buildEndSessionUrl(config, { id_token_hint: refreshed.id_token, post_logout_redirect_uri: after, state: 'bye' }))
expect('logout leads back: ' + left, left.href === after + '?state=bye')
await done({ sub: claims.sub, email: user.email })
