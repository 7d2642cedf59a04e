package browser

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// clientApp is a client with its own server, on another site than the provider.
type clientApp struct {
	auth.Client
	s      *servertest.Server
	tenant auth.TenantID
	base   string // http://localhost:port; we are 127.0.0.1
	secret string

	mu       sync.Mutex
	response url.Values // owned by mu: what came to its callback last
}

const verifier = "a-verifier-of-the-browser-that-is-long-enough-for-RFC-7636"

// newServerWithClient starts a server with a first-party client.
func newServerWithClient(t *testing.T) (*servertest.Server, *clientApp) {
	t.Helper()
	s := servertest.New(t)
	return s, newClient(t, s, orders)
}

// newClient registers a client and starts its server.
func newClient(t *testing.T, s *servertest.Server, r client.Registration) *clientApp {
	t.Helper()
	return newTenantClient(t, s, auth.DefaultTenant, r)
}

func newTenantClient(t *testing.T, s *servertest.Server, tenant auth.TenantID, r client.Registration) *clientApp {
	t.Helper()
	c := &clientApp{s: s, tenant: tenant}
	mux := http.NewServeMux()
	mux.HandleFunc("/callback", c.serveCallback)
	mux.HandleFunc("/start", c.serveStart)
	mux.HandleFunc("/bye", func(w http.ResponseWriter, r *http.Request) { c.writePage(w, "Bye", r.URL.Query()) })
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	c.base = strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
	r.RedirectURIs = []string{c.base + "/callback"}
	if r.Type != auth.ClientNative {
		r.PostLogoutURIs = []string{c.base + "/bye"}
	}
	made, sec, err := s.Clients.Create(t.Context(), tenant, r, auth.System)
	if err != nil {
		t.Fatal(err)
	}
	c.Client, c.secret = made, sec.Reveal()
	return c
}

// serveStart serves a page whose button sends the authorization request by POST (OpenID Connect
// Core §3.1.2.1).
func (c *clientApp) serveStart(w http.ResponseWriter, _ *http.Request) {
	u, err := url.Parse(c.authorizationURL())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!doctype html><html lang="en"><title>Start</title><h1>Start</h1><form method="post" action="%s">`, c.s.URL+u.Path)
	for name, values := range u.Query() {
		fmt.Fprintf(w, `<input type="hidden" name="%s" value="%s">`, name, html.EscapeString(values[0]))
	}
	fmt.Fprint(w, `<button id="submit">Sign in</button></form>`)
}

// serveCallback records the authorization response and shows it.
func (c *clientApp) serveCallback(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	c.response = r.Form
	c.mu.Unlock()
	c.writePage(w, "Back at "+c.Name, r.Form)
}

func (c *clientApp) writePage(w http.ResponseWriter, title string, got url.Values) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!doctype html><html lang="en"><title>%s</title><main><h1 id="arrived">%[1]s</h1><p>%s</p></main>`, html.EscapeString(title), html.EscapeString(got.Encode()))
}

// takeResponse returns the last authorization response and clears it.
func (c *clientApp) takeResponse() url.Values {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := c.response
	c.response = nil
	return got
}

// authorizationURL returns the URL of the authorization request with the parameters added.
func (c *clientApp) authorizationURL(pairs ...string) string {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{"response_type": {"code"}, "client_id": {string(c.ID)}, "redirect_uri": {c.base + "/callback"}, "scope": {"openid email"},
		"state": {`s"'<>&`}, "nonce": {"n-1"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return c.s.URL + c.tenant.Path() + "/oauth2/authorize?" + q.Encode()
}

// redeem checks the authorization response (state, RFC 9207) and redeems its code.
func (c *clientApp) redeem(t *testing.T) (idToken, accessToken string) {
	t.Helper()
	got := c.takeResponse()
	if got.Get("code") == "" || got.Get("state") != `s"'<>&` || got.Get("iss") != c.s.Issuer+c.tenant.Path() {
		t.Fatalf("authorization response %v", got)
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {got.Get("code")}, "redirect_uri": {c.base + "/callback"}, "code_verifier": {verifier}, "client_id": {string(c.ID)}}
	if c.secret != "" {
		form.Set("client_secret", c.secret)
	}
	var tokens struct {
		ID     string `json:"id_token"`
		Access string `json:"access_token"`
	}
	c.s.Do(t, "POST", c.tenant.Path()+oauth.TokenPath, form.Encode(), servertest.Header("Content-Type", "application/x-www-form-urlencoded")).Want(t, 200).Decode(t, &tokens)
	if tokens.ID == "" || tokens.Access == "" {
		t.Fatalf("no tokens: %+v", tokens)
	}
	return tokens.ID, tokens.Access
}
