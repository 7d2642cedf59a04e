package password

import (
	"crypto/subtle"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// parseArgon2 parses the PHC form of Argon2id, which is this server's own, and of Argon2i:
// $argon2id$v=19$m=19456,t=2,p=1$salt$key.
func parseArgon2(encoded string, _ limits) (digest, error) {
	parts, ok := splitExactly(encoded, "$", 6)
	if !ok {
		return digest{}, ErrMalformedHash
	}
	d := digest{scheme: parts[1], forms: ownForms}
	opts, ok := splitExactly(parts[3], ",", 3)
	if !ok || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return d, ErrMalformedHash
	}
	m, okM := parseOption(opts[0], "m")
	t, okT := parseOption(opts[1], "t")
	p, okP := parseOption(opts[2], "p")
	salt, okS := decodeSalt(rawB64.DecodeString, parts[4])
	key, okK := decodeKey(rawB64.DecodeString, parts[5])
	if !okM || !okT || !okP || !okS || !okK || t < 1 || p < 1 || m < 8*p || len(salt) < minSalt {
		return d, ErrMalformedHash
	}
	if p > maxLanes || m*t > maxArgonWork {
		return d, fmt.Errorf("%w: %s", ErrCostlyHash, parts[3])
	}
	params := Params{Memory: uint32(m), Time: uint32(t), Parallelism: uint8(p), SaltLength: uint8(len(salt)), KeyLength: uint8(len(key))}
	derive := params.key
	if d.scheme == "argon2i" {
		derive = params.keyI
	} else {
		d.argon2id = params
	}
	d.kib, d.threads = m, p
	d.match = func(pw string) bool { return subtle.ConstantTimeCompare(derive(pw, salt), key) == 1 }
	return d, nil
}

func (p Params) keyI(pw string, salt []byte) []byte {
	return argon2.Key([]byte(pw), salt, p.Time, p.Memory, p.Parallelism, uint32(p.KeyLength))
}

// parseDjangoArgon2 reads argon2$argon2id$v=19$….
func parseDjangoArgon2(encoded string, lim limits) (digest, error) {
	rest := strings.TrimPrefix(encoded, "argon2")
	if !strings.HasPrefix(rest, "$argon2id$") && !strings.HasPrefix(rest, "$argon2i$") {
		return digest{}, ErrUnknownHash
	}
	d, err := parseArgon2(rest, lim)
	d.scheme = "django-" + d.scheme
	d.argon2id = Params{} // the wrapped hash is another scheme
	return d, err
}
