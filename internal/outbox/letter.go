package outbox

import (
	"context"
	"embed"
	"fmt"
	htmltemplate "html/template"
	"net/url"
	"slices"
	"strings"
	"sync"
	texttemplate "text/template"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

// The templates of the mails: one file of plain text for each kind and language, and two layouts,
// text and HTML. No mail contains text that an unauthenticated user can choose, such as the name of an
// account. Otherwise a user who registers the address of another person could send them text in
// the server's name.

//go:embed letters
var letterFiles embed.FS

// kinds are all kinds of mails.
var kinds = []auth.MessageKind{
	auth.MailVerify, auth.MailInvite, auth.MailKnownAddress, auth.MailReset, auth.MailPasswordChanged,
	auth.MailChangeEmail, auth.MailEmailChanged, auth.MailAccountDeleted, auth.MailSessionsEnded, auth.MailFactorAdded, auth.MailFactorRemoved,
	auth.MailFactorsReset, auth.MailRescue, auth.MailCodesGuessed, auth.MailUsernameChanged, auth.MailRecoveryCancelled,
	auth.MailCode, auth.MailSignIn, auth.MailRecoveryUsed,
	auth.MailAccountLocked, auth.MailNewDevice, auth.MailAccountDeletion, auth.MailRecovery,
}

// templates are the parsed templates. They are parsed before the first mail.
type templates struct {
	html    *htmltemplate.Template
	text    *texttemplate.Template
	letters map[string]map[auth.MessageKind]*texttemplate.Template // by language
}

var parsedTemplates = sync.OnceValue(func() templates {
	p := templates{
		html:    htmltemplate.Must(htmltemplate.ParseFS(letterFiles, "letters/layout.html.tmpl")),
		text:    texttemplate.Must(texttemplate.ParseFS(letterFiles, "letters/layout.txt.tmpl")),
		letters: map[string]map[auth.MessageKind]*texttemplate.Template{},
	}
	for name, l := range languages {
		p.letters[name] = map[auth.MessageKind]*texttemplate.Template{}
		for _, kind := range kinds {
			file := "letters/" + l.folder + strings.TrimPrefix(string(kind), "mail.") + ".tmpl"
			p.letters[name][kind] = texttemplate.Must(texttemplate.ParseFS(letterFiles, file))
		}
	}
	return p
})

// pages maps the kinds of mails with a link to the page of the link.
var pages = map[auth.MessageKind]string{
	auth.MailVerify:      "/verify-email",
	auth.MailInvite:      "/verify-email",
	auth.MailChangeEmail: "/verify-email",
	auth.MailReset:       "/reset-password",
	auth.MailSignIn:      "/login/email/code",

	auth.MailAccountLocked:   "/reset-password",
	auth.MailRecovery:        "/reset-password",
	auth.MailAccountDeletion: "/keep-account",
}

// securePage is the page of the links in notices, which lock the account.
const securePage = "/secure-account"

// notices are the kinds of mails with such a link. A notice of the previous version has none.
var notices = []auth.MessageKind{
	auth.MailPasswordChanged, auth.MailEmailChanged, auth.MailFactorAdded, auth.MailFactorRemoved, auth.MailNewDevice,
	auth.MailRecoveryUsed, auth.MailUsernameChanged, auth.MailRecoveryCancelled,
}

// writer writes mails from templates.
type writer struct {
	base   string // base URL, only from the configuration
	tenant func(context.Context, auth.TenantID) string
	locale func(context.Context, auth.TenantID) string // English when nil
	place  func(ip, language string) string            // no places when nil
}

// language is a language of mails.
type language struct {
	folder   string // of its templates
	months   string
	time     string // day, month, year and clock, as verbs of Sprintf
	on, from string // before a time and a network address
	with     string // a program and a system, as verbs of Sprintf
	program  string // an unknown one
	noButton string
	added    string // a factor and its time, as verbs of Sprintf
	factors  map[auth.FactorKind]string
}

// languages are the languages of mails. Another one is written in English.
var languages = map[string]language{
	"en": {
		months: "January February March April May June July August September October November December",
		time:   "%d %s %d, %s UTC", on: "on ", from: "from the network address ", with: "%s on %s", program: "an unknown program",
		noButton: "If the button doesn't work, open this link:", added: "%s (added on %s)",
		factors: map[auth.FactorKind]string{
			auth.ProofTOTP: "an authenticator app", auth.ProofPasskey: "a passkey", auth.ProofRecoveryCode: "new recovery codes",
		},
	},
	"de": {
		folder: "de/", months: "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
		time: "%d. %s %d, %s UTC", on: "am ", from: "von der Netzwerkadresse ", with: "%s auf %s", program: "einem unbekannten Programm",
		noButton: "Wenn die Schaltfläche nicht funktioniert, öffnen Sie diesen Link:", added: "%s (hinzugefügt am %s)",
		factors: map[auth.FactorKind]string{
			auth.ProofTOTP: "eine Authenticator-App", auth.ProofPasskey: "einen Passkey", auth.ProofRecoveryCode: "neue Wiederherstellungscodes",
		},
	},
}

// facts are the values that a template may use.
type facts struct {
	Tenant   string
	After    string // when the link begins to work
	Until    string // when the link expires
	From     string // where and when it was requested
	Device   string // program and system of the request
	NewEmail string
	DeleteAt string // when the account will be deleted
	Factor   string // that the notice is about
	Left     int    // recovery codes
	Removed  string // factors
	Secure   bool   // the mail has a link that locks the account
}

// codes are the kinds of mails with a code.
var codes = map[auth.MessageKind]bool{auth.MailCode: true, auth.MailSignIn: true}

// letter is a written mail.
type letter struct {
	Tenant, Subject, Heading, Why, Button, Link, Code string
	Lang, NoButton                                    string
	Notes                                             []string

	text, html string
}

// write writes the mail of a message. Its errors are permanent, as a retry would fail the same
// way.
func (w writer) write(ctx context.Context, m auth.Message) (letter, error) {
	lang := m.Payload.Locale
	if lang == "" && w.locale != nil {
		lang = w.locale(ctx, m.Tenant)
	}
	if languages[lang].time == "" {
		lang = "en"
	}
	in := languages[lang]
	words := parsedTemplates().letters[lang][m.Kind]
	if words == nil {
		return letter{}, Permanent(fmt.Errorf("%s is not a kind of mail", m.Kind))
	}
	where := ""
	if w.place != nil {
		where = w.place(m.Payload.IP, lang)
	}
	f := facts{
		Tenant: "Watchword", After: in.formatTime(m.Payload.NotBefore), Until: in.formatTime(m.Payload.ExpiresAt), From: in.origin(m.Payload, where), NewEmail: auth.Clip(m.Payload.NewEmail, 254),
		Factor: in.factors[m.Payload.Factor], Left: m.Payload.Left, Removed: in.formatFactors(m.Payload.Removed), Device: in.device(m.Payload.UserAgent), DeleteAt: in.formatTime(m.Payload.DeleteAt), Secure: m.Payload.Token != "" && slices.Contains(notices, m.Kind),
	}
	if w.tenant != nil {
		if name := auth.Clip(w.tenant(ctx, m.Tenant), 200); name != "" {
			f.Tenant = name
		}
	}
	l := letter{Tenant: f.Tenant, Lang: lang, NoButton: in.noButton}
	if codes[m.Kind] {
		if l.Code = m.Payload.Code; l.Code == "" {
			return letter{}, Permanent(fmt.Errorf("%s: want its code", m.Kind))
		}
	}
	page := pages[m.Kind]
	switch {
	case page != "" && m.Payload.Token == "":
		return letter{}, Permanent(fmt.Errorf("%s: want the token of its link", m.Kind))
	case f.Secure:
		page = securePage
	}
	if page != "" {
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
func (l language) formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	t = t.UTC()
	return fmt.Sprintf(l.time, t.Day(), strings.Fields(l.months)[t.Month()-1], t.Year(), t.Format("15:04"))
}

func (l language) formatFactors(list []auth.MailFactor) string {
	var parts []string
	for _, f := range list {
		parts = append(parts, fmt.Sprintf(l.added, l.factors[f.Kind], l.formatTime(f.Added)))
	}
	return strings.Join(parts, ", ")
}

// origin returns when and from where a mail was requested. The place is looked up when the mail is written, so
// it is stored nowhere.
func (l language) origin(m auth.Mail, where string) string {
	var parts []string
	if !m.At.IsZero() {
		parts = append(parts, l.on+l.formatTime(m.At))
	}
	if m.IP != "" {
		parts = append(parts, l.from+auth.Clip(m.IP, 64))
		if where != "" {
			parts = append(parts, "("+where+")")
		}
	}
	return strings.Join(parts, " ")
}

// device returns the program and the system of a request as they are written in a mail.
func (l language) device(userAgent string) string {
	program, system := auth.ParseUserAgent(userAgent)
	switch {
	case program != "" && system != "":
		return fmt.Sprintf(l.with, program, system)
	case program+system != "":
		return program + system
	}
	return l.program
}
