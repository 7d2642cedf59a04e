package password

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// minContextWord keeps names such as "Al" or "Ann" from forbidding half of the
// dictionary.
const minContextWord = 4

// contextWords cuts what is known about an account into the words that its
// password must not contain: each text whole, the part of an address before
// the "@", and every run of letters and digits in those. The domain of an
// address is left out, being shared by millions.
func contextWords(context []string) []string {
	var words []string
	add := func(w string) {
		if utf8.RuneCountInString(w) >= minContextWord {
			words = append(words, w)
		}
	}
	for _, text := range context {
		text = fold(strings.TrimSpace(text))
		if at := strings.LastIndexByte(text, '@'); at >= 0 {
			add(text)
			text = text[:at]
		}
		add(text)
		for _, w := range strings.FieldsFunc(text, isSeparator) {
			add(w)
		}
		// "alice.smith" equals "alicesmith" to a user.
		add(strings.Join(strings.FieldsFunc(text, isSeparator), ""))
	}
	return distinct(words...)
}

func containsAny(pw string, words []string) bool {
	pw = fold(pw)
	for _, w := range words {
		if strings.Contains(pw, w) {
			return true
		}
	}
	return false
}

func isSeparator(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
}

// fold makes texts comparable that look alike: full-width letters, ligatures
// and case.
func fold(s string) string {
	return strings.ToLower(norm.NFKC.String(s))
}
