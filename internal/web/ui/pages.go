package ui

import (
	"cmp"
	"html/template"
	"io"

	"github.com/watchword-auth/watchword/internal/auth"
)

// Form has what the forms of a page share: the URL to send them to, the flow and the CSRF token. Flow
// and CSRF are sent as "flow" and "csrf".
type Form struct {
	Action string
	Flow   string
	CSRF   string
}

// Login asks for an email address or a user name, and a password. It sends email, password and, if
// ticked, remember=on.
type Login struct {
	Page
	Form
	Client   string // name of the flow's client, or empty
	Names    auth.Identifiers
	Email    string // the value of the field
	Account  string // whose sign-in is repeated; then the page asks only for the password
	NotYou   string // where to go with another account
	Notice   string // in the page's language, or empty
	Bad      string // the error, in the page's language, or empty
	Remember bool   // offer to keep the user signed in
	Ticked   bool   // the value of that field
	ByMail   string // URLs of other pages; empty ones are not linked
	Forgot   string
	Register string
	// Passkey signs in without a password. With it the form sends passkeys=yes from browsers that can
	// create one.
	Passkey Passkey
}

// Render writes the page.
func (p Login) Render(w io.Writer) error { return render(w, "login.html", p) }

// Scripted reports whether the page has a script.
func (Login) Scripted() bool { return true }

// NameLabel returns the label of the field for the name.
func (p Login) NameLabel() string { return p.Say(labelsOfNames[cmp.Or(p.Names, auth.IdentifyByEmail)]) }

var labelsOfNames = map[auth.Identifiers]Key{
	auth.IdentifyByEmail: "login.email", auth.IdentifyByUsername: "login.username", auth.IdentifyByBoth: "login.email_or_username",
}

// Register asks for the email address and password of a new account. It sends email and password, and
// username if it asks for one.
type Register struct {
	Page
	Form
	Client    string
	Names     auth.Identifiers
	Email     string
	Username  string
	Bad       string   // what is wrong with the email address
	BadName   string   // what is wrong with the user name
	Refused   []string // why the password is refused, a sentence each
	MinLength int
	Login     string // URL of the sign-in page
}

// Render writes the page.
func (p Register) Render(w io.Writer) error { return render(w, "register.html", p) }

// Scripted reports whether the page has a script.
func (Register) Scripted() bool { return true }

// RegisterSent asks the user to open the mail. It is the same whether or not the email address has an
// account. Its form sends email, for another link.
type RegisterSent struct {
	Page
	Form
	Email string
	Login string
}

// Render writes the page.
func (p RegisterSent) Render(w io.Writer) error { return render(w, "register_sent.html", p) }

// Forgot asks for the email address to which a link for a new password is sent. It sends email.
type Forgot struct {
	Page
	Form
	Email string
	Bad   string
	Login string
}

// Render writes the page.
func (p Forgot) Render(w io.Writer) error { return render(w, "forgot.html", p) }

// ForgotSent asks the user to open the mail. It is the same for all email addresses.
// Its form sends email, for another link.
type ForgotSent struct {
	Page
	Form
	Email string
	Login string
}

// Render writes the page.
func (p ForgotSent) Render(w io.Writer) error { return render(w, "forgot_sent.html", p) }

// Choose asks with which account of this browser to continue. It sends session: that of the account, or
// an empty one for another account.
type Choose struct {
	Page
	Form
	Client   string
	Accounts []Account
}

// Account is an account that the user can choose.
type Account struct {
	Session string
	Email   string
	Name    string // may be empty
}

// Render writes the page.
func (p Choose) Render(w io.Writer) error { return render(w, "choose.html", p) }

// Consent asks whether a client may access an account. It sends decision: approve or deny.
type Consent struct {
	Page
	Form
	Client    string
	Host      string   // the verified host of the client; empty for first-party clients
	Local     bool     // the client is a program on a device, so no host identifies it
	Account   string   // email address of the user
	NotYou    string   // URL to choose another account
	Scopes    []string // the page explains them
	Resources []string // the resources that accept the token, in addition to the issuer
	Return    string   // host of the redirect URI
	Policy    string   // URLs of the client's pages; shown only if https
	Terms     string
}

