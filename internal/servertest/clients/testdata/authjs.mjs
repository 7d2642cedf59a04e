// Auth.js with an OpenID Connect provider, as its documentation shows it. It takes who
// signed in from the ID Token, unless the provider has idToken: false.
import { Auth } from '@auth/core'
import { done, expect, settings, visit } from './talk.mjs'

const { issuer, id, secret, site, idToken } = settings
const config = {
  secret: 'a secret of thirty-two characters', trustHost: true, basePath: '/auth',
  providers: [{
    id: 'watchword', name: 'Watchword', type: 'oidc', issuer, clientId: id, clientSecret: secret, checks: ['pkce', 'state', 'nonce'],
    authorization: { params: { scope: 'openid profile email' } }, ...(idToken === 'false' ? { idToken: false } : {}),
  }],
}
const jar = new Map()
async function ask(path, init = {}) {
  const headers = { ...init.headers, cookie: [...jar].map(([k, v]) => `${k}=${v}`).join('; ') }
  const response = await Auth(new Request(new URL(path, site), { ...init, headers }), config)
  for (const line of response.headers.getSetCookie()) {
    const [pair] = line.split(';')
    jar.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1))
  }
  return response
}
const { csrfToken } = await (await ask('/auth/csrf')).json()
const begun = await ask('/auth/signin/watchword', { method: 'POST', body: new URLSearchParams({ csrfToken }) })
const back = await visit(begun.headers.get('location'))
const ended = await ask(back.pathname + back.search)
expect('it is signed in: ' + ended.headers.get('location'), ended.status === 302 && !String(ended.headers.get('location')).includes('error'))
const { user } = await (await ask('/auth/session')).json()
await done({ sub: 'someone', email: user.email })
