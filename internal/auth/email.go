package auth

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// Email is an email address in two forms: the one that mail is sent to, and the unique key of an
// account. Only ParseEmail returns one.
type Email struct {
	Address string // local part as given, domain in lowercase ASCII
	Login   string // the whole in lowercase: the account's unique identifier
}

// String returns the address that mail is sent to.
func (e Email) String() string { return e.Address }

const atext = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+/=?^_`{|}~-."

var errEmail = Invalid(CodeEmailInvalid, "email", "want an email address of ASCII letters, such as alice@example.com")

// ParseEmail parses one address in the dot-atom form of RFC 5321. Compatibility forms (full-width
// letters) are folded by NFKC, invisible characters and surrounding spaces are dropped, the domain becomes ASCII (RFC 5891).
// Quoted local parts, comments, lists and display names are refused, since mail systems disagree
// about them; so are non-ASCII local parts, where look-alikes cannot be told apart.
func ParseEmail(s string) (Email, error) {
	if len(s) > 1024 || !utf8.ValidString(s) {
		return Email{}, errEmail
	}
	s = foldName(s)
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || len(local) > 64 || strings.Trim(local, atext) != "" ||
		local[0] == '.' || local[len(local)-1] == '.' || strings.Contains(local, "..") {
		return Email{}, errEmail
	}
	domain, err := idna.Lookup.ToASCII(strings.ToLower(domain))
	if err != nil || !hostname(domain) || len(local)+1+len(domain) > 254 {
		return Email{}, errEmail
	}
	return Email{Address: local + "@" + domain, Login: strings.ToLower(local) + "@" + domain}, nil
}

// Public reports whether the domain can be on the public network: it has several labels, and the
// last is not a number. Mail to any other domain (localhost, a short host name, an IPv4 address)
// is delivered inside the network of the mail server.
func (e Email) Public() bool {
	domain := e.Login[strings.LastIndexByte(e.Login, '@')+1:]
	last := strings.LastIndexByte(domain, '.')
	return last >= 0 && strings.Trim(domain[last+1:], "0123456789") != ""
}

// foldName folds the compatibility forms of a name, and drops invisible characters and surrounding
// spaces.
func foldName(s string) string {
	return strings.TrimSpace(strings.Map(visible, norm.NFKC.String(s)))
}

// visible drops invisible runes: zero-width and other format characters, and variation selectors.
func visible(r rune) rune {
	if unicode.In(r, unicode.Cf, unicode.Variation_Selector) || r == '\u034f' {
		return -1
	}
	return r
}

func hostname(d string) bool {
	if d == "" || len(d) > 253 {
		return false
	}
	for label := range strings.SplitSeq(d, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}
