package web

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// The pages of this file exist only in development: who sees the mailbox can use every link
// in it.

// underOwnName answers only requests for an IP address, localhost or the host of the base URL.
// Another site whose name points here (DNS rebinding) could otherwise read the mailbox
// through the browsers of its visitors.
func (s *pages) underOwnName(h handler) handler {
	return func(ex *exchange, r *http.Request) error {
		host := strings.ToLower((&url.URL{Host: r.Host}).Hostname())
		own, _ := url.Parse(s.base) // New has parsed it
		_, notAddress := netip.ParseAddr(host)
		if notAddress != nil && host != "localhost" && !strings.HasSuffix(host, ".localhost") && host != strings.ToLower(own.Hostname()) {
			return problem(http.StatusMisdirectedRequest, auth.CodeForeignHost, "a development server shows this under its own address only")
		}
		return h(ex, r)
	}
}

// rootPage redirects to the account page; in development it is the welcome page.
func (s *pages) rootPage(ex *exchange, _ *http.Request) error {
	if s.mailbox == nil || ex.tenant.ID != auth.DefaultTenant {
		return seeOther(ex, pathAccount)
	}
	return s.welcome(ex)
}

func (s *pages) welcome(ex *exchange) error {
	post := func(path, body string) string {
		return "curl -s " + s.base + path + " \\\n  -H 'Content-Type: application/json' \\\n  -d '" + body + "'"
	}
	return render(ex, http.StatusOK, ui.Welcome{Page: newPage(ex), Base: s.base, Curl: []ui.Step{
		{Say: "Register an account:", Run: post("/api/v1/register", `{"email":"alice@example.test","password":"plain-sailing-42"}`)},
		{Say: "Open the link in the mailbox and confirm. Then sign in:", Run: post("/api/v1/login", `{"email":"alice@example.test","password":"plain-sailing-42"}`)},
		{Say: "Call the API with the access_token of the response:", Run: "curl -s " + s.base + "/api/v1/me -H \"Authorization: Bearer $TOKEN\""},
	}})
}

// apiPage lists the calls of the API.
func (s *pages) apiPage(ex *exchange, _ *http.Request) error {
	pageHeaders(ex)
	p := ui.API{Page: newPage(ex), Calls: s.calls()}
	return render(ex, http.StatusOK, p)
}

// Mail is a message caught in development instead of being sent.
type Mail struct {
	To      string    `json:"to"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	HTML    string    `json:"html"`
	Links   []string  `json:"links"`
	SentAt  time.Time `json:"sent_at"`
}

func (s *pages) mailboxPage(ex *exchange, _ *http.Request) error {
	pageHeaders(ex)
	p := ui.Mailbox{Page: newPage(ex)}
	for _, m := range s.mailbox() {
		p.Mails = append(p.Mails, ui.Mail{To: m.To, Subject: m.Subject, Text: m.Text, Links: m.Links, SentAt: m.SentAt})
	}
	return render(ex, http.StatusOK, p)
}

func (s *pages) mailboxJSON(ex *exchange, _ *http.Request) error {
	mails := s.mailbox()
	if mails == nil {
		mails = []Mail{}
	}
	ex.Header()["Content-Type"] = typeJSON
	ex.Write(encodeJSON(mails))
	return nil
}
