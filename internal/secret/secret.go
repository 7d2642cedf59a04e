// Package secret generates random tokens and ids, computes digests, compares in constant time,
// and seals values under the master key.
//
// It handles bytes only: no accounts, no database, no clock. All randomness comes from
// crypto/rand. Text is the type of every secret that is returned to a caller; it prints as
// "[redacted]" where it is logged by mistake.
package secret

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"io"
	"log/slog"
	"strings"
	"time"
)

// Text is a secret that prints as "[redacted]". Reveal returns its value.
type Text string

// String hides the secret from fmt.
func (Text) String() string { return "[redacted]" }

// GoString hides the secret from %#v.
func (Text) GoString() string { return "[redacted]" }

// LogValue hides the secret from slog.
func (Text) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// Reveal returns the secret itself.
func (t Text) Reveal() string { return string(t) }

// Bytes returns n random bytes.
func Bytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand ends the process instead
	return b
}

// Reader is the source of all randomness, for functions that generate keys and signatures.
func Reader() io.Reader { return rand.Reader }

// Jitter returns a random duration of less than d, or zero when d is not positive.
func Jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(binary.BigEndian.Uint64(Bytes(8)) % uint64(d))
}

// New returns an opaque secret of 256 random bits: prefix, then base64url without
// padding. Prefixes make leaked secrets findable: wwr_ refresh token, wwk_ API
// key, wws_ client secret, wwc_ code, wwl_ link, wwa_ session cookie, wwt_ trusted browser.
func New(prefix string) Text { return Text(prefix + Encode(Bytes(32))) }

// Valid reports whether s has the exact form of New(prefix), so that malformed values are refused
// before any look-up. It accepts only canonical base64.
func Valid(prefix, s string) bool {
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok || len(rest) != 43 {
		return false
	}
	_, err := Decode(rest)
	return err == nil
}

// Digest returns the base64url SHA-256 of a secret, which is stored instead of the secret. It is
// for secrets of 256 random bits, never for passwords.
func Digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return Encode(sum[:])
}

// Equal compares in constant time.
func Equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// MAC returns the HMAC-SHA256 of the parts, each preceded by its length, so that different lists
// never have the same input.
func MAC(key []byte, parts ...[]byte) []byte {
	m := hmac.New(sha256.New, key)
	var n [8]byte
	for _, p := range parts {
		for i := range 8 {
			n[i] = byte(len(p) >> (56 - 8*i))
		}
		m.Write(n[:])
		m.Write(p)
	}
	return m.Sum(nil)
}

var strict = base64.RawURLEncoding.Strict()

// Encode returns base64url without padding.
func Encode(b []byte) string { return strict.EncodeToString(b) }

// Decode accepts only the canonical form that Encode returns: no padding, no line breaks, no
// trailing bits.
func Decode(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") { // encoding/base64 skips them even when strict
		return nil, base64.CorruptInputError(0)
	}
	return strict.DecodeString(s)
}
