package guard

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The proof that a client has a key: a JWT of type dpop+jwt, made for one request
// (RFC 9449 section 4). The check is the same where tokens are issued and where they
// are used, so there is one.

// ProofAlgorithms may sign proofs, for dpop_signing_alg_values_supported: every
// signature algorithm with a public key that is known here, but for RSASSA-PKCS1-v1_5.
// Proofs are younger than PSS, so nobody needs it, and the FAPI 2.0 Security Profile
// (section 5.4.1) rules it out.
func ProofAlgorithms() []string {
	var out []string
	for _, alg := range supported {
		if mayProve(alg) {
			out = append(out, string(alg))
		}
	}
	return out
}

func mayProve(alg jose.SignatureAlgorithm) bool {
	return slices.Contains(supported, alg) && !strings.HasPrefix(string(alg), "RS")
}

// DefaultProofWindow is how old a proof may be.
const DefaultProofWindow = 2 * time.Minute

// proofAhead is how far the clock of a client may be ahead.
const proofAhead = time.Minute

const (
	maxProof   = 8 << 10
	maxProofID = 512
)

// ProofRules are what a proof has to fit.
type ProofRules struct {
	// Method and URL are of the request that carries the proof. The URL is the one
	// that the client used; query and fragment do not count.
	Method, URL string
	// AccessToken is the token beside the proof; empty where there is none.
	AccessToken string
	Now         time.Time
	// Window is how old the proof may be. Zero: DefaultProofWindow.
	Window time.Duration
	// Nonce tells whether we gave out a nonce and still take it. Nil: none is needed,
	// and whatever nonce the proof has is not looked at.
	Nonce func(string) bool
}

// Proof is what a good proof says.
type Proof struct {
	JKT      string // RFC 7638 thumbprint of the key, as in cnf.jkt
	JTI      string
	IssuedAt time.Time
	Nonce    string // empty for none
	// UsableUntil is when the proof is too old everywhere: for so long a JTI has to be
	// remembered, together with its JKT, to notice that a proof is used again.
	UsableUntil time.Time
}

// The codes of ProofError (RFC 9449 sections 5 and 8).
const (
	InvalidProof = "invalid_dpop_proof"
	UseNonce     = "use_dpop_nonce"
)

// ProofError says why a proof is refused. Code may be shown to the client.
type ProofError struct {
	Code string // InvalidProof or UseNonce
	Err  error  // for the log
}

func (e *ProofError) Error() string { return e.Code + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *ProofError) Unwrap() error { return e.Err }

// CheckProof checks the values of the DPoP header of one request as RFC 9449 section
// 4.3 says: there is exactly one, it is a signed JWT of type dpop+jwt whose public key
// is in its header, and it was made a moment ago for this method, this URL and this
// access token. Whether it was used before is for the caller to see, from JKT and JTI,
// and so is whether the key is the right one. Every error is a *ProofError.
func CheckProof(proofs []string, rules ProofRules) (Proof, error) {
	p, err := checkProof(proofs, rules)
	if err != nil {
		return Proof{}, &ProofError{Code: InvalidProof, Err: err}
	}
	if rules.Nonce != nil && !rules.Nonce(p.Nonce) {
		return Proof{}, &ProofError{Code: UseNonce, Err: errors.New("the proof lacks a nonce of ours that is good now")}
	}
	return p, nil
}

func checkProof(proofs []string, rules ProofRules) (Proof, error) {
	if len(proofs) != 1 {
		return Proof{}, fmt.Errorf("%d DPoP headers instead of one", len(proofs))
	}
	jkt, payload, err := openProof(proofs[0])
	if err != nil {
		return Proof{}, err
	}
	c, err := parseProofClaims(payload)
	if err != nil {
		return Proof{}, err
	}
	window := rules.Window
	if window == 0 {
		window = DefaultProofWindow
	}
	if err := c.fit(rules, window); err != nil {
		return Proof{}, err
	}
	return Proof{JKT: jkt, JTI: c.jti, IssuedAt: c.iat, Nonce: c.nonce, UsableUntil: c.iat.Add(window + time.Second)}, nil
}

