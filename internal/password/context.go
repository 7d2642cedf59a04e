package password

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// minContextWord is the minimum length, so that names such as "Al" or "Ann" do not exclude half of the
// dictionary.
const minContextWord = 4

// contextWords returns the words that the password of an account must not contain: each text whole, the
// local part of an address, and every run of letters and digits in those. It omits the domain of an address,
// which millions share.
func contextWords(context []string) []string {
	var words []string
	add := func(w string) {
		if utf8.RuneCountInString(w) >= minContextWord {
			words = append(words, w)
		}
	}
	for _, text := range context {
		text = foldCase(strings.TrimSpace(text))
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
	return uniqueForms(words...)
}

func containsAny(pw string, words []string) bool {
	pw = foldCase(pw)
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

// foldCase removes differences of case, width and ligatures.
func foldCase(s string) string {
	return strings.ToLower(norm.NFKC.String(s))
}
