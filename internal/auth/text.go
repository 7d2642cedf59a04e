package auth

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clip cuts s to at most n bytes without breaking a code point, and replaces invalid UTF-8 and
// control characters, so that it can be stored and shown: user agents, request ids and other text
// of unauthenticated callers.
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
