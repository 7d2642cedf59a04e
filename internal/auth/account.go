package auth

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Account is a person. Its credentials are kept apart from it.
type Account struct {
	ID              AccountID
	Email           Email
	Name            string
	EmailVerifiedAt time.Time // zero until the address is proved
	DisabledAt      time.Time // zero while the account may be used
	LastLoginAt     time.Time
	CreatedAt       time.Time
	UpdatedAt       time.Time
	Registrar       string // who registered it, until the address is proved; empty when unknown
}

// Verified reports whether the account's present address has been proved.
func (a Account) Verified() bool { return !a.EmailVerifiedAt.IsZero() }

// Disabled reports whether an administrator has disabled the account.
func (a Account) Disabled() bool { return !a.DisabledAt.IsZero() }

// MaxNameLength is how many code points a display name may have.
const MaxNameLength = 200

// ParseName checks a display name: at most MaxNameLength code points, no control
// characters, trimmed. Names are shown, never interpreted.
func ParseName(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", Invalid(CodeNameInvalid, "name", "this is not valid UTF-8 text")
	}
	s = strings.TrimSpace(norm.NFC.String(s))
	switch {
	case utf8.RuneCountInString(s) > MaxNameLength:
		return "", Invalid(CodeNameTooLong, "name", "this is too long")
	case strings.ContainsFunc(s, unicode.IsControl):
		return "", Invalid(CodeNameInvalid, "name", "control characters are not allowed here")
	}
	return s, nil
}
