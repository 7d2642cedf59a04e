package oidc

import (
	"strings"

	"github.com/watchword-auth/watchword/internal/secret"
)

// userAlphabet has no vowels, so that no code is a word, and no letter that is taken
// for a digit or for another letter when read out (RFC 8628 §6.1). Eight of its 20
// letters are 34.5 bits, which the limits on guessing and the short life make enough
// (§5.1).
const (
	userAlphabet = "BCDFGHJKLMNPQRSTVWXZ"
	userLetters  = 8
)

// newUserCode returns a code in its canonical form: eight letters without a dash.
func newUserCode() string {
	out := make([]byte, 0, userLetters)
	for len(out) < userLetters {
		for _, b := range secret.Bytes(userLetters) {
			// Of 256 values the last 16 would make some letters likelier.
			if b < 240 && len(out) < userLetters {
				out = append(out, userAlphabet[b%byte(len(userAlphabet))])
			}
		}
	}
	return string(out)
}

// showUserCode is how people see a code: two halves with a dash between.
func showUserCode(code string) string {
	return code[:userLetters/2] + "-" + code[userLetters/2:]
}

// ParseUserCode reads what a person has typed: in any case, with dashes and spaces
// wherever they like. The result is the canonical form.
func ParseUserCode(typed string) (code string, ok bool) {
	if len(typed) > 64 {
		return "", false
	}
	out := make([]byte, 0, userLetters)
	for i := range len(typed) {
		c := typed[i]
		if c == '-' || c == ' ' {
			continue
		}
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		if strings.IndexByte(userAlphabet, c) < 0 || len(out) == userLetters {
			return "", false
		}
		out = append(out, c)
	}
	return string(out), len(out) == userLetters
}
