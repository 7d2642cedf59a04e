package config

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Mode is the command for which a configuration is validated.
type Mode string

const (
	// Serve is production: required settings have no default, and secrets are never sent in the
	// clear.
	Serve Mode = "serve"
	// Dev is one developer's machine: every setting has a default, nothing is public.
	Dev Mode = "dev"
	// DevPublic is Dev in a container or for a team: other machines reach it.
	DevPublic Mode = "dev --public"
)

// Validate checks the whole configuration. Its error joins a *Problem for every mistake that Load
// has not reported.
func (c *Config) Validate(mode Mode) error {
	v := &validator{Config: c, mode: mode}
	v.listeners()
	v.issuer()
	v.tls()
	v.origins()
	v.passkeys()
	v.resources()
	v.schemes()
	v.database()
	v.mail()
	v.secrets()
	v.order()
	switch mode {
	case Serve:
		v.serve()
	case Dev:
		v.dev()
	case DevPublic:
	default:
		return fmt.Errorf("validate for %q: unknown mode", mode)
	}
	return v.problems.err()
}

type validator struct {
	*Config
	mode     Mode
	problems problems
}

// report reports a setting, with its source and input.
func (v *validator) report(key, msg, fix string) {
	o := v.Config.origins[key]
	if o.failed {
		return
	}
	v.problems.add(Problem{Key: key, Value: o.shown, From: o.from, Msg: msg, Fix: fix})
}

// set returns the ways to set a key, for the fix of a missing one.
func set(key, example string) string {
	f := described().byKey[key]
	fix := "set " + f.Env
	if f.Secret {
		fix += " or " + f.Env + "_FILE"
	}
	if f.Flag != "" {
		fix += " or --" + f.Flag
	}
	return fix + ", or " + key + " in the configuration file, " + example
}

func (v *validator) addresses() []struct{ key, addr string } {
	return []struct{ key, addr string }{{"listen", v.Listen}, {"manage", v.Manage}}
}

func (v *validator) listeners() {
	for _, l := range v.addresses() {
		if !validAddress(l.addr) {
			v.report(l.key, "is not HOST:PORT", `set it to an address such as "127.0.0.1:8080" or ":8080"`)
		}
	}
	if v.Listen == v.Manage && !strings.HasSuffix(v.Listen, ":0") {
		v.report("manage", "is the address of the public listener", "give the management listener its own port")
	}
}

func validAddress(addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || strings.ContainsAny(host, "/@? ") {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && strconv.FormatUint(n, 10) == port
}

// loopback reports whether a listener or host is on loopback.
func loopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && addr.Unmap().IsLoopback()
}

// issuer checks the form of the issuer. Verifiers compare it as a string, so only one spelling is
// allowed.
func (v *validator) issuer() {
	if v.Issuer == "" {
		return
	}
	fix := "set it to scheme and host, such as https://auth.example.com"
	u, err := parseOrigin(v.Issuer)
	switch {
	case err != nil:
		v.report("issuer", err.Error(), fix)
	case u.Scheme == "http" && !loopback(u.Host) && v.mode != DevPublic:
		v.report("issuer", "is not https", "use https; http is only for this machine")
	case u.Scheme == "http" && v.TLS.Enabled():
		v.report("issuer", "is http, but the listener speaks https", "set it to https://"+u.Host)
	}
}

// parseOrigin parses an origin in its canonical spelling: scheme and host in lower case, a port
// only when it is not the default, and nothing after it.
func parseOrigin(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return nil, errors.New("is not a URL with scheme and host")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("is neither https nor http")
	case u.User != nil:
		return nil, errors.New("holds a user name")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(text, "#"):
		return nil, errors.New("has a query or fragment")
	case strings.HasSuffix(text, "/"):
		return nil, errors.New("ends in a slash")
	case u.Path != "":
		return nil, errors.New("has a path")
	case u.Hostname() == "" || strings.ContainsAny(u.Host, "*, %"):
		return nil, errors.New("has no plain host name")
	case text != u.Scheme+"://"+strings.ToLower(u.Host):
		return nil, errors.New("is not in lower case")
	}
	defaultPort := map[string]string{"https": "443", "http": "80"}[u.Scheme]
	if _, port, found := strings.Cut(strings.TrimPrefix(u.Host, "["+u.Hostname()+"]"), ":"); found && (port == defaultPort || !validAddress(u.Host)) {
		return nil, errors.New("has an invalid port, or the default port of the scheme")
	}
	return u, nil
}

func (v *validator) tls() {
	t := v.TLS
	if (t.CertFile == "") != (t.KeyFile == "") {
		missing := "tls.key_file"
		if t.CertFile == "" {
			missing = "tls.cert_file"
		}
		v.report(missing, "is missing", "a certificate needs its key: set both tls.cert_file and tls.key_file")
	}
	if t.CertFile != "" && len(t.Auto) > 0 {
		v.report("tls.auto", "conflicts with tls.cert_file", "keep one of them")
	}
	for _, name := range t.Auto {
		if _, err := netip.ParseAddr(name); err == nil || strings.ContainsAny(name, "*/:@ ") || !strings.Contains(name, ".") {
			v.report("tls.auto", strconv.Quote(name)+" is not a host name", "list names such as auth.example.com, without scheme, port or wildcard")
		}
	}
	if d, err := url.Parse(t.Directory); err != nil || d.Scheme != "https" || d.Host == "" {
		v.report("tls.directory", "is not an https URL", "leave it out for Let's Encrypt")
	}
	if u, err := url.Parse(v.Issuer); err == nil && len(t.Auto) > 0 && u.Host != "" && !t.Covers(u.Hostname()) {
		v.report("tls.auto", "lacks the issuer's host", "add "+u.Hostname())
	}
}

