package ui

import (
	"html/template"
	"io"
	"slices"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

// Form is what the forms of a page carry: where they go, to which flow they belong,
// and what shows that they come from our page. Flow and CSRF are sent as "flow" and
// "csrf".
type Form struct {
	Action string
	Flow   string
	CSRF   string
}

// Login asks for an address and a password. It sends email, password and, if
// ticked, remember=on.
type Login struct {
	Page
	Form
	Client   string // for whom, or empty
	Email    string // filled in already
	Notice   string // something good to know, in the page's language
	Bad      string // what went wrong, in the page's language
	Remember bool   // offer to keep the user signed in
	Ticked   bool   // the offer was taken already
	Forgot   string // addresses of the other pages; an empty one is not offered
	Register string
}

// Render writes the page.
func (p Login) Render(w io.Writer) error { return render(w, "login.html", p) }

// Scripted reports whether the page has a script.
func (Login) Scripted() bool { return true }

// Register asks for what makes an account. It sends email and password.
type Register struct {
	Page
	Form
	Client    string
	Email     string
	Bad       string
	Refused   []string // what is wrong with the password, a sentence each
	MinLength int
	Login     string // address of the sign-in page
}

// Render writes the page.
func (p Register) Render(w io.Writer) error { return render(w, "register.html", p) }

// Scripted reports whether the page has a script.
func (Register) Scripted() bool { return true }

// RegisterSent asks the user to open the mail. It is the same page whether
// the address had an account or not.
// Its form sends email, for another link.
type RegisterSent struct {
	Page
	Form
	Email string
	Login string
}

// Render writes the page.
func (p RegisterSent) Render(w io.Writer) error { return render(w, "register_sent.html", p) }

// Forgot asks to which address a link for a new password goes. It sends email.
type Forgot struct {
	Page
	Form
	Email string
	Bad   string
	Login string
}

// Render writes the page.
func (p Forgot) Render(w io.Writer) error { return render(w, "forgot.html", p) }

// ForgotSent asks the user to open the mail; it is the same page for all addresses.
// Its form sends email, for another link.
type ForgotSent struct {
	Page
	Form
	Email string
	Login string
}

// Render writes the page.
func (p ForgotSent) Render(w io.Writer) error { return render(w, "forgot_sent.html", p) }

// Choose asks which of the accounts of this browser to go on with. It sends session:
// that of the account, or nothing for another account.
type Choose struct {
	Page
	Form
	Client   string
	Accounts []Account
}

// Account is one that can be chosen.
type Account struct {
	Session string
	Email   string
	Name    string // empty when it has none
}

// Render writes the page.
func (p Choose) Render(w io.Writer) error { return render(w, "choose.html", p) }

// Consent asks whether a client may use an account. It sends decision: approve or
// deny.
type Consent struct {
	Page
	Form
	Client    string
	Host      string   // the host that is proved to be the client's; empty for first-party clients
	Local     bool     // the client is a program on a device, so no host proves who it is
	Account   string   // the address of who is asked
	NotYou    string   // where to go with another account
	Scopes    []string // names; the page says what they mean
	Resources []string // the resource servers that accept the token, in addition to the issuer's own
	Return    string   // the host to which the user returns either way
	Policy    string   // the client's own pages; https or not shown
	Terms     string
}

// Render writes the page.
func (p Consent) Render(w io.Writer) error { return render(w, "consent.html", p) }

// DeviceCode asks for the code that a device shows. It sends code.
type DeviceCode struct {
	Page
	Form
	Code string
	Bad  string
}

// Render writes the page.
func (p DeviceCode) Render(w io.Writer) error { return render(w, "device_code.html", p) }

// DeviceConfirm asks whether a device may use an account. It sends code and
// decision: approve or deny.
type DeviceConfirm struct {
	Page
	Form
	Client    string
	Host      string // as in Consent
	Unproved  bool   // nothing proves who made the client
	Account   string
	NotYou    string
	Code      string // as the device shows it; empty where the user has just typed it
	From      string // the network address from which the device asked, if it is known
	Own       string // that of the browser, where it is another
	Scopes    []string
	Resources []string
}

// Render writes the page.
func (p DeviceConfirm) Render(w io.Writer) error { return render(w, "device_confirm.html", p) }

// DeviceDone says how it ended.
type DeviceDone struct {
	Page
	Client  string
	Allowed bool
	Home    string // address of the account page, or empty
}

// Render writes the page.
func (p DeviceDone) Render(w io.Writer) error { return render(w, "device_done.html", p) }

// LogoutConfirm asks whether to sign out. It sends decision: approve or deny; its
// Hidden fields go along.
type LogoutConfirm struct {
	Page
	Form
	Client  string // who asks, or empty
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

// Home is where people see their account. Its forms send, in addition to flow and csrf:
// session to EndSession, client to RemoveApp, and nothing to EndOthers, NewPassword and
// Logout.
// A button whose address is empty is not shown.
type Home struct {
	Page
	Form       // Action is not used
	Account    string
	Name       string
	Notice     string
	Devices    []Device
	Apps       []App
	EndSession string
	EndOthers  string
	RemoveApp  string
	Logout     string
	// NewPassword is where a link for a new password is asked for.
	NewPassword string
}

// Device is a session as its owner sees it.
type Device struct {
	Session string
	Agent   string // its User-Agent; the page makes it readable
	IP      string
	SeenAt  time.Time
	Current bool
}

// More reports whether there are sessions other than the current one.
func (p Home) More() bool {
	return slices.ContainsFunc(p.Devices, func(d Device) bool { return !d.Current })
}

// App is a client that the user has allowed.
type App struct {
	Client string // its id
	Name   string
	Host   string // as in Consent
	Scopes []string
	Since  time.Time
}

// Render writes the page.
func (p Home) Render(w io.Writer) error { return render(w, "home.html", p) }

// FormPost carries an answer to a client by a form that sends itself (OAuth 2.0 Form
// Post Response Mode §4). Its Content-Security-Policy must allow script-src 'self'
// and form-action of the redirect URI.
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

// URL is Action for the template.
func (p FormPost) URL() template.URL { return clientURL(p.Action) }

// Leave asks whether to go on to a host that only the client's own metadata names
// of their client.
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

// URL is To for the template.
func (p Leave) URL() template.URL { return clientURL(p.To) }

// GoOn leads to an address by itself and by a link, in the place of a redirect whose
// head would be too long for usual proxies.
type GoOn struct {
	Page
	To     string
	Client string
}

// Render writes the page.
func (p GoOn) Render(w io.Writer) error { return render(w, "go_on.html", p) }

// URL is To for the template.
func (p GoOn) URL() template.URL { return clientURL(p.To) }

// clientURL is the address of a client for a template, which takes no private-use scheme
// by itself. What a browser would carry out leads nowhere.
func clientURL(address string) template.URL {
	if auth.ActiveURI(address) {
		return "#"
	}
	return template.URL(address)
}
