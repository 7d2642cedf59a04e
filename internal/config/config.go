// Package config holds every setting of the server in one struct, [Config]. Only this
// package knows where a setting comes from.
//
// [Load] reads defaults, a YAML file, the environment and flags, each layer over
// the one before, and reports every mistake at once as a *[Problem]. [Config.Validate]
// then checks whether the whole can be used for development or for production, and
// [Config.Explain] lists where each value came from. Names of variables, the sample
// file, the JSON Schema and the manual are derived from the struct's tags, so a
// new setting is one field:
//
//	key      its name within its section, in the file
//	default  in the text form that the file takes
//	example  for the sample file, when there is no default
//	help     one or two sentences for the manual
//	oneof    the only values, separated by |
//	min, max bounds, in the same text form
//	flag     "true" if the command line has it as a flag
//
// A secret is a field of type [Key], [Secret] or [SecretURL]. These print redacted; only
// Bytes and Reveal return the value. The name of a file that holds the secret can be set
// under the key with "_file" at its end. The package imports no other package of the
// server; package server converts [Rate].
package config

import "time"

// DefaultFile is the configuration file that is read when none is named.
const DefaultFile = "watchword.yaml"

// Config is the whole configuration. Printing it in any way shows no secret.
// A Config is not changed after Load and so safe for concurrent use.
type Config struct {
	Listen            string    `key:"listen" flag:"true" default:"127.0.0.1:8080" help:"Address of the public listener, HOST:PORT. An empty host means every interface."`
	Manage            string    `key:"manage" flag:"true" default:"127.0.0.1:9090" help:"Address of the management listener: health, metrics and profiles. It requires no credentials, so keep it off public networks."`
	Issuer            string    `key:"issuer" example:"https://auth.example.com" flag:"true" help:"The server's base URL as its users see it, such as https://auth.example.com: scheme and host, no path, no slash at the end. It is the iss of every token, so it must not change later."`
	Data              string    `key:"data" flag:"true" default:"./watchword-data" help:"Directory for data on disk, such as the SQLite database."`
	Database          SecretURL `key:"database" example:"postgres://watchword@db.example.com/watchword" flag:"true" help:"The database: postgres://USER:PASSWORD@HOST/NAME or sqlite:PATH. If empty, the file watchword.db in the data directory."`
	MasterKey         Key       `key:"master_key" help:"The key that seals signing keys and other stored secrets: 32 random bytes in base64 (openssl rand -base64 32). Keep a copy separate from the database; without the key the database cannot be used."`
	MasterKeyPrevious Key       `key:"master_key_previous" help:"The master key used before master_key, needed until watchword key reseal has sealed everything under master_key."`
	AccessLog         bool      `key:"access_log" default:"true" help:"Write one line to the log for each request."`

	Log      Log      `key:"log" help:"The server's log, on standard error."`
	HTTP     HTTP     `key:"http" help:"Limits of one connection."`
	TLS      TLS      `key:"tls" help:"HTTPS by the server itself, with certificate files or automatic certificates. Leave empty if a proxy in front terminates TLS."`
	Proxy    Proxy    `key:"proxy" help:"Proxies in front of the server."`
	CORS     CORS     `key:"cors" help:"Browser applications on other origins."`
	SMTP     SMTP     `key:"smtp" help:"Outgoing mail."`
	Accounts Accounts `key:"accounts" help:"Who may register an account. Tenants can set their own."`
	Password Password `key:"password" help:"How passwords are hashed. watchword calibrate proposes values for a machine; stored hashes with lower values are replaced at the next sign-in."`
	Passkeys Passkeys `key:"passkeys" help:"Passkeys. They need an issuer with a domain name, and https unless it is localhost."`
	Places   Places   `key:"places" help:"Places of IP addresses, for users: in the list of their devices and in mails."`
	Links    Links    `key:"links" help:"How long links in mails work."`
	Sessions Sessions `key:"sessions" help:"Browser sessions."`
	Tokens   Tokens   `key:"tokens" help:"Access and refresh tokens. Tenants can set their own."`
	OAuth    OAuth    `key:"oauth" help:"The OAuth provider."`
	Outbound Outbound `key:"outbound" help:"Requests of the server to addresses that clients name, such as a jwks_uri."`
	Keys     Keys     `key:"keys" help:"The keys that sign tokens."`
	Limits   Limits   `key:"limits" help:"Rate limits, as COUNT/PERIOD with an optional burst: 10/1m burst 20 gives 20 at once and ten more each minute. Addresses are those that trusted proxies report, IPv6 by /64, and by /56 and /48 with four and sixteen times the rate. A limit can be raised, not switched off."`
	Metrics  Metrics  `key:"metrics" help:"The management listener."`
	Audit    Audit    `key:"audit" help:"The audit log."`
	Shutdown Shutdown `key:"shutdown" help:"Shutdown."`

	origins  map[string]origin // by key; a key that is missing has its default
	warnings problems
}

