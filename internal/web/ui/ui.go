// Package ui has the pages that users see: templates, their texts in every language, one
// stylesheet, and a struct for each page. They are embedded, need no JavaScript and load nothing
// from other sites.
//
// A page is a struct with a Render method; its template shows only its fields, and escapes them.
// NewPage returns what all pages share: the name, language and branding of a tenant. The package
// knows no requests, statuses or headers.
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

// Stylesheet is the stylesheet of all pages.
//
//go:embed look.css
var Stylesheet []byte

// Script submits the form of FormPost.
//
//go:embed post.js
var Script []byte

// ShowScript adds a button to password fields that shows the password. The pages work without it.
//
//go:embed show.js
var ShowScript []byte

// PasskeyScript uses and creates passkeys.
//
//go:embed passkey.js
var PasskeyScript []byte

// Icon is the icon of pages whose tenant has no logo.
//
//go:embed icon.svg
var Icon []byte

// Paths of the assets that all tenants share.
const (
	StylesheetPath    = "/assets/look.css"
	ScriptPath        = "/assets/post.js"
	ShowScriptPath    = "/assets/show.js"
	PasskeyScriptPath = "/assets/passkey.js"
	IconPath          = "/assets/icon.svg"
)

// StylesheetURL returns the URL of Stylesheet. It changes with the content, so caches may store it
// forever.
var StylesheetURL = sync.OnceValue(func() string { return versioned(StylesheetPath, Stylesheet) })

// ScriptURL returns the URL of Script, like StylesheetURL.
var ScriptURL = sync.OnceValue(func() string { return versioned(ScriptPath, Script) })

// ShowScriptURL returns the URL of ShowScript, like StylesheetURL.
var ShowScriptURL = sync.OnceValue(func() string { return versioned(ShowScriptPath, ShowScript) })

// PasskeyScriptURL returns the URL of PasskeyScript, like StylesheetURL.
var PasskeyScriptURL = sync.OnceValue(func() string { return versioned(PasskeyScriptPath, PasskeyScript) })

// IconURL returns the URL of Icon, like StylesheetURL.
var IconURL = sync.OnceValue(func() string { return versioned(IconPath, Icon) })

func number(n int) string { return strconv.Itoa(n) }

func versioned(path string, content []byte) string {
	sum := sha256.Sum256(content)
	return path + "?v=" + hex.EncodeToString(sum[:6])
}

// parsed returns the templates, parsed on first use, since not every server shows pages.
var parsed = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{
		"sheet":   StylesheetURL,
		"script":  ScriptURL,
		"show":    ShowScriptURL,
		"passkey": PasskeyScriptURL,
		"icon":    IconURL,
		"initial": initial,
		"number":  number,
		"clock":   func(t time.Time) string { return t.UTC().Format("15:04:05") + " UTC" },
		"stamp":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	}).ParseFS(files, "*.html"))
})

// Page is what all pages share. NewPage returns one.
type Page struct {
	// Tenant is the name shown at the top of the card.
	Tenant string
	// Lang is the language; empty for English.
	Lang Lang
	// Dev marks a server in development.
	Dev bool
	// Brand has the URLs of the tenant's branding; empty for the default.
	Brand Brand
	// Privacy, Terms and Support are URLs of the tenant's pages; an empty one is not linked.
	Privacy, Terms, Support string
}

// NewPage returns the common data of a tenant's pages.
func NewPage(t auth.Tenant, lang Lang) Page {
	b := t.Settings.Branding
	p := Page{Tenant: t.Name, Lang: lang, Brand: BrandOf(t), Privacy: b.PrivacyURI, Terms: b.TermsURI, Support: b.SupportURI}
	if p.Tenant == "" {
		p.Tenant = "Watchword"
	}
	return p
}

// Key identifies a text. Keys that handlers use have constants; templates use the others.
type Key string

