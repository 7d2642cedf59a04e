// The TypeScript SDK of the Model Context Protocol as a client: it finds the
// authorization server from the resource, registers itself or names its document, asks
// for what the resource announces, and calls the resource.
import { auth } from '@modelcontextprotocol/sdk/client/auth.js'
import { done, expect, settings, visit } from './talk.mjs'

const { resource, redirect, document } = settings
let client, tokens, verifier, address
const provider = {
  redirectUrl: redirect,
  clientMetadataUrl: document || undefined,
  clientMetadata: {
    client_name: 'Test MCP client', redirect_uris: [redirect], grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'], token_endpoint_auth_method: 'none', scope: 'orders:read orders:write',
  },
  state: () => 'the state',
  clientInformation: () => client,
  saveClientInformation: (v) => { client = v },
  tokens: () => tokens,
  saveTokens: (v) => { tokens = v },
  redirectToAuthorization: (v) => { address = v },
  saveCodeVerifier: (v) => { verifier = v },
  codeVerifier: () => verifier,
}
const call = () => fetch(resource, { headers: { Authorization: 'Bearer ' + tokens?.access_token, 'MCP-Protocol-Version': '2025-11-25' } })

expect('it has no token yet', (await call()).status === 401)
expect('it is sent away', await auth(provider, { serverUrl: resource }) === 'REDIRECT')
expect('the client: ' + client.client_id, document ? client.client_id === document : client.scope.includes('orders:read'))
const back = await visit(address)
expect('it comes back: ' + back, back.searchParams.get('state') === 'the state' && back.href.startsWith(redirect))
expect('it gets tokens', await auth(provider, { serverUrl: resource, authorizationCode: back.searchParams.get('code') }) === 'AUTHORIZED')
expect('the scope: ' + tokens.scope, tokens.scope.includes('orders:read') && tokens.scope.includes('orders:write'))
const first = await call()
expect('the resource lets it in: ' + first.status, first.status === 200)
const said = await first.json()
if (tokens.refresh_token) {
  const before = tokens.access_token
  expect('it refreshes', await auth(provider, { serverUrl: resource }) === 'AUTHORIZED' && tokens.access_token !== before)
  expect('and is let in again', (await call()).status === 200)
}
await done({ sub: said.sub, aud: said.aud, refreshed: String(Boolean(tokens.refresh_token)) })
