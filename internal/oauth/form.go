package oauth

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// Form is a form body in which each parameter occurs once (RFC 6749 §3.2). An empty value counts as absent
// (§3.1).
type Form struct {
	values   map[string][]string
	repeated []string // repeated parameters, set by ParseAuthorizeForm
}

// repeatableParameters may be sent more than once (RFC 8707 §2, RFC 8693 §2.1).
var repeatableParameters = []string{"resource", "audience"}

// opaqueParameters are returned to the client as they came, so they may hold any character. Every
// response encodes them.
var opaqueParameters = []string{"state", "nonce"}

const maxParameters = 64

// ParseForm parses a body of application/x-www-form-urlencoded. It refuses as invalid_request what two
// parsers might understand differently: a repeated parameter, a broken escape, a bare semicolon, text that
// is not UTF-8, control characters (except in state and nonce).
func ParseForm(body string) (Form, error) {
	f, err := ParseAuthorizeForm(body)
	if err != nil {
		return Form{}, err
	}
	if err := f.CheckRepeats(); err != nil {
		return Form{}, err
	}
	return f, nil
}

// ParseAuthorizeForm is ParseForm for the authorization endpoint. A repeated parameter is refused later,
// when the recipient of the refusal is known: the client, or only the user for client_id and redirect_uri.
func ParseAuthorizeForm(text string) (Form, error) {
	f := Form{values: map[string][]string{}}
	n := 0
	for part := range strings.SplitSeq(text, "&") {
		if part == "" {
			continue
		}
		if n++; n > maxParameters {
			return Form{}, Refuse(InvalidRequest, fmt.Sprintf("form: want at most %d parameters", maxParameters))
		}
		name, value, _ := strings.Cut(part, "=")
		name, ok := unescape(name)
		value, valueOK := decode(value)
		if !ok || !valueOK || name == "" || !slices.Contains(opaqueParameters, name) && hasControl(value) {
			return Form{}, Refuse(InvalidRequest, "form: want application/x-www-form-urlencoded")
		}
		if value == "" { // counts as absent (RFC 6749 §3.1)
			continue
		}
		if _, again := f.values[name]; again && !slices.Contains(repeatableParameters, name) {
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
	return s, ok && !hasControl(s)
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

func hasControl(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return true
		}
	}
	return false
}

// Get returns the value of a parameter, or empty.
func (f Form) Get(name string) string {
	if vs := f.values[name]; len(vs) > 0 {
		return vs[0]
	}
	return ""
}

// All returns every value of a parameter that may be repeated.
func (f Form) All(name string) []string {
	return slices.DeleteFunc(slices.Clone(f.values[name]), func(v string) bool { return v == "" })
}

// Repeated reports whether the parameter was sent more than once.
func (f Form) Repeated(name string) bool { return slices.Contains(f.repeated, name) }

// CheckRepeats refuses repeated parameters (RFC 6749 §3.1). The refusal names the first one if that is a
// word, since a description repeats nothing else of what was sent.
func (f Form) CheckRepeats() *Error {
	if len(f.repeated) == 0 {
		return nil
	}
	name := f.repeated[0]
	if len(name) > 40 || strings.ContainsFunc(name, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
		name = "form"
	}
	return Refuse(InvalidRequest, name+": want each parameter at most once")
}
