package oidc

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// Form is a form body with one way to read it: each parameter once (RFC 6749 §3.2),
// an empty value as if it were not there (§3.1).
type Form struct{ values map[string][]string }

// repeatable may be sent more than once (RFC 8707 §2).
var repeatable = []string{"resource"}

const maxParameters = 64

// ParseForm reads a body of application/x-www-form-urlencoded. It refuses as
// invalid_request what two readers might understand differently: a parameter sent
// twice, a broken escape, a bare semicolon, text that is not UTF-8, control
// characters.
func ParseForm(body string) (Form, error) {
	f := Form{values: map[string][]string{}}
	n := 0
	for part := range strings.SplitSeq(body, "&") {
		if part == "" {
			continue
		}
		if n++; n > maxParameters {
			return Form{}, refuse(InvalidRequest, "the form has too many parameters")
		}
		name, value, _ := strings.Cut(part, "=")
		name, ok := unescape(name)
		value, also := unescape(value)
		if !ok || !also || name == "" {
			return Form{}, refuse(InvalidRequest, "the form is not encoded as application/x-www-form-urlencoded")
		}
		if _, again := f.values[name]; again && !slices.Contains(repeatable, name) {
			return Form{}, refuse(InvalidRequest, "a parameter is sent more than once")
		}
		f.values[name] = append(f.values[name], value)
	}
	return f, nil
}

// unescape decodes one name or value.
func unescape(s string) (string, bool) {
	if strings.ContainsAny(s, "%+;") {
		if strings.Contains(s, ";") { // once a separator like &
			return "", false
		}
		var err error
		if s, err = url.QueryUnescape(s); err != nil {
			return "", false
		}
	}
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return "", false
		}
	}
	return s, utf8.ValidString(s)
}

// Get is the value of a parameter, or empty.
func (f Form) Get(name string) string {
	if vs := f.values[name]; len(vs) > 0 {
		return vs[0]
	}
	return ""
}

// All is every value of a parameter that may be repeated.
func (f Form) All(name string) []string {
	return slices.DeleteFunc(slices.Clone(f.values[name]), func(v string) bool { return v == "" })
}
