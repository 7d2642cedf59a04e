package ui

import "io"

// EmailSignIn asks for the address to which a code and a link to sign in are mailed. It sends email.
type EmailSignIn struct {
	Page
	Form
	Client string
	Email  string
	Bad    string
	Login  string // URL of the sign-in page
}

// Render writes the page.
func (p EmailSignIn) Render(w io.Writer) error { return render(w, "email_signin.html", p) }

// EmailCode asks for the code of a mail that signs in. It is the same for all addresses. It sends code
// and, if ticked, remember=on.
type EmailCode struct {
	Page
	Form
	Email  string // to which the mail was sent
	Code   string // that the link of the mail holds; empty without one
	Bad    string
	Ticked bool
	Again  string // URL of the page that sends another mail
	Login  string
}

// Render writes the page.
func (p EmailCode) Render(w io.Writer) error { return render(w, "email_code.html", p) }

// EmailElsewhere is the page of a mailed link in another browser than the one that asked for it. It shows
// the code to enter there.
type EmailElsewhere struct {
	Page
	Code  string // empty for an incomplete link
	Bad   string
	Login string // URL of the sign-in page, for an incomplete link
}

// Render writes the page.
func (p EmailElsewhere) Render(w io.Writer) error { return render(w, "email_elsewhere.html", p) }
