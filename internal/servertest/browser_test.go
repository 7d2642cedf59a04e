package servertest_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/servertest"
)

// TestBrowser: Browser verifies an address through the pages, as a user does.
func TestBrowser(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	const alice = "alice@example.test"
	s.Register(t, alice, servertest.Password)
	link, err := url.Parse(s.WaitMail(t, alice).Links[0])
	if err != nil {
		t.Fatal(err)
	}
	b := s.Browser(t)
	p := b.Open(link.String()).Want(t, 200).At(t, "/verify-email")
	if p.Value("token") != link.Query().Get("token") || !p.Has("submit") || p.Fields(t, "submit").Get("token") == "" {
		t.Errorf("the form was not understood: %s", p.Body)
	}
	done := b.Press("submit", "password", servertest.Password).Want(t, 200).At(t, "/verify-email/done")
	if len(done.Hops) != 2 || !strings.Contains(done.Text(), "confirmed") {
		t.Errorf("through %v to %q", done.Hops, done.Text())
	}
	if p := b.Post("/verify-email", url.Values{"token": {"x"}}, "https://evil.test"); p.Status != 403 {
		t.Errorf("from another site: %d", p.Status)
	}
}
