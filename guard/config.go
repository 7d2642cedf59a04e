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

// maxLeeway keeps a typing mistake (minutes for seconds) from keeping expired
// tokens alive.
const maxLeeway = 5 * time.Minute

// Config describes one issuer and how strictly to believe it. Only Issuer is
// needed; every zero value is the safe choice.
type Config struct {
	// Issuer is the exact "iss" of the tokens, such as https://id.example.com.
	Issuer string

	// Audience must be among the token's "aud", in a spelling that SameResource calls the
	// same. Default: Resource, else Issuer.
	Audience string

	// Resource is the identifier of this API, the URL under which clients know it, such
	// as https://api.example.com. It turns on what needs that: the document of Metadata
	// (RFC 9728), and tokens that are bound to a key, whose proofs name the URL of the
	// request (RFC 9449). No header of a request is asked for our name.
	Resource string

	// ResourceName and ResourceDocumentation, a URL, are for people, ResourceScopes for
	// programs. All of them go into the document of Metadata.
	ResourceName          string
	ResourceDocumentation string
	ResourceScopes        []string

	// RequestURL says under which URL a client has sent a request, where a proxy in
	// front changes paths. Default: the origin of Resource and the path of the request.
	RequestURL func(*http.Request) string

	// DPoPRequired refuses tokens that are not bound to a key.
	DPoPRequired bool

	// DPoPNonces asks for a nonce of ours in every proof, so that none can be made long
	// before it is used. All instances of an API need the same DPoPNonceKey, of 32
	// random bytes; one by itself does without.
	DPoPNonces   bool
	DPoPNonceKey []byte

	// ReplaySize bounds how many proofs are remembered, so that none is used twice. When
	// more than that come within about three minutes, the proofs of the subjects and
	// clients with the most of them are forgotten first, and their proofs as old as
	// those refused.
	ReplaySize int

	// JWKSURL says where the keys are. Default: jwks_uri of the issuer's
	// /.well-known/openid-configuration, which must be at the issuer's origin, else its
	// /.well-known/jwks.json.
	JWKSURL string

	// FetchKeys, when set, delivers the JSON Web Key Set instead of HTTP, for
	// keys that are in a file or in the same process. It must obey its context.
	// Issuer is then only compared, and may be an http URL.
	FetchKeys func(context.Context) ([]byte, error)

	// Algorithms that may sign tokens. Default: ES256, RS256, EdDSA. Also known:
	// ES384, ES512, RS384, RS512, PS256, PS384, PS512. HMAC is never possible.
	Algorithms []string

	// HTTPClient fetches the keys. Its redirect policy is replaced: only
	// redirects within the same origin are followed.
	HTTPClient *http.Client

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Leeway forgives clock differences in exp, nbf and iat; at most 5 minutes.
	Leeway time.Duration

	// MaxTokenBytes refuses longer tokens before anything is parsed.
	MaxTokenBytes int

	// CacheSize bounds how many verified tokens are remembered; negative for none.
	CacheSize int

	// FetchTimeout bounds one attempt to get the keys, and with it how long any
	// request can wait for keys.
	FetchTimeout time.Duration

	// RefreshInterval is the age at which keys are fetched again. A shorter
	// Cache-Control max-age of the issuer is obeyed, down to MinRefetch.
	RefreshInterval time.Duration

	// MinRefetch is the least time between two fetches that were caused by a
	// token with an unknown key id.
	MinRefetch time.Duration

	// MaxStale is how long keys may be used after the last successful fetch
	// when the issuer cannot be reached. After that every token gets 503.
	MaxStale time.Duration

	// Revoked is asked about every token that is otherwise good, also one from
	// the cache. It must be fast and safe for concurrent use, and must not
	// change the claims.
	Revoked func(*Claims) bool

	// Realm is named in challenges. Default: none.
	Realm string

	// ErrorHandler writes the body of a refusal. Status, challenge and
	// Cache-Control are already in the header map; the handler has to call
	// WriteHeader(err.Status). Default: problem+json.
	ErrorHandler func(http.ResponseWriter, *http.Request, *Error)

	// Logger receives failed key fetches and odd key sets, never tokens.
	// Default: slog.Default().
	Logger *slog.Logger

	// InsecureAllowHTTP permits http for hosts other than loopback. Whoever can
	// change a packet on the way can then sign in as anybody.
	InsecureAllowHTTP bool
}

// ConfigError is one mistake in a Config. New joins all of them, so use
// errors.As, or unwrap []error, to show each beside its field.
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

// withDefaults fills what was left zero.
func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.Leeway, DefaultLeeway)
	def(&c.FetchTimeout, DefaultFetchTimeout)
	def(&c.RefreshInterval, DefaultRefreshInterval)
	def(&c.MinRefetch, DefaultMinRefetch)
	def(&c.MaxStale, DefaultMaxStale)
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

