package password

import (
	"crypto/md5"
	"crypto/subtle"
	"fmt"
	"strings"

	"github.com/go-crypt/crypt/algorithm/shacrypt"
)

// crypt64 is the alphabet of crypt(3), in its order of values.
const crypt64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// parseSHACrypt reads the $5$ and $6$ hashes of crypt(3) and passlib, with or
// without their rounds=N part.
func parseSHACrypt(encoded string, _ limits) (digest, error) {
	d := digest{scheme: "sha256-crypt", kib: 16, threads: 1, forms: foreignForms}
	keyLen := 43
	if encoded[1] == '6' {
		d.scheme, keyLen = "sha512-crypt", 86
	}
	parts := strings.Split(encoded[3:], "$")
	if len(parts) == 3 {
		rounds, ok := parseOption(parts[0], "rounds")
		if !ok || rounds < 1000 {
			return d, ErrMalformedHash
		}
		if rounds > maxSHACrypt {
			return d, fmt.Errorf("%w: %d rounds of SHA-crypt", ErrCostlyHash, rounds)
		}
		parts = parts[1:]
	}
	if len(parts) != 2 || len(parts[0]) > 16 || len(parts[1]) != keyLen || !containsOnly(parts[0]+parts[1], crypt64) {
		return d, ErrMalformedHash
	}
	hash, err := shacrypt.Decode(encoded)
	if err != nil {
		return d, ErrMalformedHash // its error would contain the hash
	}
	d.match = func(pw string) bool {
		// crypt(3) ends a password at its first NUL.
		return hash.Match(pw) && !strings.Contains(pw, "\x00")
	}
	return d, nil
}

// parsePhpass reads the portable hashes of PHPass, WordPress ($P$) and phpBB
// ($H$): one character for log2 of the rounds, eight of salt, 22 of key.
func parsePhpass(encoded string, _ limits) (digest, error) {
	d := digest{scheme: "phpass", kib: 16, threads: 1, forms: foreignForms}
	if len(encoded) != 34 || !containsOnly(encoded[3:], crypt64) {
		return d, ErrMalformedHash
	}
	log := strings.IndexByte(crypt64, encoded[3])
	if log < 7 || log > 30 {
		return d, ErrMalformedHash
	}
	if log > maxPhpass {
		return d, fmt.Errorf("%w: 2^%d rounds of PHPass", ErrCostlyHash, log)
	}
	salt, want := encoded[4:12], encoded[12:]
	d.match = func(pw string) bool {
		sum := md5.Sum([]byte(salt + pw))
		buf := make([]byte, 0, md5.Size+len(pw))
		for range 1 << log {
			sum = md5.Sum(append(append(buf, sum[:]...), pw...))
		}
		return subtle.ConstantTimeCompare([]byte(cryptEncode(sum[:])), []byte(want)) == 1
	}
	return d, nil
}

// cryptEncode encodes bytes as crypt(3) does: groups of three, lowest bits first.
func cryptEncode(b []byte) string {
	var out []byte
	for len(b) > 0 {
		n := min(len(b), 3)
		v := 0
		for i := range n {
			v |= int(b[i]) << (8 * i)
		}
		for range n + 1 {
			out = append(out, crypt64[v&63])
			v >>= 6
		}
		b = b[n:]
	}
	return string(out)
}
