package auth

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// parseText checks a line of free text that will be shown to people.
func parseText(field, s string, most int) (string, error) {
	if !utf8.ValidString(s) {
		return "", Invalid(field+"_invalid", field, "this is not valid UTF-8 text")
	}
	s = strings.TrimSpace(norm.NFC.String(s))
	if utf8.RuneCountInString(s) > most {
		return "", Invalid(field+"_too_long", field, "this is too long")
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return "", Invalid(field+"_invalid", field, "control characters are not allowed here")
	}
	return s, nil
}

// Clip cuts s to at most n bytes without breaking a code point, and replaces
// invalid UTF-8 and control characters, so that it can be stored and shown: user
// agents, request ids and other text that strangers choose.
func Clip(s string, n int) string {
	if len(s) > n {
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) {
			return '?'
		}
		return r
	}, s)
}
