package guard

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

var strictBase64 = base64.RawURLEncoding.Strict()

// inAlphabet is true for the bytes of base64url.
var inAlphabet = func() (t [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
		t[c] = true
	}
	return t
}()

// parts is a compact JWS, split but not decoded. The slices share one copy of the
// token's bytes on the caller's stack.
type parts struct {
	header    string // with its dot
	payload   []byte
	input     []byte // the signing input: header and payload
	signature []byte
}

// splitJWS splits at the first and the last dot and checks nothing else.
func splitJWS(token string, raw []byte) (parts, bool) {
	first, last := strings.IndexByte(token, '.'), strings.LastIndexByte(token, '.')
	if first < 1 || last == first || last == len(token)-1 {
		return parts{}, false
	}
	return parts{header: token[:first+1], payload: raw[first+1 : last], input: raw[:last], signature: raw[last+1:]}, true
}

// isWellFormed reports whether the token is three parts of the base64url alphabet.
func isWellFormed(token string) bool {
	dots := 0
	for i := 0; i < len(token); i++ {
		if !inAlphabet[token[i]] {
			if token[i] != '.' {
				return false
			}
			dots++
		}
	}
	return dots == 2
}

// decode decodes base64url strictly: no padding, only the URL alphabet, no trailing bits,
// no line breaks. The standard library skips line breaks, so decode compares the length.
func decode(dst, src []byte) ([]byte, bool) {
	n, err := strictBase64.Decode(dst, src)
	return dst[:n], err == nil && len(src)%4 != 1 && n == strictBase64.DecodedLen(len(src))
}

// maxSignature is the length of a signature of a 4096-bit RSA key.
const maxSignature = 512

// verifyKnown is the fast path: the header determines key and algorithm, and the
// standard library verifies. It returns the payload.
func verifyKnown(p parts, v verifier) (string, *Error) {
	var sigBuf [maxSignature]byte
	var stack [1024]byte
	dst := stack[:]
	if n := strictBase64.DecodedLen(len(p.payload)); n > len(dst) {
		dst = make([]byte, n)
	}
	if strictBase64.DecodedLen(len(p.signature)) > len(sigBuf) {
		return "", refuse(ErrSignature, nil)
	}
	sig, ok := decode(sigBuf[:], p.signature)
	payload, ok2 := decode(dst, p.payload)
	if !ok || !ok2 {
		return "", refuse(ErrMalformed, errEncoding)
	}
	if !checkSignature(v, p.input, sig) {
		return "", refuse(ErrSignature, nil)
	}
	return string(payload), nil
}

var errEncoding = errors.New("not three parts of canonical base64url")

// checkSignature verifies a signature with the standard library.
func checkSignature(v verifier, data, sig []byte) bool {
	if pub, ok := v.key.public.(ed25519.PublicKey); ok {
		return v.alg == jose.EdDSA && len(sig) == ed25519.SignatureSize && ed25519.Verify(pub, data, sig)
	}
	var digest []byte
	var hash crypto.Hash
	switch v.alg {
	case jose.ES256, jose.RS256, jose.PS256:
		sum := sha256.Sum256(data)
		digest, hash = sum[:], crypto.SHA256
	case jose.ES384, jose.RS384, jose.PS384:
		sum := sha512.Sum384(data)
		digest, hash = sum[:], crypto.SHA384
	case jose.ES512, jose.RS512, jose.PS512:
		sum := sha512.Sum512(data)
		digest, hash = sum[:], crypto.SHA512
	default:
		return false
	}
	switch pub := v.key.public.(type) {
	case *ecdsa.PublicKey:
		return checkECDSA(pub, digest, sig)
	case *rsa.PublicKey:
		if strings.HasPrefix(string(v.alg), "PS") {
			// RFC 7518 section 3.5: the salt is as long as the hash.
			return rsa.VerifyPSS(pub, hash, digest, sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(pub, hash, digest, sig) == nil
	}
	return false
}

// checkECDSA verifies r‖s of RFC 7518 section 3.4: exactly two integers of full length.
func checkECDSA(pub *ecdsa.PublicKey, digest, sig []byte) bool {
	size := (pub.Params().BitSize + 7) / 8
	if len(sig) != 2*size {
		return false
	}
	var buf [160]byte
	body := appendInteger(buf[:3], sig[:size])
	body = appendInteger(body, sig[size:])
	length := len(body) - 3
	if length < 0x80 {
		body[1], body[2] = 0x30, byte(length)
		return ecdsa.VerifyASN1(pub, digest, body[1:])
	}
	body[0], body[1], body[2] = 0x30, 0x81, byte(length) // only P-521
	return ecdsa.VerifyASN1(pub, digest, body)
}

// appendInteger appends a non-negative big-endian number as a DER INTEGER.
func appendInteger(b, number []byte) []byte {
	for len(number) > 1 && number[0] == 0 {
		number = number[1:]
	}
	pad := number[0] >= 0x80
	n := len(number)
	if pad {
		n++
	}
	b = append(b, 0x02, byte(n))
	if pad {
		b = append(b, 0)
	}
	return append(b, number...)
}
