package limit

import (
	"testing"
	"time"
)

func FuzzRate(f *testing.F) {
	f.Add(10, int64(time.Minute), 0)
	f.Add(10, int64(time.Minute), 20)
	f.Fuzz(func(t *testing.T, count int, per int64, burst int) {
		r := Rate{Count: count, Per: time.Duration(per), Burst: burst}
		if g, ok := r.gcra(); ok && (g.interval < 1 || g.depth < g.interval) {
			t.Fatalf("%v is accepted but limits nothing: %+v", r, g)
		}
	})
}
