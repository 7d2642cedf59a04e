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

// Guard checks tokens of one issuer. It is safe for concurrent use and needs
// no closing.
type Guard struct {
	config  Config
	allowed []jose.SignatureAlgorithm
	keys    *keys
	cache   *cache // nil when switched off

	resource *resource // nil without Config.Resource
}

// New checks the configuration and returns a Guard. All mistakes are reported
// together, as *ConfigError values joined.
//
// New tries to fetch the keys, for no longer than ctx and FetchTimeout allow.
// If the issuer is down that is not an error: the Guard tries again with the
// first requests, and refuses them with 503 until it has keys. See Ready.
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
		config.Logger.Warn("guard accepts keys over plain http", "issuer", config.Issuer)
	}
	_ = g.Ready(ctx) // the cause has been logged
	return g, nil
}

// Ready returns nil when the Guard has keys that may be used, and fetches them
// if it may and must. The error, an *Error, says why there are none.
func (g *Guard) Ready(ctx context.Context) error {
	if _, e := g.keys.current(ctx, g.config.Now()); e != nil {
		return e
	}
	return nil
}

// Verify checks a token, without a "Bearer" in front, and returns what it
// says, in a value of the caller's own. Every error is an *Error. A token that is bound to a key is refused with
// ErrBound: whoever shows it has to prove the key, as Require makes sure.
func (g *Guard) Verify(ctx context.Context, token string) (*Claims, error) {
	en, e := g.verify(ctx, token)
	if e == nil {
		e = en.bearer()
	}
	if e != nil {
		return nil, e
	}
	return en.claims.own(), nil
}

// VerifyUnproved is Verify for those who check the proof of possession themselves:
// a token that is bound to a key is returned too, with the key's thumbprint in JKT.
// It must not be believed before CheckProof, with this token as the AccessToken, has
// proved that key.
func (g *Guard) VerifyUnproved(ctx context.Context, token string) (*Claims, error) {
	en, e := g.verify(ctx, token)
	if e != nil {
		return nil, e
	}
	return en.claims.own(), nil
}

func (g *Guard) verify(ctx context.Context, token string) (*entry, *Error) {
	if len(token) > g.config.MaxTokenBytes {
		return nil, refuse(ErrMalformed, fmt.Errorf("%d bytes are more than MaxTokenBytes", len(token)))
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

// verifyCold verifies a token that is not remembered: signature first, then
// what it says.
func (g *Guard) verifyCold(ctx context.Context, token string, raw []byte, set *keySet) (*entry, *Error) {
	p, ok := cut(token, raw)
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

// verifySignature returns the signed payload and who signed it.
func (g *Guard) verifySignature(ctx context.Context, token string, p parts, set *keySet) (string, *key, *Error) {
	if with, ok := set.byHeader[p.header]; ok {
		payload, e := verifyKnown(p, with)
		return payload, with.key, e
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
	if !accessTokenType(h.typ) {
		return "", nil, refuse(ErrType, fmt.Errorf("typ %.20q", h.typ))
	}
	if h.hasKid && !set.has(h.kid) {
		newer := g.keys.afterUnknown(ctx, set, h.kid)
		if newer == nil || !newer.has(h.kid) {
			return "", nil, refuse(ErrSignature, fmt.Errorf("unknown key id %.64q", h.kid))
		}
		set = newer
	}
	return verifyGeneral(token, p, h, set)
}

// checkClaims compares what a signed token says with what we want.
func (g *Guard) checkClaims(c *Claims) *Error {
	now, leeway := g.config.Now(), g.config.Leeway
	switch {
	case c.Issuer != g.config.Issuer:
		return refuse(ErrIssuer, fmt.Errorf("%.200q", c.Issuer))
	case !meant(c.Audience, g.config.Audience):
		return refuse(ErrAudience, fmt.Errorf("%.200q", c.Audience))
	case !now.Before(c.ExpiresAt.Add(leeway)):
		return refuse(ErrExpired, fmt.Errorf("at %v", c.ExpiresAt))
	case c.NotBefore.After(now.Add(leeway)):
		return refuse(ErrNotYetValid, fmt.Errorf("before %v", c.NotBefore))
	case c.IssuedAt.After(now.Add(leeway)):
		return refuse(ErrNotYetValid, fmt.Errorf("issued at %v", c.IssuedAt))
	case c.bound && c.JKT == "":
		return refuse(ErrBound, errors.New("in a way that is not known here"))
	}
	return nil
}
