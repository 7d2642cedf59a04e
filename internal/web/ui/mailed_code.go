package ui

import "io"

// MailedCode asks for a code that was mailed as second factor. It sends method and code. Its other
// form sends send, for a mail.
type MailedCode struct {
	Page
	Form
	Client  string // for whom, or empty
	Account string // the address of who signs in
	NotYou  string // where to go with another account
	Bad     string // what went wrong, in the page's language
	Sent    bool   // a mailed code works
	// TrustDays is for how many days the browser can be trusted; zero offers nothing. It sends trust=on.
	TrustDays int
	Passkey   string // URL of the page that asks for a passkey instead; empty for an account without one
}

// Render writes the page.
func (p MailedCode) Render(w io.Writer) error { return render(w, "mailed_code.html", p) }
