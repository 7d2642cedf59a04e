package attacks_test

import (
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// TestRepair_B12_PopupClientsKeepTheirWindow: only responses in flows of clients with the
// setting popup have no opener policy.
func TestRepair_B12_PopupClientsKeepTheirWindow(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		popup := newThirdParty(t, s, auth.DefaultTenant, func(r *client.Registration) { r.Popup = true })
		for _, c := range []testClient{popup, newThirdParty(t, s, auth.DefaultTenant)} {
			want := "same-origin"
			if c.ID == popup.ID {
				want = ""
			}
			b := s.Browser(t)
			check := func(name string, got string) {
				t.Helper()
				if got != want {
					t.Errorf("%s, popup %v: opener policy %q, want %q", name, c.ID == popup.ID, got, want)
				}
			}
			r := s.Do(t, "GET", authorizationQuery(c), nil)
			check("the redirect", r.Want(t, 303).Header.Get("Cross-Origin-Opener-Policy"))
			p := b.Open(authorizationQuery(c, "response_mode", "form_post"))
			check("the login page", p.Want(t, 200).Header.Get("Cross-Origin-Opener-Policy"))
			p = b.Press("submit", "email", alice, "password", wrongPassword)
			check("the login page again", p.Want(t, 400).Header.Get("Cross-Origin-Opener-Policy"))
			p = b.Press("submit", "email", alice, "password", servertest.Password)
			check("the consent page", p.Want(t, 200).Header.Get("Cross-Origin-Opener-Policy"))
			p = b.Press("approve")
			check("the answer", p.Want(t, 200).Header.Get("Cross-Origin-Opener-Policy"))
			want = "same-origin"
			check("the account page", b.Open("/account").Want(t, 200).Header.Get("Cross-Origin-Opener-Policy"))
			check("sign in to the account", s.Browser(t).Open("/login").Want(t, 200).Header.Get("Cross-Origin-Opener-Policy"))
		}
	})
}

// TestRepair_M_SilentRenewalInDevelopment: on a loopback server, prompt=none works for a page
// on loopback, and for no native client.
func TestRepair_M_SilentRenewalInDevelopment(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		b := s.Browser(t)
		b.Open("/login")
		signIn(t, b, alice)
		const callback = "http://localhost:5173/callback"
		for kind, want := range map[auth.ClientType]string{auth.ClientSPA: "", auth.ClientNative: "consent_required"} {
			c := newThirdParty(t, s, auth.DefaultTenant, func(r *client.Registration) {
				r.Type, r.FirstParty, r.RedirectURIs = kind, true, []string{callback}
			})
			got := b.Open(authorizationQuery(c, "redirect_uri", callback, "prompt", "none")).Answer(t)
			if got.Get("error") != want || got.Has("code") != (want == "") {
				t.Errorf("%s: %v", kind, got)
			}
		}
	})
}