// openProof verifies the signature with the key that the proof brings, and returns
// the thumbprint of that key.
func openProof(raw string) (jkt, payload string, err error) {
	if len(raw) > maxProof {
		return "", "", errors.New("the proof is too long")
	}
	p, ok := cut(raw, []byte(raw))
	if !ok {
		return "", "", errEncoding
	}
	header, ok := decodeParts(raw, p)
	if !ok {
		return "", "", errEncoding
	}
	h, err := parseProofHeader(header)
	if err != nil {
		return "", "", err
	}
	alg := jose.SignatureAlgorithm(h.alg)
	switch {
	case !strings.EqualFold(h.typ, "dpop+jwt") && !strings.EqualFold(h.typ, "application/dpop+jwt"):
		return "", "", fmt.Errorf("typ %.20q", h.typ)
	case !mayProve(alg):
		return "", "", fmt.Errorf("algorithm %.20q", h.alg)
	case h.jwk == "":
		return "", "", errors.New("there is no jwk in the header")
	}
	k, err := parseKey(h.jwk, supported)
	if err != nil {
		return "", "", fmt.Errorf("jwk: %w", err)
	}
	if !k.allows(alg) {
		return "", "", errors.New("the algorithm does not fit the key")
	}
	payload, e := verifyKnown(p, known{k, alg})
	if e != nil {
		return "", "", e
	}
	return k.thumb, payload, nil
}

type proofHeader struct{ alg, typ, jwk string }

// parseProofHeader is parseHeader for the one kind of token that brings its key.
func parseProofHeader(raw string) (h proofHeader, err error) {
	p := parser{s: raw}
	err = p.object(func(name string) (err error) {
		switch name {
		case "alg":
			h.alg, err = p.str()
		case "typ":
			h.typ, err = p.str()
		case "jwk":
			start := p.next()
			err = p.object(func(member string) error {
				if slices.Contains(privateMembers, member) {
					return errors.New("jwk has a private member")
				}
				return p.skip()
			})
			h.jwk = p.s[start:p.i]
		case "crit", "b64", "jku", "x5u", "x5c", "zip", "enc":
			err = fmt.Errorf("header member %q is not accepted", name)
		default:
			err = p.skip()
		}
		return err
	})
	if err == nil && p.next() != len(p.s) {
		err = errSyntax
	}
	return h, err
}

// privateMembers are those of RFC 7518 sections 6.2.2, 6.3.2 and 6.4.
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// proofClaims are those of RFC 9449 section 4.2.
type proofClaims struct {
	jti, htm, htu, ath, nonce string
	iat, exp, nbf             time.Time
}

func parseProofClaims(payload string) (c proofClaims, err error) {
	p := parser{s: payload}
	err = p.object(func(name string) (err error) {
		switch name {
		case "jti":
			c.jti, err = p.str()
		case "htm":
			c.htm, err = p.str()
		case "htu":
			c.htu, err = p.str()
		case "ath":
			c.ath, err = p.str()
		case "nonce":
			c.nonce, err = p.str()
		case "iat":
			c.iat, err = p.time()
		case "exp":
			c.exp, err = p.time()
		case "nbf":
			c.nbf, err = p.time()
		default:
			err = p.skip()
		}
		return err
	})
	if err == nil && p.next() != len(p.s) {
		err = errSyntax
	}
	if err == nil && (c.jti == "" || c.htm == "" || c.htu == "" || c.iat.IsZero()) {
		err = errRequired
	}
	return c, err
}

// fit compares what the proof says with the request.
func (c proofClaims) fit(rules ProofRules, window time.Duration) error {
	switch {
	case len(c.jti) > maxProofID || len(c.nonce) > maxProofID:
		return errors.New("jti or nonce is too long")
	case c.htm != rules.Method:
		return errors.New("htm is another method")
	case c.iat.Before(rules.Now.Add(-window)):
		return fmt.Errorf("iat %v is too long ago", c.iat)
	case c.iat.After(rules.Now.Add(proofAhead)):
		return fmt.Errorf("iat %v is not yet", c.iat)
	case !c.exp.IsZero() && !c.exp.After(rules.Now.Add(-proofAhead)):
		return errors.New("it has expired")
	case c.nbf.After(rules.Now.Add(proofAhead)):
		return errors.New("it is not valid yet")
	}
	want, err := normalURL(rules.URL)
	if err != nil {
		return fmt.Errorf("our own URL: %w", err)
	}
	if got, err := normalURL(c.htu); err != nil || got != want {
		return errors.New("htu is another URL")
	}
	if rules.AccessToken != "" && c.ath != tokenHash(rules.AccessToken) {
		return errors.New("ath is missing or of another token")
	}
	return nil
}

// tokenHash is "ath" of RFC 9449 section 4.2.
func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
