// Package ui holds what people see: templates, their sentences in every language, one
// stylesheet, and a struct for each page. They are embedded, need no JavaScript and
// fetch nothing from elsewhere.
//
// A page is a struct with a Render method; its fields are all that its template can
// show, and the template escapes them. NewPage makes what all pages share: the name,
// language and look of a tenant. The package knows no request, no status and no
// header.
package ui

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io"
	"strconv"
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

// Script sends the form of FormPost.
//
//go:embed post.js
var Script []byte

// ShowScript adds a button to password fields that shows what was typed. The pages work
// without it.
//
//go:embed show.js
var ShowScript []byte

// Icon is what a browser shows beside the title of a page whose tenant has no logo.
//
//go:embed icon.svg
var Icon []byte

// Where the assets of all tenants are served.
const (
	StylesheetPath = "/assets/look.css"
	ScriptPath     = "/assets/post.js"
	ShowScriptPath = "/assets/show.js"
	IconPath       = "/assets/icon.svg"
)

// StylesheetURL changes whenever the sheet does, so it can be cached for ever.
var StylesheetURL = sync.OnceValue(func() string { return versioned(StylesheetPath, Stylesheet) })

// ScriptURL is the like of StylesheetURL for Script.
var ScriptURL = sync.OnceValue(func() string { return versioned(ScriptPath, Script) })

// ShowScriptURL is the like of StylesheetURL for ShowScript.
var ShowScriptURL = sync.OnceValue(func() string { return versioned(ShowScriptPath, ShowScript) })

// IconURL is the like of StylesheetURL for Icon.
var IconURL = sync.OnceValue(func() string { return versioned(IconPath, Icon) })

func versioned(path string, content []byte) string {
	sum := sha256.Sum256(content)
	return path + "?v=" + hex.EncodeToString(sum[:6])
}

// parsed on first use: a server that only answers programs never pays for it.
var parsed = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{
		"sheet":   StylesheetURL,
		"script":  ScriptURL,
		"show":    ShowScriptURL,
		"icon":    IconURL,
		"initial": initial,
		"number":  strconv.Itoa,
		"clock":   func(t time.Time) string { return t.UTC().Format("15:04:05") + " UTC" },
		"stamp":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
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
	// Brand are the addresses of the tenant's branding; empty for the default.
	Brand Brand
	// Privacy, Terms and Support are the tenant's pages; an empty one is not shown.
	Privacy, Terms, Support string
}

// NewPage makes the page of a tenant.
func NewPage(t auth.Tenant, lang Lang) Page {
	b := t.Settings.Branding
	p := Page{Tenant: t.Name, Lang: lang, Brand: BrandOf(t), Privacy: b.PrivacyURI, Terms: b.TermsURI, Support: b.SupportURI}
	if p.Tenant == "" {
		p.Tenant = "Watchword"
	}
	return p
}

// Key names a sentence. Those that handlers choose have constants; the rest are
// chosen by templates.
type Key string

// The sentences for what went wrong in a form, or right before it.
const (
	BadCredentials Key = "login.bad" // the address or the password is wrong
	SignInAgain    Key = "login.again"
	AccountClosed  Key = "login.disabled" // only for the owner, who has authenticated
	Unverified     Key = "login.unverified"
	LinkUsed       Key = "link.used" // a mailed link was used, or is too old
	LinkIncomplete Key = "link.incomplete"
	LinkElsewhere  Key = "link.elsewhere"
	PasswordWrong  Key = "password.wrong"
	RegisterClosed Key = "register.closed"
	AddressInvalid Key = "email.invalid"
	BadCode        Key = "device.bad" // no device waits with this code
	SessionEnded   Key = "home.session_ended"
	AppRemoved     Key = "home.app_removed"
	PasswordMailed Key = "home.password_mailed"
)

// What a Done says.
const (
	PasswordIsSet  Key = "reset.done"
	AddressProved  Key = "verify.done"
	PasswordChosen Key = "verify.chosen" // with the proof of the address
)