// Covers reports whether a certificate for the host is obtained automatically.
func (t TLS) Covers(host string) bool {
	for _, name := range t.Auto {
		if strings.EqualFold(name, host) {
			return true
		}
	}
	return false
}

func (v *validator) origins() {
	for _, o := range v.CORS.Origins {
		u, err := parseOrigin(o)
		if err == nil && u.Scheme == "http" && !loopback(u.Host) {
			err = errors.New("is not https")
		}
		if err != nil {
			v.report("cors.origins", strconv.Quote(o)+" "+err.Error(), "list exact origins such as https://app.example.com")
		}
	}
}

// apkKeyHash begins the origin of an Android application.
const apkKeyHash = "android:apk-key-hash:"

func (v *validator) passkeys() {
	issuer, err := url.Parse(v.BaseURL())
	if id := v.Passkeys.RPID; err == nil && id != "" && id != issuer.Hostname() && (!strings.HasSuffix(issuer.Hostname(), "."+id) || !strings.Contains(id, ".")) {
		v.report("passkeys.rp_id", strconv.Quote(id)+" is neither the host of the issuer nor a domain above it", "leave it out, or name a domain such as example.com for auth.example.com")
	}
	for _, o := range v.Passkeys.Origins {
		if hash, android := strings.CutPrefix(o, apkKeyHash); android {
			if len(hash) != 43 || strings.ContainsFunc(hash, func(r rune) bool { return !strings.ContainsRune(base64URL, r) }) {
				v.report("passkeys.origins", strconv.Quote(o)+" has no SHA-256 digest of a certificate", "write the 32 bytes in base64url without padding: 43 characters")
			}
			continue
		}
		u, err := parseOrigin(o)
		if err == nil && u.Scheme == "http" && !loopback(u.Host) {
			err = errors.New("is not https")
		}
		if err != nil {
			v.report("passkeys.origins", strconv.Quote(o)+" "+err.Error(), "list exact origins such as https://app.example.com")
		}
	}
}

const base64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func (v *validator) resources() {
	for _, resource := range v.OAuth.Resources {
		r := resource.URL
		u, err := url.Parse(r)
		if err != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Host)) || u.Host == "" || u.User != nil || strings.Contains(r, "#") {
			v.report("oauth.resources", strconv.Quote(r)+" is not the https URL of an API", "list URLs such as https://mcp.example.com, as the API's metadata writes them")
		}
		for _, scope := range resource.Scopes {
			if strings.ContainsFunc(scope, func(r rune) bool { return r < 0x21 || r > 0x7e || r == '"' || r == '\\' }) || strings.Contains(scope, "://") {
				v.report("oauth.resources", strconv.Quote(scope)+" is not a scope", "a scope has printable ASCII without spaces, quotes and backslashes")
			} else if slices.Contains(userScopes, scope) || strings.HasPrefix(scope, "watchword:") {
				v.report("oauth.resources", strconv.Quote(scope)+" is not a scope of an API", "list scopes of the API, such as orders:read; those of OpenID Connect and of the server itself are granted separately")
			}
		}
	}
}

// userScopes are the scopes of OpenID Connect, which belong to no API.
var userScopes = []string{"openid", "profile", "email", "address", "phone", "offline_access"}

func (v *validator) schemes() {
	for _, s := range v.OAuth.RedirectSchemes {
		if strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789+-.") != "" || s[0] < 'a' || len(s) > 64 {
			v.report("oauth.redirect_schemes", strconv.Quote(s)+" is not a scheme in lower case", "list schemes such as cursor, without :// after them")
		} else if slices.Contains([]string{"http", "https", "javascript", "data", "file"}, s) {
			v.report("oauth.redirect_schemes", strconv.Quote(s)+" is not a private-use scheme", "https needs no setting, and http is for loopback addresses")
		}
	}
}

// database checks the URLs that may contain secrets. Its messages quote neither them nor errors
// of their parser.
func (v *validator) database() {
	if db := v.Database.Reveal(); db != "" {
		path, isFile := strings.CutPrefix(db, "sqlite:")
		if isFile && path != "" {
			return
		}
		u, err := url.Parse(db)
		if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
			v.report("database", "is neither a postgres:// URL nor sqlite:PATH",
				"check its form; in a password, write special characters as %40 and the like")
		}
	} else if v.Data == "" {
		v.report("data", "is empty", set("data", "to a folder that this process may write to"))
	}
	if r := v.Limits.Redis.Reveal(); r != "" {
		u, err := url.Parse(r)
		if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" && u.Scheme != "unix" {
			v.report("limits.redis", "is not a redis://, rediss:// or unix:// URL", "set it to one, such as redis://127.0.0.1:6379/0")
		}
	}
}

