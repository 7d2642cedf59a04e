package password

import (
	"encoding/base64"
	"errors"
	"fmt"

	"golang.org/x/crypto/argon2"
)

// Params are the cost of an Argon2id hash.
type Params struct {
	Memory      uint32 `json:"memory"`      // KiB
	Time        uint32 `json:"time"`        // passes over the memory
	Parallelism uint8  `json:"parallelism"` // lanes
	SaltLength  uint8  `json:"salt_length"` // bytes; zero means 16
	KeyLength   uint8  `json:"key_length"`  // bytes; zero means 32
}

// RecommendedParams are the first recommendation of OWASP for Argon2id: 19 MiB, two passes,
// one lane.
func RecommendedParams() Params {
	return Params{Memory: 19 << 10, Time: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}
}

// withLengths sets the lengths of salt and key that are zero.
func (p Params) withLengths() Params {
	d := RecommendedParams()
	if p.SaltLength == 0 {
		p.SaltLength = d.SaltLength
	}
	if p.KeyLength == 0 {
		p.KeyLength = d.KeyLength
	}
	return p
}

// Validate reports every bound that p breaks. It accepts parameters too weak for production, for tests; see
// Weak.
func (p Params) Validate() error {
	p = p.withLengths()
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if p.Parallelism < 1 || int(p.Parallelism) > maxLanes {
		bad("parallelism %d is not between 1 and %d", p.Parallelism, maxLanes)
	}
	if p.Memory < 8*uint32(p.Parallelism) {
		bad("memory of %d KiB is less than 8 KiB for each lane", p.Memory)
	}
	if p.Time < 1 {
		bad("time 0 is less than one pass")
	}
	if uint64(p.Memory)*uint64(p.Time) > maxArgonWork {
		bad("%d KiB in %d passes is more work than the limit of %d KiB in one", p.Memory, p.Time, maxArgonWork)
	}
	if p.SaltLength < minSalt || p.SaltLength > maxSalt {
		bad("salt length %d is not between %d and %d", p.SaltLength, minSalt, maxSalt)
	}
	if p.KeyLength < minKey || p.KeyLength > maxKey {
		bad("key length %d is not between %d and %d", p.KeyLength, minKey, maxKey)
	}
	return errors.Join(errs...)
}

// Weak reports whether p is below OWASP's advice for Argon2id: 19 MiB in two passes, or a similar amount of
// work in more memory or more passes.
func (p Params) Weak() bool {
	switch {
	case p.Memory >= 46<<10:
		return p.Time < 1
	case p.Memory >= 19<<10:
		return p.Time < 2
	case p.Memory >= 12<<10:
		return p.Time < 3
	case p.Memory >= 9<<10:
		return p.Time < 4
	case p.Memory >= 7<<10:
		return p.Time < 5
	}
	return true
}

// String returns p as in a PHC string, for logs and tables.
func (p Params) String() string {
	return fmt.Sprintf("m=%d,t=%d,p=%d", p.Memory, p.Time, p.Parallelism)
}

func (p Params) key(pw string, salt []byte) []byte {
	return argon2.IDKey([]byte(pw), salt, p.Time, p.Memory, p.Parallelism, uint32(p.KeyLength))
}

func (p Params) encode(salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$%s$%s$%s", argon2.Version, p, b64.EncodeToString(salt), b64.EncodeToString(key))
}
