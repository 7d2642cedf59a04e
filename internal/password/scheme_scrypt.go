package password

import (
	"crypto/subtle"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"golang.org/x/crypto/scrypt"
)

type scryptCost struct{ n, r, p int }

// parseScryptCost reads the three numbers; n must be a power of two.
func parseScryptCost(n, r, p string) (scryptCost, bool) {
	var c scryptCost
	var okN, okR, okP bool
	c.n, okN = parseNumber(n)
	c.r, okR = parseNumber(r)
	c.p, okP = parseNumber(p)
	return c, okN && okR && okP && c.n > 1 && bits.OnesCount(uint(c.n)) == 1 && c.r > 0 && c.p > 0
}

// scryptOf builds the digest of any scrypt hash. salt and key are nil when they
// could not be read.
func scryptOf(system string, c scryptCost, salt, key []byte) (digest, error) {
	d := digest{scheme: system + "-scrypt", threads: 1, forms: foreignForms}
	if salt == nil || key == nil {
		return d, ErrMalformedHash
	}
	// r is bounded first: n and r have nine digits each, their product fits.
	if c.r > 64 || c.p > maxLanes || c.n*c.r/8*c.p > maxScrypt {
		return d, fmt.Errorf("%w: scrypt n=%d,r=%d,p=%d", ErrCostlyHash, c.n, c.r, c.p)
	}
	d.kib = max(c.n*c.r/8, 16)
	d.match = func(pw string) bool {
		got, err := scrypt.Key([]byte(pw), salt, c.n, c.r, c.p, len(key))
		return err == nil && subtle.ConstantTimeCompare(got, key) == 1 && !endsInNUL(pw)
	}
	return d, nil
}

// parseWerkzeugScrypt reads scrypt:32768:8:1$salt$hex.
func parseWerkzeugScrypt(encoded string, _ limits) (digest, error) {
	parts, ok := splitExactly(encoded, "$", 3)
	if !ok {
		return digest{}, ErrMalformedHash
	}
	method, ok := splitExactly(parts[0], ":", 4)
	if !ok {
		return digest{}, ErrMalformedHash
	}
	c, ok := parseScryptCost(method[1], method[2], method[3])
	salt, okS := decodeSalt(decodeLiteral, parts[1])
	key, okK := decodeKey(decodeHex, parts[2])
	if !ok || !okS || !okK || parts[2] != strings.ToLower(parts[2]) {
		salt = nil
	}
	return scryptOf("werkzeug", c, salt, key)
}

// parseDjangoScrypt reads scrypt$16384$salt$8$5$base64.
func parseDjangoScrypt(encoded string, _ limits) (digest, error) {
	parts, ok := splitExactly(encoded, "$", 6)
	if !ok {
		return digest{}, ErrMalformedHash
	}
	c, ok := parseScryptCost(parts[1], parts[3], parts[4])
	salt, okS := decodeSalt(decodeLiteral, parts[2])
	key, okK := decodeKey(paddedB64.DecodeString, parts[5])
	if !ok || !okS || !okK {
		salt = nil
	}
	return scryptOf("django", c, salt, key)
}

// parsePasslibScrypt reads $scrypt$ln=16,r=8,p=1$salt$key.
func parsePasslibScrypt(encoded string, _ limits) (digest, error) {
	parts, ok := splitExactly(encoded, "$", 5)
	if !ok {
		return digest{}, ErrMalformedHash
	}
	opts, ok := splitExactly(parts[2], ",", 3)
	if !ok {
		return digest{}, ErrMalformedHash
	}
	ln, okN := parseOption(opts[0], "ln")
	r, okR := parseOption(opts[1], "r")
	p, okP := parseOption(opts[2], "p")
	if !okN || !okR || !okP || ln < 1 || ln > 29 {
		return digest{scheme: "passlib-scrypt"}, ErrMalformedHash
	}
	c, ok := parseScryptCost(strconv.Itoa(1<<ln), strconv.Itoa(r), strconv.Itoa(p))
	salt, okS := decodeSalt(rawB64.DecodeString, parts[3])
	key, okK := decodeKey(rawB64.DecodeString, parts[4])
	if !ok || !okS || !okK {
		salt = nil
	}
	return scryptOf("passlib", c, salt, key)
}
