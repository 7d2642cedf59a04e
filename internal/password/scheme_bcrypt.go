package password

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

const (
	bcryptLen = 60 // of a whole hash
	// bcryptMax is the number of bytes that bcrypt reads of a password. A longer one would match any other with
	// the same beginning, so it matches nothing.
	bcryptMax = 72
)

// parseBcrypt reads $2a$, $2b$ and $2y$ hashes.
func parseBcrypt(encoded string, _ limits) (digest, error) {
	d := digest{scheme: "bcrypt", kib: 16, threads: 1, forms: foreignForms}
	if len(encoded) != bcryptLen || encoded[6] != '$' || !containsOnly(encoded[7:], crypt64) || !containsOnly(encoded[4:6], "0123456789") {
		return d, ErrMalformedHash
	}
	cost := int(encoded[4]-'0')*10 + int(encoded[5]-'0')
	if cost < bcrypt.MinCost || cost > bcrypt.MaxCost {
		return d, ErrMalformedHash
	}
	if cost > maxBcrypt {
		return d, fmt.Errorf("%w: bcrypt cost %d", ErrCostlyHash, cost)
	}
	d.match = func(pw string) bool {
		// bcrypt repeats the password and a NUL until its key is full, so "abc" and "abc\x00abc" are the same to it.
		// The work is done nevertheless.
		exact := len(pw) <= bcryptMax && !strings.Contains(pw, "\x00")
		same := bcrypt.CompareHashAndPassword([]byte(encoded), []byte(pw[:min(len(pw), bcryptMax)])) == nil
		return same && exact
	}
	return d, nil
}

// parseDjangoBcrypt reads bcrypt$$2b$….
func parseDjangoBcrypt(encoded string, lim limits) (digest, error) {
	d, err := parseBcryptOf(strings.TrimPrefix(encoded, "bcrypt$"), lim, nil)
	d.scheme = "django-bcrypt"
	return d, err
}

// parseDjangoBcryptSHA256 reads bcrypt_sha256$$2b$…: bcrypt of the password's
// SHA-256 in hex.
func parseDjangoBcryptSHA256(encoded string, lim limits) (digest, error) {
	d, err := parseBcryptOf(strings.TrimPrefix(encoded, "bcrypt_sha256$"), lim, func(pw string) string {
		sum := sha256.Sum256([]byte(pw))
		return hex.EncodeToString(sum[:])
	})
	d.scheme = "django-bcrypt-sha256"
	return d, err
}

// parsePasslibBcrypt reads both versions of passlib's bcrypt_sha256:
// $bcrypt-sha256$v=2,t=2b,r=12$salt$key (HMAC-SHA256 under the salt) and
// $bcrypt-sha256$2b,12$salt$key (plain SHA-256).
func parsePasslibBcrypt(encoded string, lim limits) (digest, error) {
	d := digest{scheme: "passlib-bcrypt-sha256"}
	parts, ok := splitExactly(encoded, "$", 5)
	if !ok {
		return d, ErrMalformedHash
	}
	salt, key := parts[3], parts[4]
	digestOf := func(pw string) []byte { sum := sha256.Sum256([]byte(pw)); return sum[:] }
	opts := parts[2]
	if v2, ok := strings.CutPrefix(opts, "v=2,t="); ok {
		opts = strings.Replace(v2, ",r=", ",", 1)
		digestOf = func(pw string) []byte { return computeHMAC(sha256.New, []byte(salt), pw) }
	}
	ident, cost, ok := strings.Cut(opts, ",")
	if !ok || len(cost) == 0 || len(cost) > 2 || ident != "2a" && ident != "2b" && ident != "2y" {
		return d, ErrMalformedHash
	}
	if len(cost) == 1 {
		cost = "0" + cost
	}
	plain := "$" + ident + "$" + cost + "$" + salt + key
	d, err := parseBcryptOf(plain, lim, func(pw string) string { return base64.StdEncoding.EncodeToString(digestOf(pw)) })
	d.scheme = "passlib-bcrypt-sha256"
	return d, err
}

// parseBcryptOf parses a plain bcrypt hash of the password as transformed by before.
func parseBcryptOf(plain string, lim limits, before func(string) string) (digest, error) {
	if len(plain) < 4 || plain[0] != '$' || plain[1] != '2' || !containsOnly(plain[2:3], "aby") || plain[3] != '$' {
		return digest{}, ErrMalformedHash
	}
	d, err := parseBcrypt(plain, lim)
	if err != nil || before == nil {
		return d, err
	}
	match := d.match
	d.match = func(pw string) bool { return match(before(pw)) }
	return d, nil
}

func containsOnly(s, alphabet string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(alphabet, r) })
}