// Log is the section log.
type Log struct {
	Level  string `key:"level" default:"info" oneof:"debug|info|warn|error" help:"The least severe level that is written."`
	Format string `key:"format" default:"json" oneof:"json|text" help:"JSON for machines, text for reading."`
}

// HTTP is the section http.
type HTTP struct {
	BodyJSON          Size          `key:"body_json" default:"1MiB" min:"1KiB" max:"64MiB" help:"Largest JSON body."`
	BodyForm          Size          `key:"body_form" default:"64KiB" min:"1KiB" max:"16MiB" help:"Largest form body."`
	Header            Size          `key:"header" default:"32KiB" min:"4KiB" max:"1MiB" help:"Largest request head."`
	ReadHeaderTimeout time.Duration `key:"read_header_timeout" default:"5s" min:"100ms" max:"5m" help:"Time for a request's head to arrive."`
	ReadTimeout       time.Duration `key:"read_timeout" default:"30s" min:"100ms" max:"10m" help:"Time for a whole request to arrive."`
	WriteTimeout      time.Duration `key:"write_timeout" default:"1m" min:"1s" max:"1h" help:"Time from the end of a request's head to the end of its response."`
	IdleTimeout       time.Duration `key:"idle_timeout" default:"2m" min:"1s" max:"1h" help:"Time a connection may stay open between requests."`
	MaxConnections    int           `key:"max_connections" default:"16384" min:"16" max:"1000000" help:"Open connections to the public listener; further ones wait to be accepted."`
}

// TLS is the section tls.
type TLS struct {
	CertFile  string `key:"cert_file" example:"/etc/watchword/tls.crt" help:"Certificate chain in PEM, reloaded when the file changes."`
	KeyFile   string `key:"key_file" example:"/etc/watchword/tls.key" help:"Private key of cert_file, in PEM."`
	Auto      List   `key:"auto" example:"auth.example.com" help:"Host names for which certificates are obtained and renewed automatically. The host of the issuer must be among them, and port 443 must reach the public listener."`
	Email     string `key:"email" example:"ops@example.com" help:"Contact address for the certificate authority."`
	Directory string `key:"directory" default:"https://acme-v02.api.letsencrypt.org/directory" help:"Directory URL of the certificate authority (ACME)."`

	DirectoryCAFile string `key:"directory_ca_file" example:"/etc/watchword/ca.pem" help:"Root certificates in PEM that are trusted for the directory of a private certificate authority, instead of the system's."`
}

// Enabled reports whether the public listener speaks HTTPS itself.
func (t TLS) Enabled() bool { return t.CertFile != "" || len(t.Auto) > 0 }

// Proxy is the section proxy.
type Proxy struct {
	Trusted Prefixes `key:"trusted" example:"10.0.0.0/8, 192.168.1.7" help:"Networks of the proxies in front, such as 10.0.0.0/8. X-Forwarded-For is accepted only from them. Setting it also declares that they terminate TLS."`
}

// CORS is the section cors.
type CORS struct {
	Origins List `key:"origins" example:"https://app.example.com" help:"Origins whose scripts may call the API, such as https://app.example.com. Matched exactly, without wildcards."`
}

// SMTP is the section smtp.
type SMTP struct {
	URL  SecretURL `key:"url" example:"smtp://mail.example.com:587" help:"The mail server: smtp://USER:PASSWORD@HOST:587 (STARTTLS, required unless the server is on this machine) or smtps://USER:PASSWORD@HOST:465 (TLS from the start)."`
	From string    `key:"from" example:"Example <no-reply@example.com>" help:"Sender of all mail, such as Example <no-reply@example.com>."`
}

