package pages

import (
	"strings"
	"testing"
)

// The policy allows forms to redirect to where the flow ends. A registered URI cannot add anything else
// to the policy.
func TestFormAction_NamesOnlySchemeOrHost(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://app.example/callback":    " https:",
		"http://127.0.0.1:4711/callback":  " https: http://127.0.0.1:*",
		"http://localhost/callback":       " https: http://localhost:*",
		"http://[::1]:4711/callback":      " https: http:",
		"com.example.app:/callback":       " https: com.example.app:",
		"com.example.app://host/callback": " https: com.example.app:",
		"":                                " https:",
		"/relative":                       " https:",
		"a b:c":                           " https:",
		"x;script-src *:y":                " https:",
		"http://a;b/":                     " https:",
	} {
		if got := formActions(address); got != want {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
	if got := formActions("https://a.example/", "com.example.app:/x", "https://b.example/", "com.example.app:/y"); got != " https: com.example.app:" {
		t.Errorf("several: %q", got)
	}
	if p := csp(""); p != cspPage[0] || strings.Contains(p, "script-src") {
		t.Errorf("plain page: %q", p)
	}
}
