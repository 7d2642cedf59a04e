package guard

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// maxCandidates bounds how many keys are tried for a token without kid.
const maxCandidates = 8

// header holds the members of a protected header that verification needs.
type header struct {
	alg, typ, kid string
	hasKid        bool
}

// member parses a member that tokens and proofs have in common. It rejects members that
// would change the key or the way of verification: no extension is supported (RFC 7515
// section 4.1.11).
func (h *header) member(p *parser, name string) (err error) {
	switch name {
	case "alg":
		h.alg, err = p.str()
	case "typ":
		h.typ, err = p.str()
	case "crit", "b64", "jku", "x5u", "x5c", "zip", "enc":
		err = refuseMember(name)
	default:
		err = p.skip()
	}
	return err
}

func refuseMember(name string) error { return fmt.Errorf("header member %q is not accepted", name) }

// parseHeader parses the protected header of a token. It also rejects jwk: keys come only
// from the issuer (RFC 8725 section 3.10).
func parseHeader(raw string) (h header, err error) {
	p := parser{s: raw}
	err = p.document(func(name string) (err error) {
		switch name {
		case "kid":
			h.hasKid = true
			h.kid, err = p.str()
		case "jwk":
			err = refuseMember(name)
		default:
			err = h.member(&p, name)
		}
		return err
	})
	return h, err
}

// isAccessTokenType reports whether typ is "at+jwt". As RFC 7515 section 4.1.9 says, it
// ignores case, and "application/" is optional.
func isAccessTokenType(typ string) bool {
	return strings.EqualFold(typ, "at+jwt") || strings.EqualFold(typ, "application/at+jwt")
}

// decodeParts checks that every part is canonical base64url and returns the header.
func decodeParts(token string, p parts) (string, bool) {
	if !isWellFormed(token) {
		return "", false
	}
	buf := make([]byte, len(token))
	if _, ok := decode(buf, p.payload); !ok {
		return "", false
	}
	if _, ok := decode(buf, p.signature); !ok {
		return "", false
	}
	raw, ok := decode(buf, p.input[:len(p.header)-1])
	return string(raw), ok
}

// verifyGeneral verifies tokens whose header is not byte for byte an expected one. It
// uses go-jose.
func verifyGeneral(token string, p parts, h header, set *keySet) (string, *key, *Error) {
	alg := jose.SignatureAlgorithm(h.alg)
	candidates := set.candidates(alg, h.kid, h.hasKid)
	switch {
	case len(candidates) == 0:
		return "", nil, refuse(ErrSignature, errors.New("no published key matches"))
	case len(candidates) > maxCandidates:
		return "", nil, refuse(ErrSignature, errors.New("too many keys match a token without key ID"))
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{alg})
	if err != nil {
		return "", nil, refuse(ErrMalformed, err)
	}
	var signer *key
	var payload []byte
	for _, k := range candidates {
		got, err := jws.Verify(k.public)
		if err != nil || !checkSalt(alg, k, p) {
			continue
		}
		if signer != nil {
			return "", nil, refuse(ErrSignature, errors.New("several keys verify a token without key ID"))
		}
		signer, payload = k, got
	}
	if signer == nil {
		return "", nil, refuse(ErrSignature, nil)
	}
	return string(payload), signer, nil
}

// checkSalt checks the length of the RSASSA-PSS salt. go-jose accepts any length.
func checkSalt(alg jose.SignatureAlgorithm, k *key, p parts) bool {
	if !slices.Contains([]jose.SignatureAlgorithm{jose.PS256, jose.PS384, jose.PS512}, alg) {
		return true
	}
	_, e := verifyKnown(p, verifier{k, alg})
	return e == nil
}
