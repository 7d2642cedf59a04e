// Package ui holds what people see: templates, one stylesheet, and a struct for
// each page. They are embedded, need no JavaScript and fetch nothing from
// elsewhere.
//
// A page is a struct with a Render method; its fields are all that its template
// can show. The package knows no request, no status and no header.
package ui

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io"
	"sync"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

//go:embed *.html
var files embed.FS

// Stylesheet is the one sheet of all pages.
//
//go:embed look.css
var Stylesheet []byte

// StylesheetURL changes whenever the sheet does, so it can be cached for ever.
var StylesheetURL = sync.OnceValue(func() string {
	sum := sha256.Sum256(Stylesheet)
	return StylesheetPath + "?v=" + hex.EncodeToString(sum[:6])
})

// StylesheetPath is where the sheet is served.
const StylesheetPath = "/assets/look.css"

// parsed on first use: a server that only answers programs never pays for it.
var parsed = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{
		"sheet": StylesheetURL,
		"clock": func(t time.Time) string { return t.UTC().Format("15:04:05") + " UTC" },
		"stamp": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	}).ParseFS(files, "*.html"))
})

// Page is what every page has. NewPage makes it.
type Page struct {
	// Tenant is the name shown at the top of the card.
	Tenant string
	// Lang is the language; empty for English.
	Lang Lang
	// Dev marks a server in development.
	Dev bool
	// Brand are the addresses of the tenant's own look; empty for ours.
	Brand Brand
	// Privacy, Terms and Support are the tenant's pages; an empty one is not shown.
	Privacy, Terms, Support string
}

// Brand is where the look of a tenant is served.
type Brand struct {
	Sheet string
	Logo  string
}

// NewPage makes the page of a tenant.
func NewPage(t auth.Tenant, lang Lang) Page {
	p := Page{Tenant: t.Name, Lang: lang}
	if p.Tenant == "" {
		p.Tenant = "Watchword"
	}
	return p
}

// Key names a sentence that pages do not choose themselves.
type Key string

// The sentences that handlers choose.
const (
	BadCredentials Key = "login.bad"       // the address or the password is wrong
	TooOften       Key = "error.throttled" // too many tries
	LinkUsed       Key = "link.used"       // a mailed link was used, or is too old
	LinkIncomplete Key = "link.incomplete"
	BadCode        Key = "device.bad" // no device waits with this code
	SessionEnded   Key = "home.session_ended"
	AppRemoved     Key = "home.app_removed"
	SignInAgain    Key = "login.again"    // it is some time ago
	AccountClosed  Key = "login.disabled" // for nobody but the owner, who has proved who they are
	Unverified     Key = "login.unverified"
	PasswordIsSet  Key = "reset.done" // now sign in with it
	AddressProved  Key = "verify.done"
	RegisterClosed Key = "register.closed"
	AddressInvalid Key = "email.invalid"
	FlowGone       Key = "flow.gone" // this sign-in has ended or is too old; begin again where you came from
)

// Say is a sentence in the language of the page.
func (p Page) Say(k Key) string { return string(k) }

// Refusal says in the language of the page what a service refused, a sentence for
// each reason. What we have no words for is shown as the service says it.
func (p Page) Refusal(e *auth.Error) []string { return []string{e.Msg} }

// VerifyEmail asks for the click that confirms an address.
type VerifyEmail struct {
	Page
	Action string // where the form goes
	Token  string // empty when the link was incomplete
	Bad    string // what went wrong, in a person's words
}

// Render writes the page.
func (p VerifyEmail) Render(w io.Writer) error { return render(w, "verify_email.html", p) }

// ResetPassword asks for a new password.
type ResetPassword struct {
	Page
	Action    string
	Token     string
	MinLength int
	Bad       string   // what went wrong with the link
	Refused   []string // what is wrong with the password
}

// Render writes the page.
func (p ResetPassword) Render(w io.Writer) error { return render(w, "reset_password.html", p) }

// Done says that something worked and what to do next.
type Done struct {
	Page
	Title string
	Text  string
}

// Render writes the page.
func (p Done) Render(w io.Writer) error { return render(w, "done.html", p) }

// Problem says that something did not work.
type Problem struct {
	Page
	Title     string
	Text      string
	Code      string // for the client's developer, e.g. invalid_request; empty for none
	Detail    string // for the client's developer: what exactly
	Reference string // for the log
}

// Render writes the page.
func (p Problem) Render(w io.Writer) error { return render(w, "problem.html", p) }

// Welcome greets a developer.
type Welcome struct {
	Page
	Base string
	Curl []Step
}

// Step is one command with the sentence that explains it.
type Step struct{ Say, Run string }

// Render writes the page.
func (p Welcome) Render(w io.Writer) error { return render(w, "welcome.html", p) }

// Mailbox shows the mails that were caught.
type Mailbox struct {
	Page
	Mails []Mail
}

// Mail is one caught mail.
type Mail struct {
	To, Subject, Text string
	Links             []string
	SentAt            time.Time
}

// Render writes the page.
func (p Mailbox) Render(w io.Writer) error { return render(w, "mailbox.html", p) }

func render(w io.Writer, name string, page any) error {
	return parsed().ExecuteTemplate(w, name, page)
}
