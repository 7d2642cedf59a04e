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

// A DPoP proof is a JWT of type dpop+jwt, made for one request (RFC 9449 section 4). An
// authorization server and a resource server check it in the same way, so CheckProof
// serves both.

// ProofAlgorithms returns the signature algorithms accepted for proofs, for
// dpop_signing_alg_values_supported: all supported ones except RSASSA-PKCS1-v1_5, which
// the FAPI 2.0 Security Profile (section 5.4.1) rules out.
func ProofAlgorithms() []string {
	var out []string
	for _, alg := range supported {
		if isProofAlgorithm(alg) {
			out = append(out, string(alg))
		}
	}
	return out
}

func isProofAlgorithm(alg jose.SignatureAlgorithm) bool {
	return slices.Contains(supported, alg) && !strings.HasPrefix(string(alg), "RS")
}

// DefaultProofWindow is the default maximum age of a proof.
const DefaultProofWindow = 2 * time.Minute

// proofClockSkew is how far the clock of a client may be ahead.
const proofClockSkew = time.Minute

const (
	maxProof   = 8 << 10
	maxProofID = 512
)

// ProofRules are the expected values of a proof.
type ProofRules struct {
	// Method and URL are those of the request with the proof. URL is the one that the
	// client used; its query and fragment are ignored.
	Method, URL string
	// AccessToken is the access token of the request, empty if it has none.
	AccessToken string
	Now         time.Time
	// Window is the maximum age of the proof. Default: DefaultProofWindow.
	Window time.Duration
	// Nonce reports whether a nonce is valid, as Nonces.Valid does. If nil, no nonce is
	// required and that of the proof is ignored.
	Nonce func(string) bool
}

// Proof is a verified DPoP proof.
type Proof struct {
	JKT      string // RFC 7638 thumbprint of the key, as in cnf.jkt
	JTI      string
	IssuedAt time.Time
	Nonce    string // empty for none
	// ExpiresAt is when the proof is too old to be accepted. Until then JKT and JTI must
	// be remembered to detect a replay.
	ExpiresAt time.Time
}

// The codes of ProofError (RFC 9449 sections 5 and 8).
const (
	InvalidProof = "invalid_dpop_proof"
	UseNonce     = "use_dpop_nonce"
)

// ProofError is the refusal of a proof. Code may be shown to the client.
type ProofError struct {
	Code string // InvalidProof or UseNonce
	Err  error  // for the log
}

func (e *ProofError) Error() string { return e.Code + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *ProofError) Unwrap() error { return e.Err }

// CheckProof verifies the DPoP header values of a request as RFC 9449 section 4.3
// requires: exactly one value, a JWT of type dpop+jwt signed by the key in its header,
// made recently for this method, URL and access token. The caller must compare JKT with
// the expected key and detect replays by JKT and JTI. Every error is a *ProofError.
func CheckProof(proofs []string, rules ProofRules) (Proof, error) {
	p, err := checkProof(proofs, rules)
	if err != nil {
		return Proof{}, &ProofError{Code: InvalidProof, Err: err}
	}
	if rules.Nonce != nil && !rules.Nonce(p.Nonce) {
		return Proof{}, &ProofError{Code: UseNonce, Err: errors.New("nonce is missing or not current")}
	}
	return p, nil
}

func checkProof(proofs []string, rules ProofRules) (Proof, error) {
	if len(proofs) != 1 {
		return Proof{}, fmt.Errorf("%d DPoP headers, want one", len(proofs))
	}
	jkt, payload, err := verifyProofSignature(proofs[0])
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
	if err := c.check(rules, window); err != nil {
		return Proof{}, err
	}
	return Proof{JKT: jkt, JTI: c.jti, IssuedAt: c.iat, Nonce: c.nonce, ExpiresAt: c.iat.Add(window + time.Second)}, nil
}

// verifyProofSignature verifies a proof with the key in its header and returns the
// thumbprint of that key.
func verifyProofSignature(raw string) (jkt, payload string, err error) {
	if len(raw) > maxProof {
		return "", "", errors.New("the proof is too long")
	}
	p, ok := splitJWS(raw, []byte(raw))
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
	case !isProofAlgorithm(alg):
		return "", "", fmt.Errorf("algorithm %.20q", h.alg)
	case h.jwk == "":
		return "", "", errors.New("jwk is missing in the header")
	}
	k, err := parseKey(h.jwk, supported)
	if err != nil {
		return "", "", fmt.Errorf("jwk: %w", err)
	}
	if !k.allows(alg) {
		return "", "", errors.New("alg does not match the key")
	}
	payload, e := verifyKnown(p, verifier{k, alg})
	if e != nil {
		return "", "", e
	}
	return k.thumb, payload, nil
}

// proofHeader is the protected header of a proof, which contains the key.
type proofHeader struct {
	header
	jwk string
}

// parseProofHeader parses the protected header of a proof. It rejects a private jwk.
func parseProofHeader(raw string) (h proofHeader, err error) {
	p := parser{s: raw}
	err = p.document(func(name string) error {
		if name != "jwk" {
			return h.member(&p, name)
		}
		start := p.next()
		err := p.object(func(member string) error {
			if slices.Contains(privateMembers, member) {
				return errors.New("jwk contains a private member")
			}
			return p.skip()
		})
		h.jwk = p.s[start:p.i]
		return err
	})
	return h, err
}

// privateMembers are the private JWK members of RFC 7518 sections 6.2.2, 6.3.2 and 6.4.
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// proofClaims are the claims of RFC 9449 section 4.2.
type proofClaims struct {
	jti, htm, htu, ath, nonce string
	iat, exp, nbf             time.Time
}

func parseProofClaims(payload string) (c proofClaims, err error) {
	p := parser{s: payload}
	err = p.document(func(name string) (err error) {
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
	if err == nil && (c.jti == "" || c.htm == "" || c.htu == "" || c.iat.IsZero()) {
		err = errRequired
	}
	return c, err
}

// check compares the claims with the request.
func (c proofClaims) check(rules ProofRules, window time.Duration) error {
	switch {
	case len(c.jti) > maxProofID || len(c.nonce) > maxProofID:
		return errors.New("jti or nonce is too long")
	case c.htm != rules.Method:
		return errors.New("htm is not the method of the request")
	case c.iat.Before(rules.Now.Add(-window)):
		return fmt.Errorf("iat %v is too old", c.iat)
	case c.iat.After(rules.Now.Add(proofClockSkew)):
		return fmt.Errorf("iat %v is in the future", c.iat)
	case !c.exp.IsZero() && !c.exp.After(rules.Now.Add(-proofClockSkew)):
		return errors.New("exp is in the past")
	case c.nbf.After(rules.Now.Add(proofClockSkew)):
		return errors.New("nbf is in the future")
	}
	want, err := normalURL(rules.URL)
	if err != nil {
		return fmt.Errorf("URL of the request: %w", err)
	}
	if got, err := normalURL(c.htu); err != nil || got != want {
		return errors.New("htu is not the URL of the request")
	}
	if rules.AccessToken != "" && c.ath != tokenHash(rules.AccessToken) {
		return errors.New("ath is missing or not the hash of the access token")
	}
	return nil
}

// tokenHash returns "ath" of RFC 9449 section 4.2.
func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