// Texts for errors and notices of forms.
const (
	BadCredentials  Key = "login.bad"      // the email address or the password is wrong
	BadName         Key = "login.bad_name" // the same, where user names sign in
	UsernameSaved   Key = "username.done"
	UsernameInvalid Key = "username.invalid"
	NameReserved    Key = "username.reserved"
	NameTaken       Key = "username.taken"
	SignInAgain     Key = "login.again"
	BadPassword     Key = "login.bad_password"
	LinkUsed        Key = "link.used" // a mailed link was used or has expired
	LinkIncomplete  Key = "link.incomplete"
	LinkElsewhere   Key = "link.elsewhere"
	PasswordWrong   Key = "password.wrong"
	AccountLocked   Key = "login.locked"
	RecoveryTitle   Key = "recovery.title"
	RecoveryLead    Key = "recovery.lead"
	RecoveryCancel  Key = "recovery.cancel"
	RecoverySubmit  Key = "recovery.submit"
	KeepTitle       Key = "keep.title"
	KeepLead        Key = "keep.lead"
	KeepSubmit      Key = "keep.submit"
	KeepBad         Key = "keep.bad"
	SecureTitle     Key = "secure.title"
	SecureLead      Key = "secure.lead"
	SecureRestore   Key = "secure.restore"
	SecureName      Key = "secure.name"
	SecureFactors   Key = "secure.factors"
	SecureNoMail    Key = "secure.no_mail"
	SecureSubmit    Key = "secure.submit"
	SecureNot       Key = "secure.not"
	SecureBad       Key = "secure.bad"
	RegisterClosed  Key = "register.closed"
	AddressInvalid  Key = "email.invalid"
	BadFactorCode   Key = "factor.bad"
	BadRecoveryCode Key = "factor.recovery_bad"
	BadFirstCode    Key = "factor.add_bad"
	FactorWait      Key = "factor.throttled"
	FactorOver      Key = "factor.over"
	TooManyCodes    Key = "factor.many"
	BadMailedCode   Key = "mailed.bad"
	MailWait        Key = "mailed.throttled"
	FactorRequired  Key = "factor.required"
	BadPasskey      Key = "passkey.bad"
	UnknownPasskey  Key = "passkey.unknown"
	PasskeyRefused  Key = "passkey.refused"
	PasskeyRequired Key = "passkey.required"
	UsePasskey      Key = "passkey.use"
	ProvePasskey    Key = "passkey.prove"
	CreatePasskey   Key = "passkey.create"
	BadCode         Key = "device.bad" // no device waits for this user code
)

// Titles of the pages of the account, which the links to them show.
const (
	AccountTitle  Key = "account.title"
	ProfileTitle  Key = "profile.title"
	AddressTitle  Key = "address.title"
	PasswordTitle Key = "password.title"
	FactorsTitle  Key = "factors.title"
	PasskeysTitle Key = "passkeys.title"
	SessionsTitle Key = "sessions.title"
	AppsTitle     Key = "apps.title"
	DataTitle     Key = "data.title"
)

// What the overview says about the pages of the account. The counts come as one and many.
const (
	ProfileStatus  Key = "profile.status"
	PasswordStatus Key = "password.status"
	PasswordNone   Key = "password.none"
	FactorsOff     Key = "factors.off"
	FactorOne      Key = "factors.one"
	FactorMany     Key = "factors.many"
	CodeOne        Key = "codes.one"
	CodeMany       Key = "codes.many"
	PasskeyNone    Key = "passkeys.none"
	PasskeyOne     Key = "passkeys.one"
	PasskeyMany    Key = "passkeys.many"
	UnnamedPasskey Key = "passkeys.unnamed"
	SessionOne     Key = "sessions.one"
	SessionMany    Key = "sessions.many"
	AppNone        Key = "apps.none"
	AppOne         Key = "apps.one"
	AppMany        Key = "apps.many"
	DataStatus     Key = "data.status"
)

// What was done, on the pages of the account.
const (
	ProfileSaved      Key = "profile.done"
	PictureSaved      Key = "profile.picture_done"
	PictureRemoved    Key = "profile.picture_removed"
	AddressMailed     Key = "address.done"
	AddressKept       Key = "address.kept"
	PasswordChanged   Key = "password.done"
	PasswordMailed    Key = "password.mailed"
	FactorAdded       Key = "factors.added"
	FactorRenamed     Key = "factors.renamed"
	FactorRemoved     Key = "factors.removed"
	CodesSaved        Key = "codes.done"
	PasskeyAdded      Key = "passkeys.added"
	SessionEnded      Key = "sessions.done"
	OthersEnded       Key = "sessions.others_done"
	TrustEnded        Key = "sessions.forgotten"
	AppRemoved        Key = "apps.done"
	AccountDeleted    Key = "data.deleted"
	DeletionScheduled Key = "data.scheduled" // of Done, as the one before
)

// What went wrong, on the pages of the account.
const (
	AccountWait     Key = "account.throttled"
	PictureInvalid  Key = "refused.picture_invalid"
	BadNewCode      Key = "codes.bad"
	DeleteUnchecked Key = "data.unchecked"
)

// Texts of Done.
const (
	PasswordIsSet  Key = "reset.done"
	AddressProved  Key = "verify.done"
	PasswordChosen Key = "verify.chosen" // and the email address is confirmed
	Locked         Key = "secure.done"
	LockedRemoved  Key = "secure.removed" // and factors were removed
	LockedOnly     Key = "secure.only"    // without a mail
	Kept           Key = "keep.done"

	RecoveryCancelled Key = "recovery.done"
	UnlockLater       Key = "unlock.later"
)

