package config

import "time"

// Limits is the section limits.
type Limits struct {
	Redis        SecretURL     `key:"redis" example:"redis://redis.example.com:6379/0" help:"Redis that counts for all nodes: redis://:PASSWORD@HOST:6379/0, rediss:// or unix://. Empty means that each node counts for itself. While Redis is unavailable each node enforces the limits by itself."`
	RedisTimeout time.Duration `key:"redis_timeout" default:"50ms" min:"1ms" max:"5s" help:"How long a request waits for Redis before it is counted locally."`
	Keys         int           `key:"keys" default:"131072" min:"1024" max:"100000000" help:"Keys counted separately in memory, in each of three tables (for limits of minutes, of half an hour, and longer), 17 bytes each. More keys than that make limits stricter for new keys, but allow each at least one request."`

	Rates Rates `key:""`
}

// Rates are the rates of rateRows, in their order.
type Rates [len(rateRows)]Rate

// Rate returns the rate of a name, such as "login.ip". An unknown name panics.
func (l *Limits) Rate(name string) *Rate {
	for i := range rateRows {
		if rateRows[i].name == name {
			return &l.Rates[i]
		}
	}
	panic("config: no rate limit is called " + name)
}

// All returns every rate by its name.
func (r Rates) All() map[string]Rate {
	all := make(map[string]Rate, len(r))
	for i := range r {
		all[rateRows[i].name] = r[i]
	}
	return all
}

// rateSections are the sections of limits that hold the rates.
var rateSections = []Section{
	{"login", "Signing in."},
	{"register", "Registering."},
	{"verify", "Verifying an address by link."},
	{"resend", "Requesting another verification link."},
	{"forgot", "Requesting a link to set a new password."},
	{"reset", "Setting a new password by link."},
	{"change", "Changing the password or email address with the current password. Only failures count."},
	{"factor", "Codes of second factors. Only wrong codes count."},
	{"email_code", "Mails with a code or a link to sign in."},
	{"self", "Changes of users to their own account. Only successes count."},
	{"refresh", "Refreshing tokens."},
	{"authorize", "The authorization endpoint and its pages."},
	{"user_code", "Entering the code that a device shows. Only wrong codes count."},
	{"client_register", "Dynamic client registration."},
	{"public_client", "Public clients: pushed requests and device codes, which anyone can request in their name."},
	{"client", "Client authentication: the OAuth endpoints for tokens, introspection and revocation. Only failures count."},
}

// rateRows are the rate limits, one a row: the name, the default and what is counted. Each counts
// by address, by account (or email address, known or not), or by credential. The name is the key
// below limits, the name in limit.Rates, and the label of watchword_rate_limited_total.
var rateRows = [...]struct{ name, rate, help string }{
	{"login.ip", "30/1m burst 60", "Failures from one address, for any account."},
	{"login.account", "10/15m", "Failures for one account from one known browser, or from one network; from all strangers together, three times as many."},
	{"login.success", "600/1h", "Sign-ins of one account that succeed."},
	{"register.ip", "20/1h", "Attempts from one address."},
	{"register.account", "5/1h", "Attempts for one email address, each of which may send a mail."},
	{"verify.ip", "30/1m", "Attempts from one address."},
	{"resend.ip", "20/1h", "Requests from one address."},
	{"resend.account", "5/1h", "Mails to one email address that strangers request; a known browser of its account, or one network, gets half as many."},
	{"forgot.ip", "20/1h", "Requests from one address."},
	{"forgot.account", "5/1h", "Mails to one email address that strangers request; a known browser of its account, or one network, gets half as many."},
	{"reset.ip", "20/10m", "Attempts from one address."},
	{"change.ip", "30/1m burst 60", "Failures from one address, for any account."},
	{"change.account", "10/15m", "Failures of one account in one session; in all its sessions together, three times as many."},
	{"factor.account", "10/15m", "Wrong codes of second factors for one account from one known browser or one network; from all strangers together, three times as many."},
	{"factor.day", "50/24h", "Wrong codes of second factors for one account from all strangers together, and as many from all known browsers together: six digits hold against whoever has the password or the mailbox."},
	{"email_code.ip", "20/1h", "Requests from one address."},
	{"email_code.account", "20/1h", "Mails to one email address that strangers request; a known browser of its account, or one network, gets half as many."},
	{"self.change", "60/10m", "Changes of name or address, and as many sessions ended and consents revoked, in one session. Each leaves an audit event."},
	{"self.password", "10/1h", "Passwords changed in one session, each of which sends a notice."},
	{"self.export", "5/1h", "Exports in one session, each of which reads everything stored about the account."},
	{"refresh.ip", "600/1m", "Refreshes from one address."},
	{"refresh.credential", "30/1m", "Refreshes within one family of refresh tokens."},
	{"authorize.ip", "300/1m burst 600", "Requests from one address, which many users may share."},
	{"user_code.ip", "20/10m", "Wrong codes from one address, of users who are not signed in."},
	{"user_code.account", "20/1h", "Wrong codes from one signed-in account."},
	{"client_register.ip", "30/1h burst 120", "Attempts from one address."},
	{"public_client.ip", "120/1m burst 240", "Requests from one address, for any client."},
	{"client.ip", "60/1m burst 120", "Failures from one address, for any client."},
	{"client.credential", "30/1m", "Failures for one client, from any address. Beyond it a failure is 429 instead of 401. The right credentials always pass, so nobody can lock a client out."},
}
