package guard

import (
	"net/url"
	"strings"
	"testing"
)

// spellings are identifiers of one resource.
var spellings = []string{"https://api.test", "https://api.test/", "https://API.test", "HTTPS://api.test/", "https://api.test:443", "https://api.test:443/", "https://api.test:/"}

func TestRepair_B4_OneResourceHasManySpellings(t *testing.T) {
	t.Parallel()
	for _, a := range spellings {
		for _, b := range spellings {
			if !SameResource(a, b) {
				t.Errorf("%s is not %s", a, b)
			}
		}
		for _, other := range []string{"http://api.test", "https://api.test:80", "https://api.test:8443", "https://api.test//", "https://api.test/mcp",
			"https://api.test?", "https://api.test/?x", "https://api.test.", "https://x@api.test", "https://api.test.evil.test", "", "https:api.test", "https:///api.test"} {
			if SameResource(a, other) {
				t.Errorf("%s is %s", a, other)
			}
		}
	}
	for _, pair := range [][2]string{{"https://api.test/mcp", "https://api.test/mcp/"}, {"https://api.test/mcp", "https://api.test/MCP"},
		{"https://api.test/a", "https://api.test/%61"}, {"urn:a", "URN:a"}, {"orders", "orders/"}, {"", "/"}} {
		if SameResource(pair[0], pair[1]) {
			t.Errorf("%q is %q", pair[0], pair[1])
		}
	}
	if !SameResource("http://[::1]:80/mcp", "http://[::1]/mcp") {
		t.Error("the default port of an IPv6 address")
	}
}

// A guard accepts a token for any spelling of its resource.
func TestRepair_B4_GuardTakesEverySpelling(t *testing.T) {
	t.Parallel()
	s := esSigner()
	for _, configured := range spellings[:3] {
		g := newGuard(t, newIssuerStub(s.jwk(nil)), newClock(), func(c *Config) { c.Resource = configured })
		for _, aud := range spellings {
			requireAccepted(t, g, s.token(s.header(), validPayload(map[string]any{"aud": aud})))
			requireAccepted(t, g, s.token(s.header(), validPayload(map[string]any{"aud": []string{"https://other.test", aud}})))
		}
		for _, aud := range []string{"https://api.test/v1", "http://api.test", "https://api.test:8443", "https://api.test."} {
			requireRefused(t, g, s.token(s.header(), validPayload(map[string]any{"aud": aud})), ErrAudience)
		}
	}
}

func FuzzSameResource(f *testing.F) {
	for _, s := range spellings {
		f.Add(s, "https://api.test")
	}
	f.Add("https://a/?#", "http://a:80")
	f.Add("https://[::1]:443", "https://[::1]")
	f.Fuzz(func(t *testing.T, a, b string) {
		if !SameResource(a, b) {
			return
		}
		// Parsed by net/url, both have the same host, path and query.
		u, errA := url.Parse(a)
		v, errB := url.Parse(b)
		if errA != nil || errB != nil {
			return
		}
		if u.Scheme != v.Scheme || !strings.EqualFold(u.Hostname(), v.Hostname()) || u.RawQuery != v.RawQuery || u.Fragment != v.Fragment ||
			strings.TrimPrefix(u.EscapedPath(), "/") != strings.TrimPrefix(v.EscapedPath(), "/") {
			t.Errorf("%q and %q are the same resource", a, b)
		}
	})
}