// The same texts on the sign-in page of the flow.
const (
	PasswordIsSetSignIn  Key = "login.reset"
	AddressProvedSignIn  Key = "login.verified"
	PasswordChosenSignIn Key = "login.chosen"
)

// Texts of Problem.
const (
	Forbidden    Key = "error.forbidden"
	NotFound     Key = "error.not_found"
	WrongMethod  Key = "error.method"
	TooLarge     Key = "error.large"
	URLTooLong   Key = "error.address"
	TooOften     Key = "error.throttled"
	LoginWait    Key = "login.throttled"
	CodeWait     Key = "device.throttled"
	Unavailable  Key = "error.unavailable"
	Internal     Key = "error.internal"
	Failed       Key = "error.failed"  // anything else
	BadRequest   Key = "error.request" // a client sent an invalid request
	NoPasskeys   Key = "flow.no_passkeys"
	FlowGone     Key = "flow.gone"      // ended or too old
	FlowNoCookie Key = "flow.no_cookie" // of another browser, or of one that blocks cookies
)

// Done returns the page that says that something succeeded.
func (p Page) Done(k Key) Done { return Done{Page: p, Title: p.Say(k), Text: p.Say(k + "_text")} }

// Problem returns the page that says that something failed.
func (p Page) Problem(k Key) Problem {
	return Problem{Page: p, Title: p.Say(k), Text: p.Say(k + "_text")}
}

// VerifyEmail asks the user to confirm an email address. It sends token, page and, if it asks for one,
// password.
type VerifyEmail struct {
	Page
	Once      string // sent back as "page"
	Action    string // URL to send the form to
	Token     string // empty if the link was incomplete
	Address   string // the email address to confirm
	Invited   bool   // an administrator created the account; with Choose
	Choose    bool   // ask for a password, which may be a new one
	Current   bool   // ask for the current password
	MinLength int
	Bad       string   // why the link does not work, as a sentence
	Refused   []string // what is wrong with the password
	Login     string   // URL of the sign-in page, if the link does not work
}

// Render writes the page.
func (p VerifyEmail) Render(w io.Writer) error { return render(w, "verify_email.html", p) }

// Scripted reports whether the page has a script.
func (p VerifyEmail) Scripted() bool { return p.Choose || p.Current }

// Title returns the heading.
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
	Address   string // email address of the account
	MinLength int
	Bad       string   // why the link does not work, as a sentence
	Forgot    string   // URL to request another link
	Refused   []string // what is wrong with the password
}

// Render writes the page.
func (p ResetPassword) Render(w io.Writer) error { return render(w, "reset_password.html", p) }

// Scripted reports whether the page has a script.
func (p ResetPassword) Scripted() bool { return p.Bad == "" }

// Confirm asks whether to do what a mailed link is for. It sends token.
type Confirm struct {
	Page
	Title  string
	Text   []string // what happens, a paragraph each
	Action string   // URL to send the form to
	Token  string
	Submit string // the text of the button
	Not    string // what to do instead; may be empty
	Bad    string // why the link does not work, as a sentence
	Login  string // URL of the sign-in page, if the link does not work
}

// Render writes the page.
func (p Confirm) Render(w io.Writer) error { return render(w, "confirm.html", p) }

// Done says that something worked and what to do next.
type Done struct {
	Page
	Title string
	Text  string
	Next  string // URL of the sign-in page, or empty
	// Elsewhere says that the user can continue on another device; may be empty.
	Elsewhere string
}

// Render writes the page.
func (p Done) Render(w io.Writer) error { return render(w, "done.html", p) }

// Problem says that something did not work.
type Problem struct {
	Page
	Title     string
	Text      string
	Client    string // name of the client to which Home belongs
	Home      string // URL of the client's home page, or empty
	Login     string // URL of the sign-in page, or empty
	Again     string // URL to try again, or empty
	Code      string // for the client's developer, e.g. invalid_request; empty for none
	Detail    string // for the client's developer: the description
	Reference string // the request ID in the log
}

// Render writes the page.
func (p Problem) Render(w io.Writer) error { return render(w, "problem.html", p) }

// Welcome is the start page of a development server.
type Welcome struct {
	Page
	Base string
	Curl []Step
}

// Step is one command with the sentence that explains it.
type Step struct{ Say, Run string }

// Render writes the page.
func (p Welcome) Render(w io.Writer) error { return render(w, "welcome.html", p) }

// API lists the operations of the JSON API.
type API struct {
	Page
	Calls []Call
}

// Call is an operation of the API.
type Call struct{ Method, Path, Summary string }

// Render writes the page.
func (p API) Render(w io.Writer) error { return render(w, "api.html", p) }

// Mailbox shows the caught mails.
type Mailbox struct {
	Page
	Mails []Mail
}

// Mail is a caught mail.
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