// The same on the sign-in page of the flow that goes on.
const (
	PasswordIsSetSignIn  Key = "login.reset"
	AddressProvedSignIn  Key = "login.verified"
	PasswordChosenSignIn Key = "login.chosen"
)

// What a Problem says.
const (
	Forbidden      Key = "error.forbidden"
	NotFound       Key = "error.not_found"
	WrongMethod    Key = "error.method"
	TooLarge       Key = "error.large"
	AddressTooLong Key = "error.address"
	TooOften       Key = "error.throttled"
	LoginWait      Key = "login.throttled"
	CodeWait       Key = "device.throttled"
	Unavailable    Key = "error.unavailable"
	Internal       Key = "error.internal"
	Failed         Key = "error.failed"  // anything else
	BadRequest     Key = "error.request" // a client asked wrongly
	NoClient       Key = "error.client"
	FlowGone       Key = "flow.gone"      // ended or too old
	FlowNoCookie   Key = "flow.no_cookie" // of another browser, or of one that keeps no cookies
)

// Done is the page that says one of the good things.
func (p Page) Done(k Key) Done { return Done{Page: p, Title: p.Say(k), Text: p.Say(k + "_text")} }

// Problem is the page that says one of the bad things.
func (p Page) Problem(k Key) Problem {
	return Problem{Page: p, Title: p.Say(k), Text: p.Say(k + "_text")}
}

// VerifyEmail asks for the click that confirms an address. It sends token and, where
// it asks for one, password.
type VerifyEmail struct {
	Page
	Once      string // sent back as "page"
	Action    string // where the form goes
	Token     string // empty when the link was incomplete
	Address   string // that the link proves
	Invited   bool   // an operator made the account; with Choose
	Choose    bool   // the account's password is asked for, which may be a new one
	Current   bool   // the current one is asked for
	MinLength int
	Bad       string   // what is wrong with the link, as a sentence
	Refused   []string // what is wrong with the password
	Login     string   // address of the sign-in page, where the link does not work
}

// Render writes the page.
func (p VerifyEmail) Render(w io.Writer) error { return render(w, "verify_email.html", p) }

// Scripted reports whether the page has a script.
func (p VerifyEmail) Scripted() bool { return p.Choose || p.Current }

// Title is the heading.
func (p VerifyEmail) Title() string {
	if p.Invited {
		return p.Say("verify.invited")
	}
	return p.Say("verify.title")
}

// ResetPassword asks for a new password.
type ResetPassword struct {
	Page
	Once      string // sent back as "page"
	Action    string
	Token     string
	Address   string // of the account
	MinLength int
	Bad       string   // what went wrong with the link
	Forgot    string   // where to ask for another
	Refused   []string // what is wrong with the password
}

// Render writes the page.
func (p ResetPassword) Render(w io.Writer) error { return render(w, "reset_password.html", p) }

// Scripted reports whether the page has a script.
func (p ResetPassword) Scripted() bool { return p.Bad == "" }

// Done says that something worked and what to do next.
type Done struct {
	Page
	Title string
	Text  string
	Next  string // address of the sign-in page, or empty
	// Elsewhere says that another device may continue. It may be empty.
	Elsewhere string
}

// Render writes the page.
func (p Done) Render(w io.Writer) error { return render(w, "done.html", p) }

// Problem says that something did not work.
type Problem struct {
	Page
	Title     string
	Text      string
	Client    string // to whose home page one can go back
	Home      string // its address, or empty
	Login     string // address of the sign-in page, or empty
	Again     string // address at which to try again, or empty
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

// API lists the calls of the JSON API.
type API struct {
	Page
	Calls []Call
}

// Call is one operation of the API.
type Call struct{ Method, Path, Summary string }

// Render writes the page.
func (p API) Render(w io.Writer) error { return render(w, "api.html", p) }

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
