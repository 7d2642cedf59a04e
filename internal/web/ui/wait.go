package ui

import "io"

// WaitVerify says that the user has to confirm the email address first. It sends email, for another
// link.
type WaitVerify struct {
	Page
	Form
	Email string
	Login string
}

// Render writes the page.
func (p WaitVerify) Render(w io.Writer) error { return render(w, "wait.html", p) }
