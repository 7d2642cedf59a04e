package oauth

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// Form is a form body with one way to read it: each parameter once (RFC 6749 §3.2),
// an empty value as if it were not there (§3.1).
type Form struct {
	values   map[string][]string
	repeated []string // what was sent twice, of ParseAuthorizeForm
}

// repeatable may be sent more than once (RFC 8707 §2, RFC 8693 §2.1).
var repeatable = []string{"resource", "audience"}

// opaque values mean nothing to us and are given back as they came, so they may hold
// any character. No answer puts them anywhere without encoding them.
var opaque = []string{"state", "nonce"}

const maxParameters = 64

// ParseForm reads a body of application/x-www-form-urlencoded. It refuses as
// invalid_request what two readers might understand differently: a parameter sent
// twice, a broken escape, a bare semicolon, text that is not UTF-8, control
// characters (but in state and nonce).
func ParseForm(body string) (Form, error) {
	f, err := ParseAuthorizeForm(body)
	if err == nil && len(f.repeated) > 0 {
		return Form{}, Refuse(InvalidRequest, "a parameter is sent more than once")
	}
	return f, err
}

// ParseAuthorizeForm is ParseForm for the authorization endpoint, where a parameter
// sent twice is refused later, when the recipient is known: the client, or only
// the user when it is client_id or redirect_uri.
func ParseAuthorizeForm(text string) (Form, error) {
	f := Form{values: map[string][]string{}}
	n := 0
	for part := range strings.SplitSeq(text, "&") {
		if part == "" {
			continue
		}
		if n++; n > maxParameters {
			return Form{}, Refuse(InvalidRequest, "the form has too many parameters")
		}
		name, value, _ := strings.Cut(part, "=")
		name, ok := unescape(name)
		value, also := decode(value)
		if !ok || !also || name == "" || !slices.Contains(opaque, name) && control(value) {
			return Form{}, Refuse(InvalidRequest, "the form is not encoded as application/x-www-form-urlencoded")
		}
		if value == "" { // as if it were not there (RFC 6749 §3.1)
			continue
		}
		if _, again := f.values[name]; again && !slices.Contains(repeatable, name) {
			f.repeated = append(f.repeated, name)
			continue
		}
		f.values[name] = append(f.values[name], value)
	}
	return f, nil
}

// unescape decodes one name or value without control characters.
func unescape(s string) (string, bool) {
	s, ok := decode(s)
	return s, ok && !control(s)
}

func decode(s string) (string, bool) {
	if strings.ContainsAny(s, "%+;") {
		if strings.Contains(s, ";") { // once a separator like &
			return "", false
		}
		var err error
		if s, err = url.QueryUnescape(s); err != nil {
			return "", false
		}
	}
	return s, utf8.ValidString(s)
}

func control(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return true
		}
	}
	return false
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

// Repeated reports whether the parameter was sent more than once.
func (f Form) Repeated(name string) bool { return slices.Contains(f.repeated, name) }

// Repeats are the names of the parameters that were sent more than once and must not be.
func (f Form) Repeats() []string { return f.repeated }
