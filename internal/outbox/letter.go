package outbox

import (
	"context"
	"embed"
	"fmt"
	htmltemplate "html/template"
	"net/url"
	"strings"
	"sync"
	texttemplate "text/template"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

// The templates of the mails: one file of plain text for each kind, and two layouts, text and
// HTML. No mail contains text that an unauthenticated user can choose, such as the name of an
// account. Otherwise a user who registers the address of another person could send them text in
// the server's name.

//go:embed letters
var letterFiles embed.FS

// kinds are all kinds of mails.
var kinds = []auth.MessageKind{
	auth.MailVerify, auth.MailInvite, auth.MailKnownAddress, auth.MailReset, auth.MailPasswordChanged,
	auth.MailChangeEmail, auth.MailEmailChanged, auth.MailAccountDeleted, auth.MailSessionsEnded, auth.MailFactorAdded, auth.MailFactorRemoved,
	auth.MailFactorsReset, auth.MailRescue, auth.MailCodesGuessed,
}

// templates are the parsed templates. They are parsed before the first mail.
type templates struct {
	html    *htmltemplate.Template
	text    *texttemplate.Template
	letters map[auth.MessageKind]*texttemplate.Template
}

var parsedTemplates = sync.OnceValue(func() templates {
	p := templates{
		html:    htmltemplate.Must(htmltemplate.ParseFS(letterFiles, "letters/layout.html.tmpl")),
		text:    texttemplate.Must(texttemplate.ParseFS(letterFiles, "letters/layout.txt.tmpl")),
		letters: map[auth.MessageKind]*texttemplate.Template{},
	}
	for _, kind := range kinds {
		file := "letters/" + strings.TrimPrefix(string(kind), "mail.") + ".tmpl"
		p.letters[kind] = texttemplate.Must(texttemplate.ParseFS(letterFiles, file))
	}
	return p
})

// pages maps the kinds of mails with a link to the page of the link.
var pages = map[auth.MessageKind]string{
	auth.MailVerify:      "/verify-email",
	auth.MailInvite:      "/verify-email",
	auth.MailChangeEmail: "/verify-email",
	auth.MailReset:       "/reset-password",
}

// writer writes mails from templates.
type writer struct {
	base   string // base URL, only from the configuration
	tenant func(context.Context, auth.TenantID) string
}

// facts are the values that a template may use.
type facts struct {
	Tenant   string
	Until    string // when the link expires
	From     string // where and when it was requested
	NewEmail string
	Factor   string // that the notice is about
}

// factorNames are the kinds of factors as mails call them.
var factorNames = map[auth.FactorKind]string{
	auth.ProofTOTP: "an authenticator app", auth.ProofPasskey: "a passkey", auth.ProofRecoveryCode: "new recovery codes",
}

// letter is a written mail.
type letter struct {
	Tenant, Subject, Heading, Why, Button, Link string
	Notes                                       []string

	text, html string
}

// write writes the mail of a message. Its errors are permanent, as a retry would fail the same
// way.
func (w writer) write(ctx context.Context, m auth.Message) (letter, error) {
	words := parsedTemplates().letters[m.Kind]
	if words == nil {
		return letter{}, Permanent(fmt.Errorf("%s is not a kind of mail", m.Kind))
	}
	f := facts{Tenant: "Watchword", Until: formatTime(m.Payload.ExpiresAt), From: origin(m.Payload), NewEmail: auth.Clip(m.Payload.NewEmail, 254), Factor: factorNames[m.Payload.Factor]}
	if w.tenant != nil {
		if name := auth.Clip(w.tenant(ctx, m.Tenant), 200); name != "" {
			f.Tenant = name
		}
	}
	l := letter{Tenant: f.Tenant}
	if page := pages[m.Kind]; page != "" {
		if m.Payload.Token == "" {
			return letter{}, Permanent(fmt.Errorf("%s: want the token of its link", m.Kind))
		}
		l.Link = m.Tenant.Issuer(w.base) + page + "?token=" + url.QueryEscape(m.Payload.Token)
	}
	if err := l.execute(words, f); err != nil {
		return letter{}, Permanent(err)
	}
	return l, nil
}

// execute executes the template of the kind, then both layouts.
func (l *letter) execute(words *texttemplate.Template, f facts) error {
	var expiry, unexpected string
	for name, to := range map[string]*string{
		"subject": &l.Subject, "heading": &l.Heading, "why": &l.Why,
		"button": &l.Button, "expiry": &expiry, "unexpected": &unexpected,
	} {
		if words.Lookup(name) == nil {
			continue // a notice has no link
		}
		var b strings.Builder
		if err := words.ExecuteTemplate(&b, name, f); err != nil {
			return fmt.Errorf("execute template %s: %w", name, err)
		}
		*to = b.String()
	}
	for _, note := range []string{expiry, unexpected} {
		if note != "" {
			l.Notes = append(l.Notes, note)
		}
	}
	var text, html strings.Builder
	if err := parsedTemplates().text.Execute(&text, l); err != nil {
		return fmt.Errorf("execute text layout: %w", err)
	}
	if err := parsedTemplates().html.Execute(&html, l); err != nil {
		return fmt.Errorf("execute HTML layout: %w", err)
	}
	l.text, l.html = text.String(), html.String()
	return nil
}

// formatTime returns a time as it is written in a mail.
func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 January 2006, 15:04 UTC")
}

func origin(m auth.Mail) string {
	var parts []string
	if !m.At.IsZero() {
		parts = append(parts, "on "+formatTime(m.At))
	}
	if m.IP != "" {
		parts = append(parts, "from the network address "+auth.Clip(m.IP, 64))
	}
	return strings.Join(parts, " ")
}
