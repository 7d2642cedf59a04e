package web

import (
	"strings"
	"testing"
)

// A half-configured proxy is logged once. Health checks and requests without a proxy are not logged.
func TestRepair_N6_WarnsOfHalfConfiguredProxy(t *testing.T) {
	t.Parallel()
	const missing, untrusted = "sends no X-Forwarded-For", "not in proxy.trusted"
	forwarded := "X-Forwarded-For: 203.0.113.9"
	for name, c := range map[string]struct {
		trusted string
		path    string
		headers []string
		want    string
	}{
		"a trusted proxy without it":          {trusted: "192.0.2.0/24", path: "/login", want: missing},
		"a probe of the balancer":             {trusted: "192.0.2.0/24", path: "/readyz"},
		"a trusted proxy with it":             {trusted: "192.0.2.0/24", path: "/login", headers: []string{forwarded}},
		"an untrusted proxy with it":          {trusted: "198.51.100.0/24", path: "/login", headers: []string{forwarded}, want: untrusted},
		"no proxy is trusted, and it is sent": {path: "/login", headers: []string{forwarded}, want: untrusted},
		"no proxy is trusted, none is sent":   {path: "/login"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var opts []option
			if c.trusted != "" {
				opts = append(opts, trusted(c.trusted))
			}
			h := newFixture(t, opts...)

			for range 3 {
				h.get(c.path, c.headers...)
			}

			log := h.log.String()
			for _, words := range []string{missing, untrusted} {
				want := 0
				if words == c.want {
					want = 1
				}
				if got := strings.Count(log, words); got != want {
					t.Errorf("%q is logged %d times, want %d:\n%s", words, got, want, log)
				}
			}
		})
	}
}
