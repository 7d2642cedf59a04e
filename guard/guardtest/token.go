package guardtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Token describes an access token. The zero value is a valid token of account
// "test-user" for 15 minutes, without scopes, roles or permissions.
type Token struct {
	Subject     string
	Audience    []string // default: URL
	ClientID    string   // default: "first-party"
	SessionID   string   // default: "test-session"
	Scopes      []string
	Roles       []string
	Permissions []string

	// Key makes the token sender-constrained: it is valid only with a proof by that key.
	Key *Key

	// TTL is the time until expiry. Default: 15 minutes. A negative TTL makes an expired
	// token.
	TTL time.Duration

	// Claims overrides the claims above; a nil value removes a claim.
	Claims map[string]any
}

// Mint returns a token signed with the newest key.
func (i *Issuer) Mint(t Token) string {
	i.tb.Helper()
	payload, err := json.Marshal(i.claims(t))
	if err != nil {
		i.tb.Fatalf("guardtest: claims of the token: %v", err)
	}
	return i.sign(payload)
}

// Authorize mints a token and sets the Authorization header of r. For a token with a Key
// it also sets the DPoP header to a proof for r.
func (i *Issuer) Authorize(r *http.Request, t Token) {
	i.tb.Helper()
	access := i.Mint(t)
	if t.Key == nil {
		r.Header.Set("Authorization", "Bearer "+access)
		return
	}
	r.Header.Set("Authorization", "DPoP "+access)
	r.Header.Set("DPoP", i.Prove(t.Key, Proof{Method: r.Method, URL: Resource + r.URL.EscapedPath(), AccessToken: access}))
}

func (i *Issuer) claims(t Token) map[string]any {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.counter++
	ttl := t.TTL
	if ttl == 0 {
		ttl = 15 * time.Minute
	}
	issued, expires := i.now, i.now.Add(ttl)
	if ttl < 0 {
		issued = expires.Add(-15 * time.Minute)
	}
	if expires.After(i.last) {
		i.last = expires
	}
	claims := map[string]any{
		"iss": URL, "sub": cmp.Or(t.Subject, "test-user"), "client_id": cmp.Or(t.ClientID, "first-party"),
		"sid": cmp.Or(t.SessionID, "test-session"), "jti": fmt.Sprintf("test-token-%d", i.counter),
		"iat": issued.Unix(), "auth_time": issued.Unix(), "exp": expires.Unix(),
		"aud": []string{URL}, "acr": "1", "amr": []string{"pwd"},
		"scope": strings.Join(t.Scopes, " "), "roles": list(t.Roles), "permissions": list(t.Permissions),
	}
	if t.Key != nil {
		claims["cnf"] = map[string]any{"jkt": t.Key.Thumbprint()}
	}
	if t.Audience != nil {
		claims["aud"] = t.Audience
	}
	overrideClaims(claims, t.Claims)
	return claims
}

// list returns an empty list for nil, as an issuer sends it.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
