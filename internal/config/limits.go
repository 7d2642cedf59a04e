package config

import "time"

// Limits is the section limits. Each rate counts one thing: by address, by account
// (or e-mail address, known or not), or by the credential that was shown.
type Limits struct {
	Redis        SecretURL     `key:"redis" example:"redis://redis.example.com:6379/0" help:"Redis that counts for all nodes together: redis://:PASSWORD@HOST:6379/0, rediss:// or unix://. Empty means that each node counts for itself. While Redis is away each node enforces the limits alone."`
	RedisTimeout time.Duration `key:"redis_timeout" default:"50ms" min:"1ms" max:"5s" help:"How long a request waits for Redis before it is counted locally."`
	Keys         int           `key:"keys" default:"131072" min:"1024" max:"100000000" help:"Keys remembered apart in memory, in each of three tables (for limits of minutes, of half an hour, and longer), 17 bytes each. A flood of more makes limits stricter for keys that are new, and leaves each the last token of its own rate."`

	Login          LoginLimits          `key:"login" help:"Signing in. Only failures count."`
	Register       RegisterLimits       `key:"register" help:"Registering."`
	Verify         VerifyLimits         `key:"verify" help:"Opening the link that confirms an address."`
	Resend         ResendLimits         `key:"resend" help:"Asking for that link again."`
	Forgot         ForgotLimits         `key:"forgot" help:"Asking for a link to set a new password."`
	Reset          ResetLimits          `key:"reset" help:"Setting a new password by link."`
	Change         ChangeLimits         `key:"change" help:"Changing the password or e-mail address with the current password. Only failures count."`
	Self           SelfLimits           `key:"self" help:"What people do with their own account, when it works."`
	Refresh        RefreshLimits        `key:"refresh" help:"Refreshing tokens."`
	Authorize      AuthorizeLimits      `key:"authorize" help:"Beginning to sign in: the authorization endpoint, and the pages to which it leads."`
	UserCode       UserCodeLimits       `key:"user_code" help:"Entering the code that a device shows. Only wrong codes count."`
	ClientRegister ClientRegisterLimits `key:"client_register" help:"Clients that register themselves."`
	PublicClient   PublicClientLimits   `key:"public_client" help:"Clients that keep no secret: what anybody can leave here in their name, pushed requests and codes of devices."`
	Client         ClientLimits         `key:"client" help:"Clients that prove who they are: the OAuth endpoints for tokens, introspection and revocation. Only failures count."`
}

// LoginLimits is the section limits.login.
type LoginLimits struct {
	IP      Rate `key:"ip" default:"30/1m burst 60" help:"Failures from one address, whatever the account."`
	Account Rate `key:"account" default:"10/15m" help:"Failures for one account from one browser that it knows, or from one network; from all that it does not know together, three times as many."`
	Success Rate `key:"success" default:"600/1h" help:"Sign-ins of one account that succeed."`
}

// RegisterLimits is the section limits.register.
type RegisterLimits struct {
	IP      Rate `key:"ip" default:"20/1h" help:"Attempts from one address."`
	Account Rate `key:"account" default:"5/1h" help:"Attempts for one e-mail address, each of which may send a mail."`
}

// VerifyLimits is the section limits.verify.
type VerifyLimits struct {
	IP Rate `key:"ip" default:"30/1m" help:"Attempts from one address."`
}

// ResendLimits is the section limits.resend.
type ResendLimits struct {
	IP      Rate `key:"ip" default:"20/1h" help:"Requests from one address."`
	Account Rate `key:"account" default:"5/1h" help:"Mails to one e-mail address that strangers ask for; one browser that its account knows, or one network, gets half as many."`
}

// ForgotLimits is the section limits.forgot.
type ForgotLimits struct {
	IP      Rate `key:"ip" default:"20/1h" help:"Requests from one address."`
	Account Rate `key:"account" default:"5/1h" help:"Mails to one e-mail address that strangers ask for; one browser that its account knows, or one network, gets half as many."`
}

// ResetLimits is the section limits.reset.
type ResetLimits struct {
	IP Rate `key:"ip" default:"20/10m" help:"Attempts from one address."`
}

// ChangeLimits is the section limits.change.
type ChangeLimits struct {
	IP      Rate `key:"ip" default:"30/1m burst 60" help:"Failures from one address, whatever the account."`
	Account Rate `key:"account" default:"10/15m" help:"Failures of one account in one session; in all together, three times as many."`
}

// SelfLimits is the section limits.self. Each counts one account in one session; all its
// sessions together have three times as much.
type SelfLimits struct {
	Change   Rate `key:"change" default:"60/10m" help:"Changes of name or address, and as many sessions ended and consents taken back, in one session. Each leaves a line in the audit log."`
	Password Rate `key:"password" default:"10/1h" help:"Passwords changed in one session, each of which sends a notice. Wrong ones do not count here."`
	Export   Rate `key:"export" default:"5/1h" help:"Exports in one session, each of which reads all that is kept about the account."`
}

// RefreshLimits is the section limits.refresh.
type RefreshLimits struct {
	IP         Rate `key:"ip" default:"600/1m" help:"Refreshes from one address."`
	Credential Rate `key:"credential" default:"30/1m" help:"Refreshes within one family of refresh tokens."`
}

// AuthorizeLimits is the section limits.authorize.
type AuthorizeLimits struct {
	IP Rate `key:"ip" default:"300/1m burst 600" help:"Pages opened and sign-ins begun from one address, of which each may be one of many people."`
}

// ClientLimits is the section limits.client.
type ClientLimits struct {
	IP         Rate `key:"ip" default:"60/1m burst 120" help:"Failures from one address, whichever the client."`
	Credential Rate `key:"credential" default:"30/1m" help:"Failures for one client, from wherever. Beyond it a failure is 429 instead of 401; the right credentials always pass, so nobody can shut a client out."`
}

// PublicClientLimits is the section limits.public_client.
type PublicClientLimits struct {
	IP Rate `key:"ip" default:"120/1m burst 240" help:"Requests from one address, whichever the client."`
}

// UserCodeLimits is the section limits.user_code.
type UserCodeLimits struct {
	IP      Rate `key:"ip" default:"20/10m" help:"Wrong codes from one address, of people who are not signed in."`
	Account Rate `key:"account" default:"20/1h" help:"Wrong codes by one account that is signed in."`
}

// ClientRegisterLimits is the section limits.client_register.
type ClientRegisterLimits struct {
	IP Rate `key:"ip" default:"30/1h burst 120" help:"Attempts from one address."`
}