// Render writes the page.
func (p Consent) Render(w io.Writer) error { return render(w, "consent.html", p) }

// DeviceCode asks for the user code that a device shows. It sends code.
type DeviceCode struct {
	Page
	Form
	Code string
	Bad  string
}

// Render writes the page.
func (p DeviceCode) Render(w io.Writer) error { return render(w, "device_code.html", p) }

// DeviceConfirm asks whether a device may access an account. It sends code and decision: approve or
// deny.
type DeviceConfirm struct {
	Page
	Form
	Client    string
	Host      string // as in Consent
	Unproved  bool   // nothing verifies who made the client
	Account   string
	NotYou    string
	Code      string // the user code as the device shows it; empty if the user has just entered it
	From      string // IP address of the device's request, or empty
	Own       string // IP address of the browser, if it differs
	Scopes    []string
	Resources []string
}

// Render writes the page.
func (p DeviceConfirm) Render(w io.Writer) error { return render(w, "device_confirm.html", p) }

// DeviceDone says whether the device is connected.
type DeviceDone struct {
	Page
	Client  string
	Allowed bool
	Home    string // URL of the account page, or empty
}

// Render writes the page.
func (p DeviceDone) Render(w io.Writer) error { return render(w, "device_done.html", p) }

// LogoutConfirm asks whether to sign out. It sends decision: approve or deny, and the Hidden fields.
type LogoutConfirm struct {
	Page
	Form
	Client  string // name of the client that requests the logout, or empty
	Account string
	Hidden  [][2]string
}

// Render writes the page.
func (p LogoutConfirm) Render(w io.Writer) error { return render(w, "logout_confirm.html", p) }

// LogoutDone says that the user is signed out.
type LogoutDone struct {
	Page
	Login string
}

// Render writes the page.
func (p LogoutDone) Render(w io.Writer) error { return render(w, "logout_done.html", p) }

// FormPost sends an authorization response to a client by a form that a script submits (OAuth 2.0 Form
// Post Response Mode §4). Its Content-Security-Policy must allow script-src 'self' and form-action
// of the redirect URI.
type FormPost struct {
	Page
	Action string
	Client string
	Params [][2]string
}

// Render writes the page.
func (p FormPost) Render(w io.Writer) error { return render(w, "form_post.html", p) }

// Scripted reports whether the page has a script.
func (FormPost) Scripted() bool { return true }

// URL returns Action for the template.
func (p FormPost) URL() template.URL { return clientURL(p.Action) }

// Leave asks whether to continue to a host that only a self-registered or self-described client
// names.
type Leave struct {
	Page
	Host         string
	To           string
	Params       [][2]string // of a form that is posted there; empty for a link
	SignedOut    bool
	Code, Detail string // for the client's developer
}

// Render writes the page.
func (p Leave) Render(w io.Writer) error { return render(w, "leave.html", p) }

// URL returns To for the template.
func (p Leave) URL() template.URL { return clientURL(p.To) }

// GoOn refreshes to a URL and links to it. It replaces a redirect whose header would be too long for
// common proxies.
type GoOn struct {
	Page
	To      string
	Client  string
	Passkey *Passkey // with signals only; nil for none
}

// Scripted reports whether the page has a script.
func (p GoOn) Scripted() bool { return p.Passkey != nil }

// Render writes the page.
func (p GoOn) Render(w io.Writer) error { return render(w, "go_on.html", p) }

// URL returns To for the template.
func (p GoOn) URL() template.URL { return clientURL(p.To) }

// clientURL returns a client's URI for a template, which would filter private-use schemes. A URI that a
// browser executes becomes "#".
func clientURL(uri string) template.URL {
	if auth.ActiveURI(uri) {
		return "#"
	}
	return template.URL(uri)
}
