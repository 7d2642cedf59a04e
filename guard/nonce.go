package guard

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// NoncePeriod is how long one nonce is issued. It is valid for one more period.
const NoncePeriod = 5 * time.Minute

// Nonces issues and validates the nonces of RFC 9449 section 8 without storage: a nonce
// is a MAC of the number of the current period. Instances with the same key issue and
// accept the same nonces. It is safe for concurrent use.
type Nonces struct{ key []byte }

// NewNonces returns Nonces with a secret key of 32 random bytes. It keeps the slice and does
// not check its length.
func NewNonces(key []byte) Nonces { return Nonces{key} }

// At returns the nonce to issue at the given time.
func (n Nonces) At(now time.Time) string { return n.mac(now.Unix() / int64(NoncePeriod/time.Second)) }

// Valid reports whether the nonce was issued in the current period, the one before, or
// the one after: the clock of another instance may be ahead.
func (n Nonces) Valid(nonce string, now time.Time) bool {
	period := now.Unix() / int64(NoncePeriod/time.Second)
	good := 0
	for i := period - 1; i <= period+1; i++ {
		good |= subtle.ConstantTimeCompare([]byte(nonce), []byte(n.mac(i)))
	}
	return good == 1
}

func (n Nonces) mac(period int64) string {
	m := hmac.New(sha256.New, n.key)
	m.Write(binary.BigEndian.AppendUint64([]byte("dpop nonce "), uint64(period)))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:18])
}
