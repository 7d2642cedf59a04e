package password

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// The limits apply to every password that is hashed, whatever the tenant's policy.
const (
	maxBytes      = 1024 // as typed
	maxCodePoints = 128  // normalised
)

// Errors of Normalize, Hash and Verify about the password itself.
var (
	ErrTooLong = errors.New("password is longer than 128 characters")
	ErrNotText = errors.New("password is not valid UTF-8 text")
)

// Normalize returns the form of a password that is hashed. As in the OpaqueString profile of RFC 8265, other
// spaces become U+0020 and the text becomes NFC, so it does not matter which keyboard composed an "é".
// Everything else stays as typed, including spaces at the ends and control characters. Unlike OpaqueString
// it excludes no class of characters, because a user who can type a password once can type it again.
//
// It fails with ErrTooLong above 1024 bytes or 128 code points, and with ErrNotText when pw is not UTF-8.
// Normalising twice changes nothing.
func Normalize(pw string) (string, error) {
	if len(pw) > maxBytes {
		return "", ErrTooLong
	}
	if !utf8.ValidString(pw) {
		return "", ErrNotText
	}
	normal := normalizeNFC(pw)
	if utf8.RuneCountInString(normal) > maxCodePoints {
		return "", ErrTooLong
	}
	return normal, nil
}

func replaceSpace(r rune) rune {
	if unicode.Is(unicode.Zs, r) {
		return ' '
	}
	return r
}

// ownForms returns the spellings to compare with an Argon2 hash. This server hashes the normalised one; an
// imported hash may be of the typed one.
func ownForms(pw string) []string {
	return uniqueForms(normalizeNFC(pw), pw)
}

// foreignForms returns the spellings to compare with hashes of systems that did not normalise: the text may
// have been composed or decomposed.
func foreignForms(pw string) []string {
	return uniqueForms(pw, norm.NFC.String(pw), norm.NFD.String(pw))
}

// flaskForms returns the spellings to compare with Flask-Security hashes. NFKD is its default; applications
// can choose another form or none.
func flaskForms(pw string) []string {
	return uniqueForms(norm.NFKD.String(pw), norm.NFC.String(pw), pw)
}

func normalizeNFC(pw string) string {
	return norm.NFC.String(strings.Map(replaceSpace, pw))
}

func uniqueForms(forms ...string) []string {
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
