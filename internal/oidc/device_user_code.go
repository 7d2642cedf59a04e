package oidc

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/watchword-auth/watchword/internal/secret"
)

// userAlphabet has no vowels, so that no code is a word. It has no letter that is mistaken for a digit or
// another letter (RFC 8628 §6.1). Eight of its 20 letters are 34.5 bits, which is enough with limits on
// guesses and a short lifetime (§5.1).
const (
	userAlphabet = "BCDFGHJKLMNPQRSTVWXZ"
	userLetters  = 8
)

// newUserCode returns a code in its canonical form: eight letters without a dash.
func newUserCode() string {
	out := make([]byte, 0, userLetters)
	for len(out) < userLetters {
		for _, b := range secret.Bytes(userLetters) {
			// Without this the last 16 of 256 values would make some letters more likely.
			if b < 240 && len(out) < userLetters {
				out = append(out, userAlphabet[b%byte(len(userAlphabet))])
			}
		}
	}
	return string(out)
}

// formatUserCode returns the displayed form of a code: two halves with a dash between.
func formatUserCode(code string) string {
	return code[:userLetters/2] + "-" + code[userLetters/2:]
}

// ParseUserCode parses the text that a user has typed or pasted, and returns the canonical form. Case,
// full width, dashes and spaces do not matter.
func ParseUserCode(typed string) (code string, ok bool) {
	if len(typed) > 64 {
		return "", false
	}
	out := make([]byte, 0, userLetters)
	for _, r := range typed {
		switch {
		case r == minus || unicode.In(r, unicode.Pd, unicode.Zs, unicode.Cf):
			continue
		case 'a' <= r && r <= 'z':
			r -= 'a' - 'A'
		case wideA <= r && r < wideA+26:
			r -= wideA - 'A'
		case wideSmallA <= r && r < wideSmallA+26:
			r -= wideSmallA - 'A'
		}
		if r >= utf8.RuneSelf || strings.IndexByte(userAlphabet, byte(r)) < 0 || len(out) == userLetters {
			return "", false
		}
		out = append(out, byte(r))
	}
	return string(out), len(out) == userLetters
}

const (
	minus      = '\u2212' // the only dash that Unicode calls a sign
	wideA      = '\uff21'
	wideSmallA = '\uff41'
)