// validate reports every mistake, as *ConfigError values joined.
func (c Config) validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &ConfigError{Field: field, Reason: fmt.Sprintf(format, args...)})
	}
	if c.Issuer == "" {
		bad("Issuer", "is required")
	} else if err := checkURL(c.Issuer, c.InsecureAllowHTTP || c.FetchKeys != nil); err != nil {
		bad("Issuer", "%v", err)
	} else if strings.ContainsAny(c.Issuer, "?#") {
		bad("Issuer", "must have no query and no fragment")
	}
	if c.JWKSURL != "" {
		if err := checkURL(c.JWKSURL, c.InsecureAllowHTTP); err != nil {
			bad("JWKSURL", "%v", err)
		}
		if c.FetchKeys != nil {
			bad("FetchKeys", "cannot be combined with JWKSURL")
		}
	}
	for _, a := range c.Algorithms {
		if strings.HasPrefix(strings.ToUpper(a), "HS") {
			bad("Algorithms", "%q uses a shared secret: whoever can check such a token can also forge it", a)
		} else if !slices.Contains(supported, jose.SignatureAlgorithm(a)) {
			bad("Algorithms", "%q is not supported (supported: %v)", a, supported)
		}
	}
	c.validateResource(bad)
	c.validateNumbers(bad)
	if strings.ContainsFunc(c.Realm, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		bad("Realm", "may hold only printable ASCII without quotes and backslashes")
	}
	return errors.Join(errs...)
}

func (c Config) validateResource(bad func(field, format string, args ...any)) {
	if c.Resource == "" {
		if c.DPoPRequired || c.DPoPNonces {
			bad("Resource", "is required for tokens that are bound to keys")
		}
		return
	}
	if err := checkURL(c.Resource, c.InsecureAllowHTTP); err != nil {
		bad("Resource", "%v", err)
	} else if strings.ContainsAny(c.Resource, "?#") {
		bad("Resource", "must have no query and no fragment")
	} else if strings.ContainsFunc(c.Resource, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"\<>^`, r) }) {
		bad("Resource", "may hold only the characters of a URI")
	}
	for _, s := range c.ResourceScopes {
		if s == "" || !scopeToken(s) {
			bad("ResourceScopes", "%q is not a scope", s)
		}
	}
	if n := len(c.DPoPNonceKey); n != 0 && n < 32 {
		bad("DPoPNonceKey", "%d bytes are less than 32", n)
	}
	if c.ReplaySize < 2 || c.ReplaySize > 1<<24 {
		bad("ReplaySize", "%d is not between 2 and 16777216", c.ReplaySize)
	}
}

func (c Config) validateNumbers(bad func(field, format string, args ...any)) {
	if c.Leeway < 0 || c.Leeway > maxLeeway {
		bad("Leeway", "%v is not between 0 and %v", c.Leeway, maxLeeway)
	}
	if c.MaxTokenBytes < 256 || c.MaxTokenBytes > 1<<20 {
		bad("MaxTokenBytes", "%d is not between 256 and 1048576", c.MaxTokenBytes)
	}
	if c.CacheSize > 1<<24 {
		bad("CacheSize", "%d is more than 16777216", c.CacheSize)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"FetchTimeout", c.FetchTimeout}, {"RefreshInterval", c.RefreshInterval},
		{"MinRefetch", c.MinRefetch}, {"MaxStale", c.MaxStale},
	} {
		if d.value < 0 {
			bad(d.name, "%v is negative", d.value)
		}
	}
	if c.MaxStale < c.RefreshInterval {
		bad("MaxStale", "%v is less than RefreshInterval %v: keys would die before they are renewed", c.MaxStale, c.RefreshInterval)
	}
}

// checkURL accepts https, and http where nobody can sit on the way: loopback.
func checkURL(raw string, allowHTTP bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return errors.New("is not a URL")
	case u.Host == "" || u.Opaque != "":
		return errors.New("must be an absolute URL such as https://id.example.com")
	case u.User != nil:
		return errors.New("must not hold a user or password")
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http":
		return errors.New("must begin with https://")
	case allowHTTP || loopback(u.Hostname()):
		return nil
	}
	return errors.New("must begin with https:// unless the host is a loopback address")
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// sameOrigin tells whether a redirect stays where it began.
func sameOrigin(a, b *url.URL) bool {
	port := func(u *url.URL) string {
		if p := u.Port(); p != "" {
			return p
		}
		return u.Scheme
	}
	return a.Scheme == b.Scheme && net.JoinHostPort(a.Hostname(), port(a)) == net.JoinHostPort(b.Hostname(), port(b))
}
