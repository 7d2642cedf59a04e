package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// The page that opened a popup gets its message if the client has the setting popup, and loses
// the window otherwise.
func TestRepair_B12_Popup(t *testing.T) {
	t.Parallel()
	chromium(t)
	for _, popup := range []bool{true, false} {
		t.Run(fmt.Sprintf("popup %v", popup), func(t *testing.T) {
			t.Parallel()
			s := servertest.New(t)
			s.Enrol(t, alice)
			var address string
			mux := http.NewServeMux()
			page := func(w http.ResponseWriter, body string) {
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				fmt.Fprintf(w, `<!doctype html><html lang="en"><title>Shop</title><h1>Shop</h1>%s`, body)
			}
			mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
				page(w, fmt.Sprintf(`<p id="waits">waiting</p><button id="submit">Sign in</button><script>
					const said = document.getElementById("waits")
					const say = text => { said.textContent = text; said.id = "said" }
					addEventListener("message", e => { if (e.data === "code") say("signed in") })
					document.getElementById("submit").onclick = () => {
						const w = open(%q, "login", "width=500,height=600")
						const timer = setInterval(() => { if (w.closed) { clearInterval(timer); say("popup closed by user") } }, 20)
					}
				</script>`, address))
			})
			mux.HandleFunc("/callback", func(w http.ResponseWriter, _ *http.Request) {
				page(w, `<script>if (opener && location.search.includes("code=")) opener.postMessage("code", "*")</script>`)
			})
			site := httptest.NewServer(mux)
			t.Cleanup(site.Close)
			base := strings.Replace(site.URL, "127.0.0.1", "localhost", 1)
			c, _, err := s.Clients.Create(t.Context(), auth.DefaultTenant, client.Registration{Name: "Shop", Type: auth.ClientWeb, FirstParty: true,
				RedirectURIs: []string{base + "/callback"}, ClientSettings: auth.ClientSettings{Popup: popup}}, auth.System)
			if err != nil {
				t.Fatal(err)
			}
			address = (&clientApp{s: s, Client: c, base: base, tenant: auth.DefaultTenant}).authorizationURL()

			b := newTab(t, windowSettings{})
			b.open(s.URL + "/login").signIn(alice).requirePath("/account")
			b.open(base+"/").run(chromedp.Click(chromedp.ID("submit")), chromedp.WaitReady(chromedp.ID("said")))

			if popup {
				b.requireText("signed in")
			} else {
				b.requireText("popup closed by user")
			}
		})
	}
}