// Accounts is the section accounts.
type Accounts struct {
	Registration string `key:"registration" default:"open" oneof:"open|closed" help:"Whether users may register."`
}

// Password is the section password.
type Password struct {
	Memory            Size          `key:"memory" default:"19MiB" min:"8KiB" max:"4GiB" help:"Argon2id memory of one hash."`
	Time              int           `key:"time" default:"2" min:"1" max:"100" help:"Argon2id passes."`
	Parallelism       int           `key:"parallelism" default:"1" min:"1" max:"255" help:"Argon2id lanes."`
	MemoryBudget      Size          `key:"memory_budget" default:"256MiB" min:"8KiB" max:"1TiB" help:"Memory of all hashes that run at once, which bounds their number."`
	Queue             int           `key:"queue" default:"128" min:"0" max:"1000000" help:"How many sign-ins may wait to be hashed. Further ones get 503 and Retry-After."`
	MaxWait           time.Duration `key:"max_wait" default:"800ms" min:"1ms" max:"1m" help:"How long a sign-in may wait to be hashed before it gets 503."`
	BreachedFile      string        `key:"breached_file" example:"/etc/watchword/breached.txt" help:"File of breached passwords to refuse, as SHA-1 digests in hexadecimal, one a line, sorted, optionally with :COUNT."`
	FlaskSecuritySalt Secret        `key:"flask_security_salt" help:"SECURITY_PASSWORD_SALT of the Flask-Security application whose accounts were imported."`
}

// Passkeys is the section passkeys.
type Passkeys struct {
	RPID    string `key:"rp_id" example:"example.com" help:"The domain that passkeys belong to (the RP ID of WebAuthn): the host of the issuer, or a domain above it. If empty, the host of the issuer. After a change no passkey of before works."`
	Origins List   `key:"origins" example:"https://app.example.com" help:"Further origins whose pages and applications use the passkeys of this server, such as https://app.example.com, or android:apk-key-hash: and the hash of an Android application. Those with https are published at /.well-known/webauthn for browsers."`
	Offer   bool   `key:"offer" default:"true" help:"Offer a passkey after sign-in to users who have none, at most every 30 days."`
}

// Places is the section places.
type Places struct {
	Database string `key:"database" example:"/var/lib/GeoIP/GeoLite2-City.mmdb" help:"File of cities or countries in the MaxMind DB format (.mmdb), such as GeoLite2 City or DB-IP City Lite. It is read into memory, and again when it changes. If empty, no places are shown."`
}

// Links is the section links.
type Links struct {
	Verify time.Duration `key:"verify" default:"24h" min:"1m" max:"30d" help:"Links that verify an email address."`
	Reset  time.Duration `key:"reset" default:"1h" min:"1m" max:"7d" help:"Links that set a new password."`
}

// Sessions is the section sessions.
type Sessions struct {
	Idle     time.Duration `key:"idle" default:"24h" min:"1m" max:"400d" help:"A session expires after this long without use."`
	Lifetime time.Duration `key:"lifetime" default:"14d" min:"1m" max:"400d" help:"A session expires after this long in any case."`
	Remember time.Duration `key:"remember" default:"30d" min:"1h" max:"400d" help:"How long a browser gets new sessions if its user chose to stay signed in."`
}

// Tokens is the section tokens.
type Tokens struct {
	AccessLifetime  time.Duration `key:"access_lifetime" default:"15m" min:"10s" max:"24h" help:"Lifetime of access tokens. Services that verify them by themselves accept a revoked token until it expires."`
	Algorithm       string        `key:"algorithm" default:"ES256" oneof:"ES256|RS256|EdDSA" help:"Signature algorithm of access tokens. RS256 costs thirty times as much as ES256."`
	RefreshIdle     time.Duration `key:"refresh_idle" default:"14d" min:"1m" max:"400d" help:"A refresh token expires after this long without use."`
	RefreshLifetime time.Duration `key:"refresh_lifetime" default:"30d" min:"1m" max:"400d" help:"A new sign-in is required after this long, however often tokens were refreshed."`
	RefreshGrace    time.Duration `key:"refresh_grace" default:"10s" min:"0s" max:"1m" help:"A second use of a refresh token within this time counts as a race: two tabs that refresh together get the same response. With 0s every second use counts as reuse, whatever refresh_retry is."`
	RefreshRetry    time.Duration `key:"refresh_retry" default:"24h" min:"0s" max:"400d" help:"Within this time a client that lost the response to a refresh gets the same response again, while the new token is unused. The same holds for the remember-me cookie. With 0s it ends with refresh_grace, and later use of the old token ends the whole family."`
}

