package pages

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// The pages of this file exist only in development, since anyone who sees the mailbox can use its
// links.

// CheckHost refuses requests unless Host is an IP address, localhost or the host of the base URL.
// Otherwise a site whose name resolves to this machine (DNS rebinding) could read the mailbox
// through its visitors' browsers.
func (s *Handlers) CheckHost(h router.Handler) router.Handler {
	return func(ex *router.Exchange, r *http.Request) error {
		host := strings.ToLower((&url.URL{Host: r.Host}).Hostname())
		base, _ := url.Parse(s.base) // router.New has validated it
		_, err := netip.ParseAddr(host)
		if err != nil && host != "localhost" && !strings.HasSuffix(host, ".localhost") && host != strings.ToLower(base.Hostname()) {
			return router.NewProblem(http.StatusMisdirectedRequest, auth.CodeForeignHost, "Host: want localhost, an IP address or the host of the base URL")
		}
		return h(ex, r)
	}
}

// RootPage redirects to the account page; in development it is the welcome page.
func (s *Handlers) RootPage(ex *router.Exchange, _ *http.Request) error {
	if s.mailbox == nil || ex.Tenant.ID != auth.DefaultTenant {
		return seeOther(ex, PathAccount)
	}
	return s.renderWelcome(ex)
}

func (s *Handlers) renderWelcome(ex *router.Exchange) error {
	post := func(path, body string) string {
		return "curl -s " + s.base + path + " \\\n  -H 'Content-Type: application/json' \\\n  -d '" + body + "'"
	}
	return render(ex, http.StatusOK, ui.Welcome{Page: newPage(ex), Base: s.base, Curl: []ui.Step{
		{Say: "Register an account:", Run: post("/api/v1/register", `{"email":"alice@example.test","password":"plain-sailing-42"}`)},
		{Say: "Open the link in the mailbox and confirm. Then sign in:", Run: post("/api/v1/login", `{"email":"alice@example.test","password":"plain-sailing-42"}`)},
		{Say: "Call the API with the access_token of the response:", Run: "curl -s " + s.base + "/api/v1/me -H \"Authorization: Bearer $TOKEN\""},
	}})
}

// APIPage lists the operations of the API.
func (s *Handlers) APIPage(ex *router.Exchange, _ *http.Request) error {
	SetHeaders(ex)
	p := ui.API{Page: newPage(ex), Calls: s.calls()}
	return render(ex, http.StatusOK, p)
}

// Mail is a mail that was caught in development instead of being sent.
type Mail struct {
	To      string    `json:"to"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	HTML    string    `json:"html"`
	Links   []string  `json:"links"`
	SentAt  time.Time `json:"sent_at"`
}

// MailboxPage shows the caught mails.
func (s *Handlers) MailboxPage(ex *router.Exchange, _ *http.Request) error {
	SetHeaders(ex)
	p := ui.Mailbox{Page: newPage(ex)}
	for _, m := range s.mailbox() {
		p.Mails = append(p.Mails, ui.Mail{To: m.To, Subject: m.Subject, Text: m.Text, Links: m.Links, SentAt: m.SentAt})
	}
	return render(ex, http.StatusOK, p)
}

// MailboxJSON lists the caught mails for programs.
func (s *Handlers) MailboxJSON(ex *router.Exchange, _ *http.Request) error {
	mails := s.mailbox()
	if mails == nil {
		mails = []Mail{}
	}
	ex.Header()["Content-Type"] = router.TypeJSON
	ex.Write(router.EncodeJSON(mails))
	return nil
}
