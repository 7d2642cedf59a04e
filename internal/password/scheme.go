package password

// Every hash that is parsed here may come from an untrusted database. The rule of this file and of the
// scheme_*.go files: parse strictly, refuse a cost above the limits before computing anything, never put the
// hash or the password into an error.

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Reasons why a stored hash cannot be used.
var (
	ErrUnknownHash   = errors.New("password hash is of no supported kind")
	ErrMalformedHash = errors.New("password hash is malformed")
	ErrCostlyHash    = errors.New("password hash needs more work than the limits allow")
	ErrNoSalt        = errors.New("no Flask-Security salt is configured under the name in the password hash")
)

// Limits on stored hashes. At each of them one comparison takes a second or two on one core.
const (
	maxEncoded   = 512     // bytes of a whole hash
	minSalt      = 8       // bytes, for new hashes
	maxSalt      = 128     // bytes
	minKey       = 16      // bytes
	maxKey       = 128     // bytes
	maxLanes     = 16      // Argon2 and scrypt
	maxArgonWork = 2 << 20 // KiB × passes
	maxScrypt    = 1 << 20 // KiB × lanes
	maxPBKDF2    = 5_000_000
	maxBcrypt    = 15
	maxSHACrypt  = 1_000_000
	maxPhpass    = 20 // log2
)

// limits are the limits that a Hasher's configuration adds to the constants.
type limits struct {
	kib        int
	flaskSalts map[string]string
}

// digest is a parsed hash, ready for comparison.
type digest struct {
	encoded  string // the hash as it is stored
	scheme   string
	kib      int // memory that one comparison takes
	threads  int
	argon2id Params // zero for every other kind
	fast     bool   // a comparison takes microseconds
	forms    func(pw string) []string
	match    func(pw string) bool
}

// kinds are all supported hashes by their prefixes. No prefix is a prefix of another.
var kinds = []struct {
	prefix string
	parse  func(encoded string, lim limits) (digest, error)
}{
	{"$argon2id$", parseArgon2},
	{"$argon2i$", parseArgon2},
	{"argon2$argon2", parseDjangoArgon2},
	{"$2a$", parseBcrypt},
	{"$2b$", parseBcrypt},
	{"$2y$", parseBcrypt},
	{"$bcrypt-sha256$", parsePasslibBcrypt},
	{"bcrypt$$2", parseDjangoBcrypt},
	{"bcrypt_sha256$$2", parseDjangoBcryptSHA256},
	{"pbkdf2:", parseWerkzeugPBKDF2},
	{"pbkdf2_", parseDjangoPBKDF2},
	{"$pbkdf2$", parsePasslibPBKDF2},
	{"$pbkdf2-", parsePasslibPBKDF2},
	{"scrypt:", parseWerkzeugScrypt},
	{"scrypt$", parseDjangoScrypt},
	{"$scrypt$", parsePasslibScrypt},
	{"md5$", parseSalted},
	{"sha1$", parseSalted},
	{"sha256$", parseSalted},
	{"sha512$", parseSalted},
	{"$5$", parseSHACrypt},
	{"$6$", parseSHACrypt},
	{"$P$", parsePhpass},
	{"$H$", parsePhpass},
}

// parse reads a stored hash of any supported kind.
func parse(encoded string, lim limits) (digest, error) {
	if rest, ok := strings.CutPrefix(encoded, flaskPrefix); ok && rest != "" && (rest[0] == '$' || rest[0] == ':') {
		return parseFlask(rest, lim)
	}
	return parsePlain(encoded, lim)
}

func parsePlain(encoded string, lim limits) (digest, error) {
	if len(encoded) > maxEncoded {
		return digest{}, ErrMalformedHash
	}
	for _, k := range kinds {
		if strings.HasPrefix(encoded, k.prefix) {
			d, err := k.parse(encoded, lim)
			if err != nil {
				return digest{scheme: d.scheme}, err
			}
			if d.kib > lim.kib {
				return digest{scheme: d.scheme}, fmt.Errorf("%w: %d KiB of memory", ErrCostlyHash, d.kib)
			}
			return d, nil
		}
	}
	return digest{}, ErrUnknownHash
}

// parseNumber parses a decimal without sign or leading zeros.
func parseNumber(s string) (int, bool) {
	if s == "" || len(s) > 9 || s[0] == '0' && len(s) > 1 {
		return 0, false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

// parseOption parses "name=123".
func parseOption(s, name string) (int, bool) {
	v, ok := strings.CutPrefix(s, name+"=")
	if !ok {
		return 0, false
	}
	return parseNumber(v)
}

// splitExactly splits s into exactly n parts.
func splitExactly(s, sep string, n int) ([]string, bool) {
	parts := strings.Split(s, sep)
	return parts, len(parts) == n
}

var (
	paddedB64 = base64.StdEncoding.Strict()
	rawB64    = base64.RawStdEncoding.Strict()
)

// decodeKey decodes a key and checks its length.
func decodeKey(decode func(string) ([]byte, error), s string) ([]byte, bool) {
	if strings.ContainsAny(s, "\r\n") { // encoding/base64 skips them
		return nil, false
	}
	key, err := decode(s)
	return key, err == nil && len(key) >= minKey && len(key) <= maxKey
}

// decodeSalt decodes a salt. Some systems made short ones, and passlib can be configured to use none.
func decodeSalt(decode func(string) ([]byte, error), s string) ([]byte, bool) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, false
	}
	salt, err := decode(s)
	return salt, err == nil && len(salt) <= maxSalt
}

func decodeHex(s string) ([]byte, error) { return hex.DecodeString(s) }

// decodeAB64 decodes passlib's base64 with '.' for '+' and no padding.
func decodeAB64(s string) ([]byte, error) {
	if strings.Contains(s, "+") {
		return nil, ErrMalformedHash
	}
	return rawB64.DecodeString(strings.ReplaceAll(s, ".", "+"))
}

func decodeLiteral(s string) ([]byte, error) { return []byte(s), nil }

// endsInNUL matters to HMAC, which pads a short key with zero bytes: under
// PBKDF2 and scrypt "secret" and "secret\x00" have the same hash.
func endsInNUL(pw string) bool { return strings.HasSuffix(pw, "\x00") }
