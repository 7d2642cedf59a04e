package password

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

var hashes = map[string]func() hash.Hash{
	"md5":    md5.New,
	"sha1":   sha1.New,
	"sha224": sha256.New224,
	"sha256": sha256.New,
	"sha384": sha512.New384,
	"sha512": sha512.New,
}

// pbkdf2Of builds the digest of any PBKDF2 hash. salt and key are nil when they
// could not be read.
func pbkdf2Of(system, hashName, rounds string, salt, key []byte) (digest, error) {
	newHash, known := hashes[hashName]
	if !known || hashName == "md5" {
		return digest{}, ErrUnknownHash
	}
	d := digest{scheme: system + "-pbkdf2-" + hashName, kib: 16, threads: 1, forms: foreignForms}
	n, ok := parseNumber(rounds)
	if !ok || n < 1 || salt == nil || key == nil {
		return d, ErrMalformedHash
	}
	// Each block beyond the hash's own length costs the rounds again.
	if blocks := (len(key) + newHash().Size() - 1) / newHash().Size(); n*blocks > maxPBKDF2 {
		return d, fmt.Errorf("%w: %d rounds of PBKDF2", ErrCostlyHash, n)
	}
	d.match = func(pw string) bool {
		got, err := pbkdf2.Key(newHash, pw, salt, n, len(key))
		return err == nil && subtle.ConstantTimeCompare(got, key) == 1 && !endsInNUL(pw)
	}
	return d, nil
}

// parseWerkzeugPBKDF2 reads pbkdf2:sha256:600000$salt$hex.
func parseWerkzeugPBKDF2(encoded string, _ limits) (digest, error) {
	parts, ok := splitExactly(encoded, "$", 3)
	if !ok {
		return digest{}, ErrMalformedHash
	}
	method, ok := splitExactly(parts[0], ":", 3)
	if !ok {
		return digest{}, ErrMalformedHash
	}
	salt, okS := decodeSalt(decodeLiteral, parts[1])
	key, okK := decodeKey(decodeHex, parts[2])
	if !okS || !okK || parts[2] != strings.ToLower(parts[2]) {
		salt = nil
	}
	return pbkdf2Of("werkzeug", method[1], method[2], salt, key)
}

// parseDjangoPBKDF2 reads pbkdf2_sha256$600000$salt$base64.
func parseDjangoPBKDF2(encoded string, _ limits) (digest, error) {
	parts, ok := splitExactly(strings.TrimPrefix(encoded, "pbkdf2_"), "$", 4)
	if !ok {
		return digest{}, ErrMalformedHash
	}
	salt, okS := decodeSalt(decodeLiteral, parts[2])
	key, okK := decodeKey(paddedB64.DecodeString, parts[3])
	if !okS || !okK {
		salt = nil
	}
	return pbkdf2Of("django", parts[0], parts[1], salt, key)
}

// parsePasslibPBKDF2 reads $pbkdf2-sha256$29000$salt$key, and $pbkdf2$… which
// is SHA-1.
func parsePasslibPBKDF2(encoded string, _ limits) (digest, error) {
	parts, ok := splitExactly(encoded, "$", 5)
	if !ok {
		return digest{}, ErrMalformedHash
	}
	name := "sha1"
	if rest, ok := strings.CutPrefix(parts[1], "pbkdf2-"); ok {
		name = rest
	}
	salt, okS := decodeSalt(decodeAB64, parts[3])
	key, okK := decodeKey(decodeAB64, parts[4])
	if !okS || !okK {
		salt = nil
	}
	return pbkdf2Of("passlib", name, parts[2], salt, key)
}

// parseSalted parses the single-round hashes of old Werkzeug (sha256$salt$hex, an HMAC under the salt). For
// MD5 and SHA-1 it parses those of old Django, which look the same but hash salt and password joined.
func parseSalted(encoded string, _ limits) (digest, error) {
	parts, ok := splitExactly(encoded, "$", 3)
	if !ok {
		return digest{}, ErrMalformedHash
	}
	name, salt := parts[0], parts[1]
	newHash := hashes[name]
	d := digest{scheme: "salted-" + name, kib: 16, threads: 1, fast: true, forms: foreignForms}
	want, err := hex.DecodeString(parts[2])
	if err != nil || len(want) != newHash().Size() || len(salt) > maxSalt || salt == "" {
		return d, ErrMalformedHash
	}
	joined := name == "md5" || name == "sha1"
	d.match = func(pw string) bool {
		ok := subtle.ConstantTimeCompare(computeHMAC(newHash, []byte(salt), pw), want)
		if joined {
			h := newHash()
			h.Write([]byte(salt + pw))
			ok |= subtle.ConstantTimeCompare(h.Sum(nil), want)
		}
		return ok == 1
	}
	return d, nil
}

func computeHMAC(newHash func() hash.Hash, key []byte, message string) []byte {
	m := hmac.New(newHash, key)
	m.Write([]byte(message))
	return m.Sum(nil)
}
