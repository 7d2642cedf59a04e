package account

import (
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

// errInvalidLink is the refusal of every invalid link, whatever the reason.
func errInvalidLink() error {
	return auth.Invalid(auth.CodeInvalidLink, "token", "the link is invalid, expired or used; request a new one")
}

// errLinkNotYetValid refuses a link that works later.
func errLinkNotYetValid(at time.Time) error {
	return auth.Invalid(auth.CodeLinkNotYetValid, "token", "the link works from "+at.UTC().Format(time.RFC3339)+" on")
}

// errEmailNotPublic refuses an address in the operator's own network.
func errEmailNotPublic() error {
	return auth.Invalid(auth.CodeEmailInvalid, "email", "email: the domain must be public, such as example.com")
}

// errPasswordNeeded requires a password in addition to a link.
func errPasswordNeeded(m Missing) error {
	msg := "password: a new password of the account is required"
	if m == MissingCurrentPassword {
		msg = "password: the current password of the account is required"
	}
	e := auth.Refuse(auth.KindConflict, auth.CodePasswordNeeded, msg)
	e.Field = string(m)
	return e
}

func errWrongPassword() error {
	e := auth.Refuse(auth.KindForbidden, auth.CodeWrongPassword, "the current password is incorrect")
	e.Field = "current_password"
	return e
}

func errChangedMeanwhile() error {
	return auth.Refuse(auth.KindConflict, auth.CodeChangedMeanwhile, "the account was changed concurrently; try again")
}

func errEmailTaken() error {
	e := auth.Refuse(auth.KindConflict, auth.CodeEmailTaken, "another account has this email address")
	e.Field = "email"
	return e
}