// OAuth is the section oauth.
type OAuth struct {
	AssertionAudience string `key:"assertion_audience" default:"issuer" oneof:"issuer|endpoint" help:"Accepted audience of client assertions (private_key_jwt): only the issuer, or, for old clients, the URL of the token endpoint as well."`

	PKCE            string        `key:"pkce" default:"required" oneof:"required|optional" help:"Whether confidential clients must send a code_challenge (PKCE). Public clients always must. A tenant or a client can be exempted."`
	Registration    string        `key:"registration" default:"closed" oneof:"closed|token|open" help:"Who may register clients at /oauth2/register: nobody (closed), holders of a token of watchword client registration-token, or anyone (open). Tenants can set their own."`
	ClientMetadata  bool          `key:"client_id_metadata" default:"false" help:"Accept the https URL of a client ID metadata document as client_id, without registration. The server fetches the document."`
	Resources       Resources     `key:"resources" example:"https://mcp.example.com orders:read orders:write" help:"APIs for which every client may request tokens (resource, RFC 8707), self-registered ones included, as MCP servers need. Scopes after the URL, or in the file {resource: URL, scopes: [...]}, may be granted to every client, with the user's consent, in tokens for only that API. All other audiences and scopes are registered client by client."`
	RedirectSchemes List          `key:"redirect_schemes" example:"cursor, vscode" help:"Private-use schemes without a dot that native clients may use in redirect URIs, such as cursor for cursor://…. Any program on a device can claim such a scheme and receive a code that was meant for another. Schemes with a dot (com.example.app) need no setting."`
	CodeLifetime    time.Duration `key:"code_lifetime" default:"60s" min:"1s" max:"10m" help:"Lifetime of authorization codes."`
	PushedLifetime  time.Duration `key:"pushed_lifetime" default:"60s" min:"5s" max:"10m" help:"Lifetime of pushed authorization requests (PAR)."`
	DeviceLifetime  time.Duration `key:"device_lifetime" default:"10m" min:"1m" max:"1h" help:"Lifetime of device codes and user codes."`
	DPoPNonce       bool          `key:"dpop_nonce" default:"false" help:"Require a nonce of the server in every DPoP proof. A client that lacks a current nonce must repeat its request."`
}

// Outbound is the section outbound.
type Outbound struct {
	Allow  Prefixes `key:"allow" example:"10.20.0.0/16" help:"Networks that may be reached although they are not public, also over plain http if the URL has an IP address. Anyone who may register a client can make the server send requests to them."`
	CAFile string   `key:"ca_file" example:"/etc/watchword/ca.pem" help:"Root certificates in PEM that are trusted in addition to the system's, for a closed network."`
}

// Keys is the section keys.
type Keys struct {
	RotateEvery  time.Duration `key:"rotate_every" default:"90d" min:"1h" max:"3650d" help:"Age at which a signing key is replaced."`
	PublishAhead time.Duration `key:"publish_ahead" default:"24h" min:"1m" max:"90d" help:"How long a key is published before it signs, so that verifiers know it. At least jwks_max_age."`
	JWKSMaxAge   time.Duration `key:"jwks_max_age" default:"15m" min:"1s" max:"24h" help:"How long verifiers may cache the published keys."`
}

// Metrics is the section metrics.
type Metrics struct {
	Pprof bool `key:"pprof" default:"false" help:"Offer profiles under /debug/pprof/ on the management listener."`
}

// Audit is the section audit.
type Audit struct {
	Retention time.Duration `key:"retention" default:"365d" min:"1d" max:"36500d" help:"How long audit events are kept."`
}

// Shutdown is the section shutdown.
type Shutdown struct {
	Timeout time.Duration `key:"timeout" default:"10s" min:"100ms" max:"10m" help:"Time for requests in progress to finish after SIGTERM or SIGINT."`
}
