package limit

import (
	"testing"
	"time"
)

func TestParseRate(t *testing.T) {
	t.Parallel()
	good := map[string]Rate{
		"10/1m":             {Count: 10, Per: time.Minute},
		" 10/1m  burst 20 ": {Count: 10, Per: time.Minute, Burst: 20},
		"1/24h":             {Count: 1, Per: 24 * time.Hour},
		"1000000/1s":        {Count: 1_000_000, Per: time.Second},
		"5/1m30s burst 1":   {Count: 5, Per: 90 * time.Second, Burst: 1},
	}
	for text, want := range good {
		got, err := ParseRate(text)
		if err != nil || got != want {
			t.Errorf("ParseRate(%q) = %+v, %v", text, got, err)
		}
		if again, err := ParseRate(got.String()); err != nil || again != got {
			t.Errorf("%q does not survive its own text %q", text, got)
		}
	}
	for _, text := range []string{"", "10", "10/", "/1m", "0/1m", "-1/1m", "10/0s", "10/-1m", "10/1m burst", "10/1m burst 0",
		"10/1m burst -3", "10/1m bust 3", "10 / 1m", "1e3/1m", "10/1m burst 9223372036854775807", "1/2000000h", "99999999999999999999/1s"} {
		if r, err := ParseRate(text); err == nil {
			t.Errorf("ParseRate(%q) = %+v, want an error", text, r)
		}
	}
}

func FuzzParseRate(f *testing.F) {
	f.Add("10/1m")
	f.Add("10/1m burst 20")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRate(text)
		if err != nil {
			return
		}
		g, ok := r.gcra()
		if !ok || g.interval < 1 || g.depth < g.interval {
			t.Fatalf("%q was accepted but limits nothing: %+v", text, g)
		}
		if again, err := ParseRate(r.String()); err != nil || again.String() != r.String() {
			t.Fatalf("%q became %q, then %v, %v", text, r, again, err)
		}
	})
}
