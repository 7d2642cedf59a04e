package attacks_test

import (
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// When the current of two accounts in a browser ends, the browser keeps the other.
func TestRepair_S22_TheOtherAccountStays(t *testing.T) {
	t.Parallel()
	const bob = "bob@example.test"
	for name, end := range map[string]func(*testing.T, *servertest.Server, *servertest.Browser) int{
		"it ended elsewhere": func(t *testing.T, s *servertest.Server, b *servertest.Browser) int {
			other := s.Login(t, bob, servertest.Password)
			s.Do(t, "DELETE", api("/me/sessions"), nil, servertest.Bearer(other.AccessToken)).Want(t, 204)
			return 401
		},
		"the person ended it": func(t *testing.T, s *servertest.Server, b *servertest.Browser) int {
			var list struct {
				Sessions []struct {
					ID      string
					Current bool
				}
			}
			s.Do(t, "GET", api("/me/sessions"), nil, cookieOf(b)).Decode(t, &list)
			for _, v := range list.Sessions {
				if v.Current {
					keepCookies(t, b, s.Do(t, "DELETE", api("/me/sessions/")+v.ID, nil, cookieOf(b), withOwnOrigin(s)).Want(t, 204))
				}
			}
			return 0
		},
		"the account was deleted": func(t *testing.T, s *servertest.Server, b *servertest.Browser) int {
			keepCookies(t, b, s.Do(t, "DELETE", api("/me"), body{"current_password": servertest.Password}, cookieOf(b), withOwnOrigin(s)).Want(t, 204))
			return 0
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			servertest.Each(t, func(t *testing.T, s *servertest.Server) {
				createAccount(t, s, alice)
				createAccount(t, s, bob)
				c := newThirdParty(t, s, auth.DefaultTenant)
				b := s.Browser(t)
				for _, email := range []string{alice, bob} { // bob is the current one then
					if b.Open(authorizationQuery(c, "prompt", "select_account")); b.Page.URL.Path == "/choose-account" {
						b.Press("other")
					}
					b.Press("submit", "email", email, "password", servertest.Password).At(t, "/consent")
				}

				if end(t, s, b) == 401 {
					keepCookies(t, b, me(t, s, cookieOf(b)).Want(t, 401))
				}

				if strings.Contains(b.Cookie(cookieName), ".") {
					t.Error("the dead secret is still there")
				}
				if got := me(t, s, cookieOf(b)).Want(t, 200); !strings.Contains(string(got.Body), alice) {
					t.Errorf("%s", got.Body)
				}
			})
		})
	}
}

func cookieOf(b *servertest.Browser) servertest.RequestOption {
	return servertest.Header("Cookie", cookieName+"="+b.Cookie(cookieName))
}

// keepCookies stores the session cookie of a response in the browser.
func keepCookies(t *testing.T, b *servertest.Browser, r servertest.Response) {
	t.Helper()
	c := requireOneCookie(t, r)
	if c.MaxAge < 0 {
		t.Fatal("the cookie was removed")
	}
	b.SetCookie(c.Name, c.Value)
}
