package oidc

import (
	"encoding/json"
	"slices"
	"testing"
)

// FuzzClaims: parsed claims are bounded and sorted, and request at most one user.
func FuzzClaims(f *testing.F) {
	for _, s := range []string{`{}`, `{"userinfo":null}`, `{"id_token":{"sub":{"value":"x"},"acr":{"essential":true,"values":["1",2]}}}`,
		`{"userinfo":{"a":1}}`, `{"userinfo":{"sub":{"values":["a","a"]}}}`, `[]`, `{"userinfo":{"":null}}`, `{"id_token":{"sub":{"value":"a"}},"userinfo":{"sub":{"value":"b"}}}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if raw == "" {
			return
		}
		c, err := parseClaims(raw)
		if err != nil {
			return
		}
		if len(raw) > maxClaims || !json.Valid([]byte(raw)) {
			t.Fatalf("%q was read", raw)
		}
		for _, names := range [][]string{c.UserInfo, c.IDToken} {
			if len(names) > maxClaimNames || !slices.IsSorted(names) || slices.Contains(names, "") {
				t.Fatalf("%q asks for %q", raw, names)
			}
		}
		if c.Subject != "" && !slices.Contains(c.UserInfo, "sub") && !slices.Contains(c.IDToken, "sub") {
			t.Fatalf("%q asks for %q", raw, c.Subject)
		}
	})
}
