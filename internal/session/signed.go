package session

import "github.com/watchword-auth/watchword/internal/auth"

// Signed is an account that is signed in in a browser, by one of the secrets in its
// cookie.
type Signed struct {
	Session auth.Session
	Account auth.Account
	Secret  string
}
