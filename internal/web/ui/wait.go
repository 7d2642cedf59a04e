package ui

import "io"

// WaitVerify says that the address has to be verified before the user can continue. It
// sends email, for another link.
type WaitVerify struct {
	Page
	Form
	Email string
	Login string
}

// Render writes the page.
func (p WaitVerify) Render(w io.Writer) error { return render(w, "wait.html", p) }
