package ui

import (
	"html/template"
	"io"
	"strings"
)

// Factor asks for a code of an authenticator app, or for a recovery code. It sends method and code.
type Factor struct {
	Page
	Form
	Client   string // for whom, or empty
	Account  string // the address of who signs in
	NotYou   string // where to go with another account
	Bad      string // what went wrong, in the page's language
	Recovery bool   // it asks for a recovery code
	Codes    bool   // the account has recovery codes
	Other    string // address of the page that asks for the other kind; empty for an account without it
	// TrustDays is for how many days the browser can be trusted; zero offers nothing. It sends trust=on.
	TrustDays int
	Passkey   string // URL of the page that asks for a passkey instead; empty for an account without one
}

// Method returns what the form sends as method.
func (p Factor) Method() string {
	if p.Recovery {
		return "recovery_code"
	}
	return "totp"
}

// Render writes the page.
func (p Factor) Render(w io.Writer) error { return render(w, "factor.html", p) }

// FactorAdd shows the secret of a new authenticator app and asks for a first code. It sends factor
// and code.
type FactorAdd struct {
	Page
	Form
	Account string
	NotYou  string // where to go instead; empty on the account page
	Cancel  string // URL of the page that leads there; empty in a flow
	Client  string
	Bad     string
	Factor  string // its id
	Secret  string // in base32
	URI     string // otpauth, for apps on the same device
	QR      string // path data of the QR code, in a square of Size
	Size    int
	Lead    string // why it is asked for
	// TrustDays is as in Factor.
	TrustDays int
	Passkey   string // URL of the page that creates a passkey instead; empty where there are none
}

// Groups returns the secret in groups of four characters.
func (p FactorAdd) Groups() []string {
	var out []string
	for s := p.Secret; s != ""; {
		n := min(4, len(s))
		out, s = append(out, s[:n]), s[n:]
	}
	return out
}

// URL is URI for the template, which takes no otpauth address by itself.
func (p FactorAdd) URL() template.URL {
	if !strings.HasPrefix(p.URI, "otpauth://totp/") {
		return "#"
	}
	return template.URL(p.URI)
}

// Render writes the page.
func (p FactorAdd) Render(w io.Writer) error { return render(w, "factor_add.html", p) }

// Rescue is the page of a link that replaces lost second factors. It sends token.
type Rescue struct {
	Page
	Action string
	Token  string
	Bad    string // why the link does not work, as a sentence
	Login  string // URL of the sign-in page, if the link does not work
}

// Render writes the page.
func (p Rescue) Render(w io.Writer) error { return render(w, "rescue.html", p) }
