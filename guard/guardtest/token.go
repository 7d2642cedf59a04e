package guardtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Token describes an access token. The zero value is a good one, of account
// "test-user", for 15 minutes, without scopes, roles or permissions.
type Token struct {
	Subject     string
	Audience    []string // default: URL
	ClientID    string   // default: "first-party"
	SessionID   string   // default: "test-session"
	Scopes      []string
	Roles       []string
	Permissions []string

	// Key binds the token: it is good only with a proof of that key.
	Key *Key

	// TTL is the time until expiry, counted from the issuer's clock. A negative
	// one makes a token that has expired already.
	TTL time.Duration

	// Claims are added last: they can replace the claims above, and a nil value
	// takes a claim out.
	Claims map[string]any
}

// Mint signs a token with the newest key.
func (i *Issuer) Mint(t Token) string {
	i.tb.Helper()
	payload, err := json.Marshal(i.claims(t))
	if err != nil {
		i.tb.Fatalf("guardtest: claims of the token: %v", err)
	}
	return i.sign(payload)
}

// Authorize mints a token and puts it into the Authorization header of r. If the token
// is bound to a key, a proof for r goes into the DPoP header.
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
	i.serial++
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
		"iss": URL, "sub": or(t.Subject, "test-user"), "client_id": or(t.ClientID, "first-party"),
		"sid": or(t.SessionID, "test-session"), "jti": fmt.Sprintf("test-token-%d", i.serial),
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
	change(claims, t.Claims)
	return claims
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// list makes no list an empty one, which is what an issuer sends.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
