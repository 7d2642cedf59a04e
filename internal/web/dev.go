package web

import (
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// The pages of this file exist only in development: who sees the mailbox can use every link
// in it.

// underOwnName answers only requests for an IP address, localhost or the host of the base URL.
// Another site whose name points here (DNS rebinding) could otherwise read the mailbox
// through the browsers of its visitors.
func (s *Server) underOwnName(h handler) handler {
	return func(ex *exchange, r *http.Request) error {
		host := strings.ToLower((&url.URL{Host: r.Host}).Hostname())
		own, _ := url.Parse(s.cfg.Base) // New has parsed it
		_, notAddress := netip.ParseAddr(host)
		if notAddress != nil && host != "localhost" && !strings.HasSuffix(host, ".localhost") && host != strings.ToLower(own.Hostname()) {
			return problem(http.StatusMisdirectedRequest, auth.CodeForeignHost, "a development server shows this under its own address only")
		}
		return h(ex, r)
	}
}

// rootPage redirects to the account page; in development it is the welcome page.
func (s *Server) rootPage(ex *exchange, _ *http.Request) error {
	if s.cfg.Mailbox == nil || ex.tenant.ID != auth.DefaultTenant {
		return ex.seeOther(pathAccount)
	}
	return s.welcome(ex)
}

func (s *Server) welcome(ex *exchange) error {
	post := func(path, body string) string {
		return "curl -s " + s.cfg.Base + path + " \\\n  -H 'Content-Type: application/json' \\\n  -d '" + body + "'"
	}
	return ex.render(http.StatusOK, ui.Welcome{Page: ex.page(), Base: s.cfg.Base, Curl: []ui.Step{
		{Say: "Register an account:", Run: post("/api/v1/register", `{"email":"alice@example.test","password":"plain-sailing-42"}`)},
		{Say: "Open the link in the mailbox and confirm. Then sign in:", Run: post("/api/v1/login", `{"email":"alice@example.test","password":"plain-sailing-42"}`)},
		{Say: "Call the API with the access_token of the response:", Run: "curl -s " + s.cfg.Base + "/api/v1/me -H \"Authorization: Bearer $TOKEN\""},
	}})
}

// apiPage lists the calls of the API.
func (s *Server) apiPage(ex *exchange, _ *http.Request) error {
	ex.pageHeaders()
	p := ui.API{Page: ex.page()}
	paths := s.api.huma.OpenAPI().Paths
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item := paths[path]
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				p.Calls = append(p.Calls, ui.Call{Method: op.Method, Path: path, Summary: op.Summary})
			}
		}
	}
	return ex.render(http.StatusOK, p)
}

func (s *Server) mailboxPage(ex *exchange, _ *http.Request) error {
	ex.pageHeaders()
	p := ui.Mailbox{Page: ex.page()}
	for _, m := range s.cfg.Mailbox() {
		p.Mails = append(p.Mails, ui.Mail{To: m.To, Subject: m.Subject, Text: m.Text, Links: m.Links, SentAt: m.SentAt})
	}
	return ex.render(http.StatusOK, p)
}

func (s *Server) mailboxJSON(ex *exchange, _ *http.Request) error {
	mails := s.cfg.Mailbox()
	if mails == nil {
		mails = []Mail{}
	}
	ex.Header()["Content-Type"] = typeJSON
	ex.Write(encodeJSON(mails))
	return nil
}
