package limit

import (
	"strconv"
	"time"
)

// maxDepth is the longest debt, so that sums of times do not overflow.
const maxDepth = 10 * 365 * 24 * time.Hour

// Rate is a limit: Count tokens every Per, at most Burst of them at once. A Burst
// of zero means Count. The zero Rate is not "no limit"; it refuses everything.
type Rate struct {
	Count int
	Per   time.Duration
	Burst int
}

// Rates maps the name of a limit, such as "login.ip", to its rate. A missing name has the zero
// Rate, which refuses everything.
type Rates map[string]Rate

// String returns "COUNT/PERIOD", or "COUNT/PERIOD burst N" when the burst differs from the count.
func (r Rate) String() string {
	s := strconv.Itoa(r.Count) + "/" + r.Per.String()
	if r.Burst > 0 && r.Burst != r.Count {
		s += " burst " + strconv.Itoa(r.Burst)
	}
	return s
}

// Times returns the rate with k times as many tokens, or r when that is out of range.
func (r Rate) Times(k int) Rate {
	t := Rate{Count: r.Count * k, Per: r.Per, Burst: r.Burst * k}
	if _, ok := t.gcra(); !ok {
		return r
	}
	return t
}

// half returns the rate with half as many tokens, rounded up.
func (r Rate) half() Rate {
	return Rate{Count: (r.Count + 1) / 2, Per: r.Per, Burst: (r.Burst + 1) / 2}
}

// gcra converts the rate. It reports false for a rate that is unusable or out of range.
func (r Rate) gcra() (gcra, bool) {
	if r.Count < 1 || r.Per <= 0 || r.Burst < 0 || r.Per > maxDepth {
		return gcra{}, false
	}
	count := int64(r.Count)
	// Rounded up: the limit is rather too strict.
	interval := int64(r.Per) / count
	if interval*count != int64(r.Per) {
		interval++
	}
	burst := int64(r.Burst)
	if burst == 0 {
		burst = count
	}
	if burst > int64(maxDepth)/interval {
		return gcra{}, false
	}
	return gcra{interval: interval, depth: burst * interval}, true
}
