package guard

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// NoncePeriod is how long one nonce is given out. It is taken for one period more.
const NoncePeriod = 5 * time.Minute

// Nonces makes and recognises the nonces of RFC 9449 section 8 without storing any: a
// nonce is a MAC over the number of the current period. All who share the key give
// out, and take, the same.
type Nonces struct{ key []byte }

// NewNonces returns the nonces of a key, which nobody else may have. For at least 256
// bits of security it has 32 random bytes.
func NewNonces(key []byte) Nonces { return Nonces{key} }

// At is the nonce to give out at the time.
func (n Nonces) At(now time.Time) string { return n.of(now.Unix() / int64(NoncePeriod/time.Second)) }

// Good tells whether the nonce was given out in the period of the time, or in one of
// its neighbours: the one before, since it may just have ended, and the one after,
// since another node's clock may be ahead.
func (n Nonces) Good(nonce string, now time.Time) bool {
	period := now.Unix() / int64(NoncePeriod/time.Second)
	good := 0
	for i := period - 1; i <= period+1; i++ {
		good |= subtle.ConstantTimeCompare([]byte(nonce), []byte(n.of(i)))
	}
	return good == 1
}

func (n Nonces) of(period int64) string {
	m := hmac.New(sha256.New, n.key)
	m.Write(binary.BigEndian.AppendUint64([]byte("dpop nonce "), uint64(period)))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:18])
}
