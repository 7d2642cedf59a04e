package guard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Defaults of the fields of Config that are left zero.
const (
	DefaultLeeway          = 30 * time.Second
	DefaultMaxTokenBytes   = 16 << 10
	DefaultCacheSize       = 8192
	DefaultFetchTimeout    = 3 * time.Second
	DefaultRefreshInterval = 5 * time.Minute
	DefaultMinRefetch      = 30 * time.Second
	DefaultMaxStale        = 6 * time.Hour
	DefaultReplaySize      = 1 << 18
)

// maxLeeway limits the damage of a wrong unit, such as minutes for seconds.
const maxLeeway = 5 * time.Minute

// Config configures a Guard. Only Issuer is required; every zero value is the safe
// choice.
type Config struct {
	// Issuer is the exact "iss" of the tokens, such as https://auth.example.com.
	Issuer string

	// Audience must be among the token's "aud", compared with SameResource. Default:
	// Resource, else Issuer.
	Audience string

	// Resource is the resource identifier of this API, the URL that clients use, such as
	// https://api.example.com. It enables Metadata (RFC 9728) and sender-constrained
	// tokens, whose proofs contain the URL of the request (RFC 9449). The host is never
	// taken from a header of the request.
	Resource string

	// ResourceName, ResourceDocumentation (a URL) and ResourceScopes are published by
	// Metadata.
	ResourceName          string
	ResourceDocumentation string
	ResourceScopes        []string

	// RequestURL returns the URL to which the client sent a request, for proxies that
	// change paths. Default: the origin of Resource and the path of the request.
	RequestURL func(*http.Request) string

	// DPoPRequired refuses tokens that are not sender-constrained.
	DPoPRequired bool

	// DPoPNonces requires a nonce of the Guard in every proof, so that proofs cannot be
	// prepared in advance. All instances of an API need the same DPoPNonceKey of 32
	// random bytes; a single instance needs none.
	DPoPNonces   bool
	DPoPNonceKey []byte

	// ReplaySize bounds how many proofs are remembered to detect replays. If more arrive
	// within about three minutes, those of the subjects and clients with the most proofs
	// are evicted first, and their proofs of the same age are refused.
	ReplaySize int

	// JWKSURL is the URL of the key set. Default: jwks_uri of the issuer's
	// /.well-known/openid-configuration, which must be at the issuer's origin; without
	// that document, /.well-known/jwks.json.
	JWKSURL string

	// FetchKeys, if set, returns the JSON Web Key Set in place of HTTP, for keys in a
	// file or in the same process. It must respect its context. Issuer is then only
	// compared and may be an http URL.
	FetchKeys func(context.Context) ([]byte, error)

	// Algorithms are the accepted signature algorithms. Default: ES256, RS256, EdDSA.
	// Also supported: ES384, ES512, RS384, RS512, PS256, PS384, PS512. HMAC is never
	// supported.
	Algorithms []string

	// HTTPClient fetches the keys. Its redirect policy is replaced: only redirects
	// within the same origin are followed.
	HTTPClient *http.Client

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Leeway is the tolerated clock skew for exp, nbf and iat, at most 5 minutes.
	Leeway time.Duration

	// MaxTokenBytes bounds the length of a token. Longer ones are refused unparsed.
	MaxTokenBytes int

	// CacheSize bounds how many verified tokens are cached; negative for none.
	CacheSize int

	// FetchTimeout bounds one attempt to fetch the keys, and so how long a request waits
	// for keys.
	FetchTimeout time.Duration

	// RefreshInterval is the age at which keys are fetched again. A shorter
	// Cache-Control max-age of the issuer is respected, down to MinRefetch.
	RefreshInterval time.Duration

	// MinRefetch is the minimum time between two fetches caused by unknown key IDs.
	MinRefetch time.Duration

	// MaxStale is how long keys may be used after the last successful fetch while the
	// issuer is unreachable. After that the response is 503.
	MaxStale time.Duration

	// Revoked is called for every token that is otherwise valid, cached or not. It must
	// be fast and safe for concurrent use, and must not change the claims.
	Revoked func(*Claims) bool

	// Realm is the realm of challenges. Default: none.
	Realm string

	// ErrorHandler writes the body of an error response. Challenge and Cache-Control are
	// already set; the handler must call WriteHeader(err.Status). Default: problem+json.
	ErrorHandler func(http.ResponseWriter, *http.Request, *Error)

	// Logger logs failed key fetches and invalid keys, never tokens.
	// Default: slog.Default().
	Logger *slog.Logger

	// InsecureAllowHTTP permits http for hosts other than loopback. Anyone on the
	// network path can then replace the keys and forge tokens.
	InsecureAllowHTTP bool
}

// ConfigError is one invalid field of a Config. New joins all of them: use errors.As,
// or unwrap []error.
type ConfigError struct {
	Field  string
	Reason string
}

func (e *ConfigError) Error() string { return "guard.Config." + e.Field + ": " + e.Reason }

var supported = []jose.SignatureAlgorithm{
	jose.ES256, jose.ES384, jose.ES512,
	jose.RS256, jose.RS384, jose.RS512,
	jose.PS256, jose.PS384, jose.PS512,
	jose.EdDSA,
}

