package ui

import "io"

// Passkey is a form that sends the response of an authenticator as "credential". A script shows it in
// browsers that can use passkeys. The zero Passkey is none.
type Passkey struct {
	Form
	Button     Key    // the text of its button
	Use        string // sent as "use"
	Answer     string // sent as "answer"
	Options    string // for navigator.credentials, as JSON
	Background bool   // ask without a click, too, where the browser does so without a dialog
	TrustDays  int    // for how many days the browser can be trusted; zero for not at all
	// Signals are the options of methods of PublicKeyCredential by their names, as JSON.
	Signals string
}

// Call returns the method of navigator.credentials that the form calls.
func (p Passkey) Call() string {
	if p.Use == "create" || p.Answer != "" {
		return "create"
	}
	return "get"
}

// FactorPasskey asks for a passkey as second factor.
type FactorPasskey struct {
	Page
	Form
	Client   string
	Account  string
	NotYou   string
	Bad      string
	Passkey  Passkey
	App      string // URL of the page that asks for the code of an app instead; empty for an account without one
	Recovery string // URL of the page that asks for a recovery code
	Mailed   string // URL of the page that mails a code
}

// Render writes the page.
func (p FactorPasskey) Render(w io.Writer) error { return render(w, "factor_passkey.html", p) }

// Scripted reports whether the page has a script.
func (FactorPasskey) Scripted() bool { return true }

// UsesPasskeys reports whether the page uses passkeys.
func (FactorPasskey) UsesPasskeys() bool { return true }

// PasskeyAdd creates a passkey, as the second factor that an account must have, or as an offer after a
// sign-in. Without a passkey an offer sends answer: later or never.
type PasskeyAdd struct {
	Page
	Form
	Client  string
	Account string
	NotYou  string // empty for an offer
	Bad     string
	Lead    string // why it is asked for
	Offer   bool
	Passkey Passkey
	App     string // URL of the page that adds an authenticator app instead; empty if that is not enough
}

// Render writes the page.
func (p PasskeyAdd) Render(w io.Writer) error { return render(w, "passkey_add.html", p) }

// Scripted reports whether the page has a script.
func (PasskeyAdd) Scripted() bool { return true }

// UsesPasskeys reports whether the page uses passkeys.
func (PasskeyAdd) UsesPasskeys() bool { return true }

// UsesPasskeys reports whether the page uses passkeys.
func (p Login) UsesPasskeys() bool { return p.Passkey.Options != "" }
