package password

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// The caps hold for every password that reaches a hash function, whatever the
// tenant's policy says.
const (
	maxBytes      = 1024 // as typed
	maxCodePoints = 128  // normalised
)

// Errors of Normalize, Hash and Verify about the password itself.
var (
	ErrTooLong = errors.New("password is longer than 128 characters")
	ErrNotText = errors.New("password is not valid UTF-8 text")
)

// Normalize brings a password into the one form that is hashed: as in the
// OpaqueString profile of RFC 8265, other spaces become U+0020 and the text
// becomes NFC, so that it does not matter which keyboard composed an "é".
// Everything else stays exactly as typed, spaces at the ends and control
// characters included; unlike OpaqueString nothing is refused for its class,
// because a user who can type a password once can type it again.
//
// It fails with ErrTooLong above 1024 bytes or 128 code points, and with
// ErrNotText when pw is not UTF-8. Normalising twice changes nothing.
func Normalize(pw string) (string, error) {
	if len(pw) > maxBytes {
		return "", ErrTooLong
	}
	if !utf8.ValidString(pw) {
		return "", ErrNotText
	}
	normal := normalized(pw)
	if utf8.RuneCountInString(normal) > maxCodePoints {
		return "", ErrTooLong
	}
	return normal, nil
}

func plainSpace(r rune) rune {
	if unicode.Is(unicode.Zs, r) {
		return ' '
	}
	return r
}

// ownForms are the spellings tried against an Argon2 hash: ours is always of
// the normalised one; one brought from elsewhere may be of the typed one.
func ownForms(pw string) []string {
	return distinct(normalized(pw), pw)
}

// foreignForms are tried against hashes from systems that did not normalise:
// the same text may have been composed or decomposed when it was set.
func foreignForms(pw string) []string {
	return distinct(pw, norm.NFC.String(pw), norm.NFD.String(pw))
}

// flaskForms are tried against Flask-Security hashes. NFKD is its default;
// applications can choose another form or none.
func flaskForms(pw string) []string {
	return distinct(norm.NFKD.String(pw), norm.NFC.String(pw), pw)
}

func normalized(pw string) string {
	return norm.NFC.String(strings.Map(plainSpace, pw))
}

func distinct(forms ...string) []string {
	out := forms[:0]
next:
	for _, f := range forms {
		for _, seen := range out {
			if f == seen {
				continue next
			}
		}
		out = append(out, f)
	}
	return out
}