// withDefaults returns c with zero fields set to their defaults.
func (c Config) withDefaults() Config {
	setDefault := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	setDefault(&c.Leeway, DefaultLeeway)
	setDefault(&c.FetchTimeout, DefaultFetchTimeout)
	setDefault(&c.RefreshInterval, DefaultRefreshInterval)
	setDefault(&c.MinRefetch, DefaultMinRefetch)
	setDefault(&c.MaxStale, DefaultMaxStale)
	c.Audience = cmp.Or(c.Audience, c.Resource, c.Issuer)
	c.ReplaySize = cmp.Or(c.ReplaySize, DefaultReplaySize)
	if len(c.Algorithms) == 0 {
		c.Algorithms = []string{"ES256", "RS256", "EdDSA"}
	}
	if c.MaxTokenBytes == 0 {
		c.MaxTokenBytes = DefaultMaxTokenBytes
	}
	if c.CacheSize == 0 {
		c.CacheSize = DefaultCacheSize
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// validate returns all invalid fields as joined *ConfigError values.
func (c Config) validate() error {
	var errs []error
	invalid := func(field, format string, args ...any) {
		errs = append(errs, &ConfigError{Field: field, Reason: fmt.Sprintf(format, args...)})
	}
	if c.Issuer == "" {
		invalid("Issuer", "is required")
	} else if err := checkURL(c.Issuer, c.InsecureAllowHTTP || c.FetchKeys != nil); err != nil {
		invalid("Issuer", "%v", err)
	} else if strings.ContainsAny(c.Issuer, "?#") {
		invalid("Issuer", "must have no query and no fragment")
	}
	if c.JWKSURL != "" {
		if err := checkURL(c.JWKSURL, c.InsecureAllowHTTP); err != nil {
			invalid("JWKSURL", "%v", err)
		}
		if c.FetchKeys != nil {
			invalid("FetchKeys", "cannot be combined with JWKSURL")
		}
	}
	for _, a := range c.Algorithms {
		if strings.HasPrefix(strings.ToUpper(a), "HS") {
			invalid("Algorithms", "%q uses a shared secret: any verifier could forge tokens", a)
		} else if !slices.Contains(supported, jose.SignatureAlgorithm(a)) {
			invalid("Algorithms", "%q is not supported (supported: %v)", a, supported)
		}
	}
	c.validateResource(invalid)
	c.validateNumbers(invalid)
	if strings.ContainsFunc(c.Realm, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		invalid("Realm", "may contain only printable ASCII without quotes and backslashes")
	}
	return errors.Join(errs...)
}

func (c Config) validateResource(invalid func(field, format string, args ...any)) {
	if c.Resource == "" {
		if c.DPoPRequired || c.DPoPNonces {
			invalid("Resource", "is required for DPoP")
		}
		return
	}
	if err := checkURL(c.Resource, c.InsecureAllowHTTP); err != nil {
		invalid("Resource", "%v", err)
	} else if strings.ContainsAny(c.Resource, "?#") {
		invalid("Resource", "must have no query and no fragment")
	} else if strings.ContainsFunc(c.Resource, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"\<>^`, r) }) {
		invalid("Resource", "may contain only URI characters")
	}
	for _, s := range c.ResourceScopes {
		if s == "" || !isScopeToken(s) {
			invalid("ResourceScopes", "%q is not a valid scope", s)
		}
	}
	if n := len(c.DPoPNonceKey); n != 0 && n < 32 {
		invalid("DPoPNonceKey", "has %d bytes, needs at least 32", n)
	}
	if c.ReplaySize < 2 || c.ReplaySize > 1<<24 {
		invalid("ReplaySize", "must be between 2 and 16777216, not %d", c.ReplaySize)
	}
}

func (c Config) validateNumbers(invalid func(field, format string, args ...any)) {
	if c.Leeway < 0 || c.Leeway > maxLeeway {
		invalid("Leeway", "must be between 0 and %v, not %v", maxLeeway, c.Leeway)
	}
	if c.MaxTokenBytes < 256 || c.MaxTokenBytes > 1<<20 {
		invalid("MaxTokenBytes", "must be between 256 and 1048576, not %d", c.MaxTokenBytes)
	}
	if c.CacheSize > 1<<24 {
		invalid("CacheSize", "must be at most 16777216, not %d", c.CacheSize)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"FetchTimeout", c.FetchTimeout}, {"RefreshInterval", c.RefreshInterval},
		{"MinRefetch", c.MinRefetch}, {"MaxStale", c.MaxStale},
	} {
		if d.value < 0 {
			invalid(d.name, "must not be negative: %v", d.value)
		}
	}
	if c.MaxStale < c.RefreshInterval {
		invalid("MaxStale", "%v is less than RefreshInterval %v: keys would expire before they are fetched again", c.MaxStale, c.RefreshInterval)
	}
}

// checkURL accepts https URLs, and http URLs of loopback hosts or if allowHTTP is set.
func checkURL(raw string, allowHTTP bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return errors.New("is not a URL")
	case u.Host == "" || u.Opaque != "":
		return errors.New("must be an absolute URL such as https://auth.example.com")
	case u.User != nil:
		return errors.New("must not contain a user or password")
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http":
		return errors.New("must begin with https://")
	case allowHTTP || isLoopback(u.Hostname()):
		return nil
	}
	return errors.New("must begin with https:// unless the host is a loopback address")
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// sameOrigin reports whether two URLs have the same origin.
func sameOrigin(a, b *url.URL) bool {
	port := func(u *url.URL) string {
		if p := u.Port(); p != "" {
			return p
		}
		return u.Scheme
	}
	return a.Scheme == b.Scheme && net.JoinHostPort(a.Hostname(), port(a)) == net.JoinHostPort(b.Hostname(), port(b))
}