func (v *validator) mail() {
	if s := v.SMTP.URL.Reveal(); s != "" {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "smtp" && u.Scheme != "smtps" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" {
			v.report("smtp.url", "is not smtp://USER:PASSWORD@HOST:PORT or smtps://…",
				"check its form; in a password, write special characters as %40 and the like")
		}
		if v.SMTP.From == "" {
			v.reportNoSender()
		}
	}
	if f := v.SMTP.From; f != "" {
		if _, err := mail.ParseAddress(f); err != nil || strings.ContainsAny(f, "\r\n") {
			v.report("smtp.from", "is not an email address", `set it to one, such as "Example <no-reply@example.com>"`)
		}
	}
}

func (v *validator) reportNoSender() {
	v.report("smtp.from", "is missing", set("smtp.from", `to the sender of all mail, such as "no-reply@example.com"`))
}

func (v *validator) secrets() {
	if !v.MasterKey.IsZero() && string(v.MasterKey.bytes) == string(v.MasterKeyPrevious.bytes) {
		v.report("master_key_previous", "is the same as master_key", "leave it out, or put the older key there")
	}
	if v.MasterKey.IsZero() && !v.MasterKeyPrevious.IsZero() {
		v.report("master_key_previous", "is set without master_key", "put the key in use into master_key")
	}
}

// order checks settings against each other.
func (v *validator) order() {
	for _, r := range []struct {
		less, more string
		ok         bool
		reason     string
	}{
		{"tokens.refresh_idle", "tokens.refresh_lifetime", v.Tokens.RefreshIdle <= v.Tokens.RefreshLifetime, "it would have no effect"},
		{"sessions.idle", "sessions.lifetime", v.Sessions.Idle <= v.Sessions.Lifetime, "it would have no effect"},
		{"keys.jwks_max_age", "keys.publish_ahead", v.Keys.JWKSMaxAge <= v.Keys.PublishAhead, "tokens would be signed with keys that verifiers do not know yet"},
		{"keys.publish_ahead", "keys.rotate_every", v.Keys.PublishAhead < v.Keys.RotateEvery, "a key would be old before it is used"},
		{"password.memory", "password.memory_budget", v.Password.Memory <= v.Password.MemoryBudget, "not even one password could be hashed"},
		{"http.read_header_timeout", "http.read_timeout", v.HTTP.ReadHeaderTimeout <= v.HTTP.ReadTimeout, "it would have no effect"},
	} {
		if !r.ok {
			f, g := described().byKey[r.less], described().byKey[r.more]
			v.report(r.less, fmt.Sprintf("%s is too much for %s = %s: %s", f.text(v.Config), r.more, g.text(v.Config), r.reason),
				"lower "+r.less+" or raise "+r.more)
		}
	}
}

// serve checks the requirements of production.
func (v *validator) serve() {
	if v.Issuer == "" {
		v.report("issuer", "is missing", set("issuer", "to the public URL of this server, such as https://auth.example.com"))
	}
	if v.MasterKey.IsZero() {
		v.report("master_key", "is missing", set("master_key", "to 32 random bytes; make them with: openssl rand -base64 32"))
	}
	if v.SMTP.URL.IsZero() {
		v.report("smtp.url", "is missing", set("smtp.url", "to your mail server, such as smtp://USER:PASSWORD@mail.example.com:587"))
		if v.SMTP.From == "" {
			v.reportNoSender()
		}
	}
	// Plain HTTP is safe where nobody else can eavesdrop: on loopback, or behind a trusted proxy.
	if !loopback(v.Listen) && !v.TLS.Enabled() && len(v.Proxy.Trusted) == 0 {
		v.report("listen", v.Listen+" would accept passwords over plain HTTP from the network",
			"set tls.auto or tls.cert_file and tls.key_file, or list the proxy that terminates TLS in proxy.trusted, or listen on 127.0.0.1")
	}
	if u, err := url.Parse(v.Issuer); err == nil && u.Host != "" && loopback(u.Host) && !loopback(v.Listen) {
		v.report("issuer", "is a loopback address, but the listener is public",
			"set it to the public URL of this server")
	}
	if v.Password.Memory < 7<<20 {
		v.report("password.memory", v.Password.Memory.String()+" is too little to slow down an attacker", "use at least 7MiB; 19MiB is the default")
	}
}

// dev checks that a development server is private, because anyone who reaches it can read its
// mail.
func (v *validator) dev() {
	for _, l := range v.addresses() {
		if !loopback(l.addr) {
			v.report(l.key, l.addr+" is public, but anyone who reaches a development server can use it as an administrator",
				"listen on 127.0.0.1, or use watchword serve; in a container: watchword dev --public")
		}
	}
	if u, err := url.Parse(v.Issuer); v.Issuer != "" && (err != nil || !loopback(u.Host)) {
		v.report("issuer", "is public, but anyone who reaches a development server can use it as an administrator",
			"leave it out, or use watchword serve; in a container: watchword dev --public")
	}
}
