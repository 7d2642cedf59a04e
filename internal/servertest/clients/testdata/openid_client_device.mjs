// openid-client as a program on a device.
import * as client from 'openid-client'
import { done, enter, expect, settings } from './talk.mjs'

const { issuer, id } = settings
const config = await client.discovery(new URL(issuer), id, undefined, client.None(), { execute: [client.allowInsecureRequests] })
const asked = await client.initiateDeviceAuthorization(config, { scope: 'openid email offline_access' })
expect('a code', /^[A-Z]{4}-[A-Z]{4}$/.test(asked.user_code))
await enter(asked.verification_uri, asked.user_code)
const tokens = await client.pollDeviceAuthorizationGrant(config, { ...asked, interval: 1 })
const user = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)
const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
expect('rotation', refreshed.refresh_token !== tokens.refresh_token)
await done({ sub: tokens.claims().sub, email: user.email })
