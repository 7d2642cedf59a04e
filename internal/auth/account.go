package auth

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Account is the account of a user. Its credentials are stored separately.
type Account struct {
	ID              AccountID
	Email           Email
	Username        string // canonical; counts once the address is verified; empty for none
	Name            string
	EmailVerifiedAt time.Time // zero until the address is verified
	DisabledAt      time.Time // zero while the account may be used
	LockedAt        time.Time // zero unless its owner locked it; a new password unlocks it
	DeleteAt        time.Time // when it will be deleted; zero unless its owner has asked for that
	LastLoginAt     time.Time
	CreatedAt       time.Time
	UpdatedAt       time.Time
	Locale          string // the language of the pages for its owner; empty for that of the browser
	Picture         string // the name of its picture; empty for none
	Registrar       string // who registered it, until the address is verified; empty when unknown
}

// Verified reports whether the account's present address has been verified.
func (a Account) Verified() bool { return !a.EmailVerifiedAt.IsZero() }

// PicturesPath begins the paths of the pictures of accounts, below the tenant's base.
const PicturesPath = "/pictures/"

// PictureURL returns the URL of the account's picture, below the URL or path of its tenant; empty for none.
func (a Account) PictureURL(tenant string) string {
	if a.Picture == "" {
		return ""
	}
	return tenant + PicturesPath + a.Picture
}

// Disabled reports whether an administrator has disabled the account.
func (a Account) Disabled() bool { return !a.DisabledAt.IsZero() }

// Locales are the languages of the pages.
var Locales = []string{"en", "de"}

// ParseLocale checks a language of the pages; an empty one is that of the browser.
func ParseLocale(s string) (string, error) {
	if s != "" && !slices.Contains(Locales, s) {
		return "", Invalid(CodeLocaleInvalid, "locale", "locale: "+strings.Join(Locales, " or ")+", or empty for the language of the browser")
	}
	return s, nil
}

// Locked reports whether its owner has locked the account, because somebody else may have used it.
func (a Account) Locked() bool { return !a.LockedAt.IsZero() }

// MaxNameLength is the largest number of code points of a display name.
const MaxNameLength = 200

// ParseName checks a display name: at most MaxNameLength code points, no control
// characters, trimmed. Names are shown, never interpreted.
func ParseName(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", Invalid(CodeNameInvalid, "name", "want valid UTF-8 text")
	}
	s = strings.TrimSpace(norm.NFC.String(s))
	switch {
	case utf8.RuneCountInString(s) > MaxNameLength:
		return "", Invalid(CodeNameTooLong, "name", fmt.Sprintf("want at most %d characters", MaxNameLength))
	case strings.ContainsFunc(s, unicode.IsControl):
		return "", Invalid(CodeNameInvalid, "name", "want no control characters")
	}
	return s, nil
}
