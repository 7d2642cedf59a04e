package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// strangeIDs could be taken for something other than an ID.
var strangeIDs = []string{"..", ".", "%2e%2e", "%2E", ".%2e", "%00", "a%00b", "%ff", "%0a", "%7f", "%C2%85", "..%2F..%2Flivez", "%2F..%2F", "%2F%2F",
	"https:%2F%2Fapp.example.org%2Fclient.json", "https:%2F%2Fapp.example.org%2F..%2Fx", "%252e%252e", "%5c..%5c", "x%3Fy", "x%23y", "x;y", strings.Repeat("a", 300), strings.Repeat("%2F", 300)}

// Every route with an ID in its path answers these with 4xx: an unknown ID or no route, never another
// route or a 5xx.
func TestRepair_S9_StrangeIDs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, sc store.Config) {
		h := newFixtureOn(t, sc, func(c *Config) { c.AccessLog = false })
		c, secret, err := h.cfg.Clients.Create(t.Context(), auth.DefaultTenant, client.Registration{Name: "Robot", Type: auth.ClientMachine, Scopes: []string{"watchword:admin"}}, system)
		h.requireOK(err)
		r := request(http.MethodPost, oauth.TokenPath, "grant_type=client_credentials", "Content-Type: application/x-www-form-urlencoded")
		r.SetBasicAuth(string(c.ID), secret.Reveal())
		admin := bearer(h.tokens(h.do(r)))
		user := bearer(h.signedIn("alice@example.com"))

		walked := 0
		for _, rt := range h.router.Table() {
			before, after, ok := strings.Cut(rt.Path, "{")
			_, after, named := strings.Cut(after, "}")
			if !ok || !named || strings.HasSuffix(rt.Path, "{$}") {
				continue
			}
			walked++
			credential := user
			if rt.Principal.Name == "admin" {
				credential = admin
			}
			for _, id := range strangeIDs {
				if r := h.do(request(rt.Method, before+id+after, "", credential)); r.StatusCode < 400 || r.StatusCode >= 500 {
					t.Errorf("%s %s with %s: %d %s", rt.Method, rt.Path, id, r.StatusCode, r.body)
				}
			}
		}
		if walked < 10 {
			t.Errorf("only %d routes have an ID", walked)
		}
		for _, id := range strangeIDs { // a tenant is an ID too
			if r := h.get("/t/"+id+"/api/v1/me", user); r.StatusCode != 404 {
				t.Errorf("tenant %s: %d", id, r.StatusCode)
			}
		}
	})
}
