package clients_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/servertest"
)

const alice = "alice@example.test"

// person is a user with an account and a browser.
type person struct {
	t testing.TB
	s *servertest.Server
	b *servertest.Browser
}

func newPerson(t testing.TB, s *servertest.Server) *person {
	t.Helper()
	s.SignUp(t, alice)
	return &person{t: t, s: s, b: s.Browser(t)}
}

// visit goes where a client sends the person, signs in and says yes where asked, and
// returns where the browser is sent in the end.
func (p *person) visit(address string) *url.URL {
	p.t.Helper()
	page := p.b.Open(address)
	for range 5 {
		if page.Away {
			return page.URL
		}
		page = p.completePage(page)
	}
	p.t.Fatalf("still at %s: %s", page.URL, page.Text())
	return nil
}

// completePage fills in and sends the form of a page.
func (p *person) completePage(page *servertest.Page) *servertest.Page {
	p.t.Helper()
	page.Want(p.t, 200)
	switch {
	case page.Value("flow") == "" && page.Value("csrf") == "":
		p.t.Fatalf("at %s: %s", page.URL, page.Text())
	case p.hasField(page, "password"):
		return p.b.Press("submit", "email", alice, "password", servertest.Password)
	}
	return p.b.Press("decision=approve")
}

// hasField reports whether the form of the page has the field.
func (p *person) hasField(page *servertest.Page, field string) bool {
	return page.Has(field)
}

// enter opens the device page, enters the code and approves.
func (p *person) enter(address, code string) {
	p.t.Helper()
	p.b.Open(address).Want(p.t, 200)
	page := p.b.Press("submit", "code", code)
	for range 3 {
		if page.Value("csrf") == "" {
			return
		}
		page = p.completePage(page)
	}
	p.t.Fatalf("still at %s: %s", page.URL, page.Text())
}

// browse opens a URL of a client with its cookies, completes the pages of the provider, and
// returns the last page.
func (p *person) browse(c *http.Client, address string) (status int, body string) {
	p.t.Helper()
	for range 10 {
		if strings.HasPrefix(address, p.s.Issuer+"/") {
			address = p.visit(address).String()
			continue
		}
		res := get(p.t, c, address)
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			p.t.Fatal(err)
		}
		next, err := res.Location()
		if err != nil {
			return res.StatusCode, string(b)
		}
		address = next.String()
	}
	p.t.Fatalf("led in circles, last to %s", address)
	return 0, ""
}

// get requests a page as a browser does.
func get(t testing.TB, c *http.Client, address string) *http.Response {
	t.Helper()
	req, err := http.NewRequest("GET", address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// browser returns an HTTP client that keeps cookies and follows no redirects.
func browser(t testing.TB) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// register registers a client as an operator does and returns its ID and secret.
func register(t testing.TB, s *servertest.Server, r client.Registration) (id, secret string) {
	t.Helper()
	c, shown, err := s.Clients.Create(t.Context(), auth.DefaultTenant, r, auth.Actor{Kind: auth.ActorOperator, ID: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return string(c.ID), shown.Reveal()
}

// application returns the registration of a third-party web client.
func application(redirect string, change ...func(*client.Registration)) client.Registration {
	r := client.Registration{Name: "Shop", Type: auth.ClientWeb, RedirectURIs: []string{redirect}, Scopes: []string{"openid", "email", "profile", "offline_access"}}
	for _, f := range change {
		f(&r)
	}
	return r
}

// skipMissing skips a test whose library is not installed, or fails it with WATCHWORD_TEST_ALL.
func skipMissing(t testing.TB, what string, err error) {
	t.Helper()
	said := fmt.Sprintf("%s is not there (%v); scripts/test installs it", what, err)
	if os.Getenv("WATCHWORD_TEST_ALL") != "" {
		t.Fatal(said)
	}
	t.Skip(said)
}
