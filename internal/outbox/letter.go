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

// The wording of the mails: one file for each kind, which says in plain text what
// is to be said, and two layouts that put it on paper. No text that a stranger can
// choose, such as the name of an account, is ever in a mail: a stranger who registers
// another's address would be writing to the owner in the server's name.

//go:embed letters
var letterFiles embed.FS

// kinds are all mails there are.
var kinds = []auth.MessageKind{
	auth.MailVerify, auth.MailInvite, auth.MailKnownAddress, auth.MailReset, auth.MailPasswordChanged,
	auth.MailChangeEmail, auth.MailEmailChanged, auth.MailAccountDeleted, auth.MailSessionsEnded,
}

// paper is everything that is parsed, once and not before the first mail.
type paper struct {
	html    *htmltemplate.Template
	text    *texttemplate.Template
	letters map[auth.MessageKind]*texttemplate.Template
}

var papers = sync.OnceValue(func() paper {
	p := paper{
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

// pages are the kinds whose mail has a link, and the page it leads to.
var pages = map[auth.MessageKind]string{
	auth.MailVerify:      "/verify-email",
	auth.MailInvite:      "/verify-email",
	auth.MailChangeEmail: "/verify-email",
	auth.MailReset:       "/reset-password",
}

// writer words mails.
type writer struct {
	base   string // of every link, only from the configuration
	tenant func(context.Context, auth.TenantID) string
}

// facts is what the words of a kind may use.
type facts struct {
	Tenant   string
	Until    string // when the link dies
	From     string // where and when it was asked for
	NewEmail string
}

// letter is a worded mail.
type letter struct {
	Tenant, Subject, Heading, Why, Button, Link string
	Notes                                       []string

	text, html string
}

// write words a message. Its errors are permanent: the same message will never
// read better.
func (w writer) write(ctx context.Context, m auth.Message) (letter, error) {
	words := papers().letters[m.Kind]
	if words == nil {
		return letter{}, Permanent(fmt.Errorf("%s is no mail", m.Kind))
	}
	f := facts{Tenant: "Watchword", Until: moment(m.Payload.ExpiresAt), From: origin(m.Payload), NewEmail: auth.Clip(m.Payload.NewEmail, 254)}
	if w.tenant != nil {
		if name := auth.Clip(w.tenant(ctx, m.Tenant), 200); name != "" {
			f.Tenant = name
		}
	}
	l := letter{Tenant: f.Tenant}
	if page := pages[m.Kind]; page != "" {
		if m.Payload.Token == "" {
			return letter{}, Permanent(fmt.Errorf("%s without the secret of its link", m.Kind))
		}
		l.Link = m.Tenant.Issuer(w.base) + page + "?token=" + url.QueryEscape(m.Payload.Token)
	}
	if err := l.word(words, f); err != nil {
		return letter{}, Permanent(err)
	}
	return l, nil
}

// word fills in the kind's own words, then both layouts.
func (l *letter) word(words *texttemplate.Template, f facts) error {
	var lasts, stranger string
	for name, to := range map[string]*string{
		"subject": &l.Subject, "heading": &l.Heading, "why": &l.Why,
		"button": &l.Button, "lasts": &lasts, "stranger": &stranger,
	} {
		if words.Lookup(name) == nil {
			continue // a notice has no link
		}
		var b strings.Builder
		if err := words.ExecuteTemplate(&b, name, f); err != nil {
			return fmt.Errorf("word %s: %w", name, err)
		}
		*to = b.String()
	}
	for _, note := range []string{lasts, stranger} {
		if note != "" {
			l.Notes = append(l.Notes, note)
		}
	}
	var text, html strings.Builder
	if err := papers().text.Execute(&text, l); err != nil {
		return fmt.Errorf("lay out text: %w", err)
	}
	if err := papers().html.Execute(&html, l); err != nil {
		return fmt.Errorf("lay out HTML: %w", err)
	}
	l.text, l.html = text.String(), html.String()
	return nil
}

// moment is a time as people read it.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 January 2006, 15:04 UTC")
}

func origin(m auth.Mail) string {
	var parts []string
	if !m.At.IsZero() {
		parts = append(parts, "on "+moment(m.At))
	}
	if m.IP != "" {
		parts = append(parts, "from the network address "+auth.Clip(m.IP, 64))
	}
	return strings.Join(parts, " ")
}
