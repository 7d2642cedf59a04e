package auth_test

import (
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
)

var registered = []string{"https://app.example/cb", "https://app.example/q?a=b", "http://127.0.0.1/cb", "http://127.0.0.1:8080/port", "http://[::1]/cb", "http://localhost/cb", "com.example.app:/cb"}

// AZ-01 to AZ-06, AZ-11: URIs that are similar to a registered one.
func TestAttack_AZ_01_06_11_Match(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]struct{ web, native bool }{
		"https://app.example/cb":              {true, true},
		"https://app.example/cb/x":            {},
		"https://app.example/cb?a=b":          {},
		"https://app.example/q?a=b":           {true, true},
		"https://app.example/q":               {},
		"https://app.example/q?a=b&c=d":       {},
		"https://app.example@evil.test/cb":    {},
		"HTTPS://app.example/cb":              {},
		"https://APP.example/cb":              {},
		"https://app.example/cb/":             {},
		"https://app.example:443/cb":          {},
		"https://app.example/./cb":            {},
		"https://app.example/%63b":            {},
		"https://app.example/cb#x":            {},
		"https://app.example/cb ":             {},
		"":                                    {},
		"http://127.0.0.1/cb":                 {true, true},
		"http://127.0.0.1:51004/cb":           {false, true},
		"http://127.0.0.1:51004/other":        {},
		"http://127.0.0.1:51004/cb/":          {},
		"http://127.0.0.1:51004/cb?x=1":       {},
		"http://127.0.0.1:51004/port":         {false, true},
		"http://127.0.0.1.evil.test:51004/cb": {},
		"http://127.0.0.1:51004@evil.test/cb": {},
		"http://127.0.0.1:@evil.test/cb":      {},
		"http://127.0.0.1:/cb":                {},
		"http://127.0.0.1:123456/cb":          {},
		"http://127.0.0.1:80.evil.test/cb":    {},
		"http://127.0.0.2:51004/cb":           {},
		"https://127.0.0.1:51004/cb":          {},
		"http://[::1]:51004/cb":               {false, true},
		"http://[::2]:51004/cb":               {},
		"http://localhost/cb":                 {true, true},
		"http://localhost:51004/cb":           {false, true},
		"http://localhost.evil.test:51004/cb": {},
		"http://localhost:51004/port":         {},
		"http://LOCALHOST:51004/cb":           {},
		"com.example.app:/cb":                 {true, true},
		"com.example.app:/cb/":                {},
	} {
		native := want.native
		for _, typ := range []auth.ClientType{auth.ClientWeb, auth.ClientNative} {
			want := want.web
			if typ == auth.ClientNative {
				want = native
			}
			c := auth.Client{Type: typ, RedirectURIs: registered}
			if got := c.MatchRedirectURI(uri); got != want {
				t.Errorf("%s, %q: %v, want %v", typ, uri, got, want)
			}
		}
	}
}

// FuzzRedirectMatch: a URI that matches equals a registered one, or differs from it only in the
// port of a loopback address, also as net/url parses it.
func FuzzRedirectMatch(f *testing.F) {
	for _, uri := range registered {
		f.Add(uri)
	}
	f.Add("http://127.0.0.1:1/cb")
	f.Add("http://127.0.0.1:1@evil.test/cb")
	f.Add("http://[::1]:65535/cb")
	c := auth.Client{Type: auth.ClientNative, RedirectURIs: registered}
	f.Fuzz(func(t *testing.T, uri string) {
		if !c.MatchRedirectURI(uri) {
			return
		}
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatalf("%q matches, and net/url says %v", uri, err)
		}
		for _, kept := range registered {
			if kept == uri {
				return
			}
			k, err := url.Parse(kept)
			if err != nil {
				t.Fatal(err)
			}
			ip := net.ParseIP(u.Hostname())
			local := ip != nil && ip.IsLoopback() || u.Hostname() == "localhost"
			if local && u.Scheme == "http" && u.Hostname() == k.Hostname() && u.User == nil && u.RequestURI() == k.RequestURI() && !strings.Contains(uri, "#") {
				return
			}
		}
		t.Fatalf("%q matches", uri)
	})
}

// B3: programs register loopback URIs by name and without a port, and listen on any port. Only
// public clients may do so, and only the port may differ: a name does not match an address.
func TestRepair_B3_LoopbackByName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		registered, asked string
		want              bool
	}{
		{"http://localhost/callback", "http://localhost:54321/callback", true},
		{"http://localhost:33418/callback", "http://localhost:54321/callback", true},
		{"http://localhost:33418/callback", "http://localhost/callback", true},
		{"http://localhost/callback?a=b", "http://localhost:1/callback?a=b", true},
		{"http://localhost", "http://localhost:54321", true},
		{"http://127.0.0.1/callback", "http://localhost:54321/callback", false},
		{"http://localhost/callback", "http://127.0.0.1:54321/callback", false},
		{"http://localhost/callback", "http://localhost:54321/callback?a=b", false},
		{"http://localhost/callback", "http://localhost:54321/callback/", false},
		{"http://localhost/callback", "https://localhost:54321/callback", false},
		{"http://localhost/callback", "http://localhost:54321@evil.test/callback", false},
		{"http://localhost/callback", "http://localhost.:54321/callback", false},
		{"http://localhost/callback", "http://localhost:/callback", false},
	} {
		for typ, public := range map[auth.ClientType]bool{auth.ClientNative: true, auth.ClientSPA: true, auth.ClientWeb: false} {
			client := auth.Client{Type: typ, RedirectURIs: []string{c.registered}, Settings: auth.StoredSettings{ClientSettings: auth.ClientSettings{PostLogoutURIs: []string{c.registered}}}}
			want := c.want && public
			if got := client.MatchRedirectURI(c.asked); got != want {
				t.Errorf("%s, registered %s: %s is %v, want %v", typ, c.registered, c.asked, got, want)
			}
			if got := client.MatchPostLogoutURI(c.asked); got != want {
				t.Errorf("%s, after logout, registered %s: %s is %v, want %v", typ, c.registered, c.asked, got, want)
			}
		}
	}
}

// Native clients register private-use schemes with a dot, and without one if the operator allows
// the scheme.
func TestRepair_B3_PrivateUseSchemes(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]struct{ plain, listed bool }{
		"app.immich:///oauth-callback":                 {true, true},
		"com.example.app:/callback":                    {true, true},
		"com.example.app://callback":                   {true, true},
		"cursor://anysphere.cursor-mcp/oauth/callback": {false, true},
		"vscode://vscode.github-authentication/did":    {false, false},
		"javascript:alert(1)":                          {false, false},
		"intent://x#Intent;end":                        {false, false},
		"cursor:" + strings.Repeat("/a", 1100):         {false, false},
		"a." + strings.Repeat("b", 63) + ":/callback":  {false, false},
	} {
		_, plain := auth.ParseRedirectURI(auth.ClientNative, uri)
		_, listed := auth.ParseRedirectURI(auth.ClientNative, uri, "cursor", "javascript", "intent")
		if (plain == nil) != want.plain || (listed == nil) != want.listed {
			t.Errorf("%.60s: %v, with the scheme listed %v", uri, plain, listed)
		}
		if _, err := auth.ParseRedirectURI(auth.ClientSPA, uri, "cursor"); err == nil {
			t.Errorf("%.60s is accepted for a client in a browser", uri)
		}
	}
}
