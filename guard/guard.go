package guard

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Guard verifies tokens of one issuer. It is safe for concurrent use and need not be
// closed.
type Guard struct {
	config  Config
	allowed []jose.SignatureAlgorithm
	keys    *keys
	cache   *cache // nil if disabled

	resource *resource // nil without Config.Resource
}

// New validates the configuration and returns a Guard. It reports all invalid fields
// as joined *ConfigError values.
//
// New tries to fetch the keys within ctx and FetchTimeout. A failure is not an error:
// requests trigger further attempts and get 503 until there are keys. See Ready.
func New(ctx context.Context, config Config) (*Guard, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	g := &Guard{config: config, cache: newCache(config.CacheSize), resource: newResource(config)}
	for _, a := range config.Algorithms {
		if alg := jose.SignatureAlgorithm(a); !slices.Contains(g.allowed, alg) {
			g.allowed = append(g.allowed, alg)
		}
	}
	fetch := newRemote(config).keySet
	if config.FetchKeys != nil {
		fetch = func(ctx context.Context) ([]byte, time.Duration, error) {
			body, err := config.FetchKeys(ctx)
			if err == nil && len(body) > maxBody {
				err = errTooLong
			}
			return body, 0, err
		}
	}
	g.keys = &keys{
		fetch: fetch, allowed: g.allowed, now: config.Now, log: config.Logger,
		timeout: config.FetchTimeout, refresh: config.RefreshInterval,
		minRefetch: config.MinRefetch, maxStale: config.MaxStale,
	}
	if config.InsecureAllowHTTP {
		config.Logger.Warn("InsecureAllowHTTP: keys may be fetched over plain http", "issuer", config.Issuer)
	}
	_ = g.Ready(ctx) // the cause has been logged
	return g, nil
}

// Ready returns nil if the Guard has usable keys, and fetches them if due. The error is
// an *Error that says why there are none.
func (g *Guard) Ready(ctx context.Context) error {
	if _, e := g.keys.current(ctx, g.config.Now()); e != nil {
		return e
	}
	return nil
}

// Verify verifies a token, given without "Bearer", and returns a copy of its claims.
// Every error is an *Error. A sender-constrained token is refused with
// ErrProofRequired; Require checks its proof.
func (g *Guard) Verify(ctx context.Context, token string) (*Claims, error) {
	en, e := g.verify(ctx, token)
	if e == nil {
		e = en.requireBearer()
	}
	if e != nil {
		return nil, e
	}
	return en.claims.clone(), nil
}

// InsecureVerifyWithoutProof verifies a token like Verify, without its proof of possession.
// It also accepts sender-constrained tokens, with the thumbprint of the key in JKT. The
// caller must check the proof with CheckProof, with this token as AccessToken, and
// compare the thumbprints.
func (g *Guard) InsecureVerifyWithoutProof(ctx context.Context, token string) (*Claims, error) {
	en, e := g.verify(ctx, token)
	if e != nil {
		return nil, e
	}
	return en.claims.clone(), nil
}

func (g *Guard) verify(ctx context.Context, token string) (*entry, *Error) {
	if len(token) > g.config.MaxTokenBytes {
		return nil, refuse(ErrMalformed, fmt.Errorf("%d bytes exceed MaxTokenBytes", len(token)))
	}
	now := g.config.Now()
	set, e := g.keys.current(ctx, now)
	if e != nil {
		return nil, e
	}
	// One copy of the token as bytes, on the stack unless it is unusually long.
	var stack [2048]byte
	raw := append(stack[:0], token...)
	cached := g.cache != nil && len(token) <= maxCachedToken
	var d digest
	var en *entry
	if cached {
		d = sha256.Sum256(raw)
		en = g.cache.get(&d)
		if en != nil && (en.key.withdrawn.Load() || !now.Before(en.exp)) {
			en = nil
		}
	}
	if en == nil {
		if en, e = g.verifyCold(ctx, token, raw, set); e != nil {
			return nil, e
		}
		if cached && now.Before(en.exp) {
			g.cache.put(&d, en)
		}
	}
	if g.config.Revoked != nil && g.config.Revoked(en.claims) {
		return nil, refuse(ErrRevoked, nil)
	}
	return en, nil
}

// verifyCold verifies a token that is not cached: first the signature, then the claims.
func (g *Guard) verifyCold(ctx context.Context, token string, raw []byte, set *keySet) (*entry, *Error) {
	p, ok := splitJWS(token, raw)
	if !ok {
		return nil, refuse(ErrMalformed, errEncoding)
	}
	payload, signer, e := g.verifySignature(ctx, token, p, set)
	if e != nil {
		return nil, e
	}
	claims, err := parseClaims(payload)
	if err != nil {
		return nil, refuse(ErrMalformed, err)
	}
	if e := g.checkClaims(claims); e != nil {
		return nil, e
	}
	claims.now = g.config.Now
	return &entry{claims: claims, grants: grantsOf(claims), key: signer, exp: claims.ExpiresAt}, nil
}

// verifySignature returns the signed payload and the key that signed it.
func (g *Guard) verifySignature(ctx context.Context, token string, p parts, set *keySet) (string, *key, *Error) {
	if v, ok := set.byHeader[p.header]; ok {
		payload, e := verifyKnown(p, v)
		return payload, v.key, e
	}
	raw, ok := decodeParts(token, p)
	if !ok {
		return "", nil, refuse(ErrMalformed, errEncoding)
	}
	h, err := parseHeader(raw)
	if err != nil {
		return "", nil, refuse(ErrMalformed, err)
	}
	if !slices.Contains(g.allowed, jose.SignatureAlgorithm(h.alg)) {
		return "", nil, refuse(ErrAlgorithm, fmt.Errorf("%.20q", h.alg))
	}
	if !isAccessTokenType(h.typ) {
		return "", nil, refuse(ErrType, fmt.Errorf("typ %.20q", h.typ))
	}
	if h.hasKid && !set.hasID(h.kid) {
		newer := g.keys.fetchForUnknownID(ctx, set, h.kid)
		if newer == nil || !newer.hasID(h.kid) {
			return "", nil, refuse(ErrSignature, fmt.Errorf("unknown key ID %.64q", h.kid))
		}
		set = newer
	}
	return verifyGeneral(token, p, h, set)
}

// checkClaims checks the claims of a signed token against the configuration.
func (g *Guard) checkClaims(c *Claims) *Error {
	now, leeway := g.config.Now(), g.config.Leeway
	switch {
	case c.Issuer != g.config.Issuer:
		return refuse(ErrIssuer, fmt.Errorf("%.200q", c.Issuer))
	case !inAudience(c.Audience, g.config.Audience):
		return refuse(ErrAudience, fmt.Errorf("%.200q", c.Audience))
	case !now.Before(c.ExpiresAt.Add(leeway)):
		return refuse(ErrExpired, fmt.Errorf("at %v", c.ExpiresAt))
	case c.NotBefore.After(now.Add(leeway)):
		return refuse(ErrNotYetValid, fmt.Errorf("before %v", c.NotBefore))
	case c.IssuedAt.After(now.Add(leeway)):
		return refuse(ErrNotYetValid, fmt.Errorf("issued at %v", c.IssuedAt))
	case c.bound && c.JKT == "":
		return refuse(ErrProofRequired, errors.New("by an unsupported method of cnf"))
	}
	return nil
}
