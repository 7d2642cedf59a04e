package secret

import (
	"crypto/rand"
	"encoding/hex"
	"sync"
	"time"
)

// ids is the state of the generator of version 7 UUIDs (RFC 9562 §5.7). They increase within a
// process: a 12-bit counter orders those of one millisecond.
var ids struct {
	sync.Mutex
	last int64 // milliseconds of the newest id; never decreases
	seq  uint16
}

// NewID returns an identifier that sorts by its time of creation. It is not a secret, though 62
// of its bits are random.
func NewID(now time.Time) string {
	ms, seq := tick(now.UnixMilli())
	var b [16]byte
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	rand.Read(b[8:])
	b[6] = 0x70 | byte(seq>>8)
	b[7] = byte(seq)
	b[8] = 0x80 | b[8]&0x3f
	var out [36]byte
	hex.Encode(out[0:8], b[0:4])
	hex.Encode(out[9:13], b[4:6])
	hex.Encode(out[14:18], b[6:8])
	hex.Encode(out[19:23], b[8:10])
	hex.Encode(out[24:36], b[10:16])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}

// tick returns the time and counter of the next id, which increase even when the clock stops or
// is set back.
func tick(ms int64) (int64, uint16) {
	ids.Lock()
	defer ids.Unlock()
	if ms > ids.last {
		ids.last, ids.seq = ms, 0
		return ms, 0
	}
	if ids.seq++; ids.seq > 0xfff {
		ids.last, ids.seq = ids.last+1, 0
	}
	return ids.last, ids.seq
}
