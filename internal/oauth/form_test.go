package oauth_test

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/watchword-auth/watchword/internal/oauth"
)

var badForms = []string{
	"a=1&a=2", "a=1&%61=2", "a=&a=1&a=2", "a=%", "a=%zz", "a=1;b=2", "=1", "a=%00", "a=%0a", "a=\xff", "a=%ff", "%0d%0aSet=1",
	"resource=x&client_id=a&client_id=b", strings.Repeat("x=1&", 2), "a=\x7f",
}

// TK-16: an ambiguous form is refused.
func TestAttack_TK_16_Form(t *testing.T) {
	t.Parallel()
	for _, body := range badForms {
		if _, err := oauth.ParseForm(body); err == nil {
			t.Errorf("%q was accepted", body)
		}
	}
	f, err := oauth.ParseForm("grant_type=a+b%26&&x&empty=&resource=https%3A%2F%2Fa&resource=&resource=b&%C3%A9=%E2%82%AC")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"grant_type": "a b&", "x": "", "empty": "", "none": "", "é": "€"} {
		if got := f.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got := f.All("resource"); !slices.Equal(got, []string{"https://a", "b"}) {
		t.Errorf("resources %q", got)
	}
	many := make([]string, 100)
	for i := range many {
		many[i] = "p" + strings.Repeat("q", i) + "=1"
	}
	if _, err := oauth.ParseForm(strings.Join(many, "&")); err == nil {
		t.Error("a hundred parameters were accepted")
	}
}

// A refusal names a repeated parameter of the protocol, and repeats nothing else of the form.
func TestRefusalNamesTheRepeatedParameter(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"scope=a&scope=b": "scope: want each parameter at most once", "%3Cb%3E=1&%3Cb%3E=2": "form: want each parameter at most once",
	} {
		if _, err := oauth.ParseForm(body); err == nil || err.Error() != "invalid_request: "+want {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// FuzzForm: net/url parses an accepted form to the same values, which are plain text.
func FuzzForm(f *testing.F) {
	for _, body := range append(badForms, "a=1&b=2", "resource=a&resource=b", "a+b=%2B") {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		form, err := oauth.ParseForm(body)
		if err != nil {
			return
		}
		theirs, err := url.ParseQuery(body)
		if err != nil {
			t.Fatalf("%q was accepted, but net/url returns %v", body, err)
		}
		for name, values := range theirs {
			if values = slices.DeleteFunc(values, func(v string) bool { return v == "" }); len(values) == 0 {
				values = []string{""} // a parameter without a value is left out
			}
			if form.Get(name) != values[0] || len(values) > 1 && name != "resource" && name != "audience" {
				t.Fatalf("%q: %s is %q, but net/url has %q", body, name, form.Get(name), values)
			}
			if !utf8.ValidString(values[0]) || name != "state" && name != "nonce" && strings.ContainsAny(values[0], "\x00\r\n") {
				t.Fatalf("%q: the value %q", body, values[0])
			}
		}
	})
}

func TestParseBasic(t *testing.T) {
	t.Parallel()
	b64 := base64.StdEncoding.EncodeToString
	for _, c := range []struct {
		header, id, secret string
		ok                 bool
	}{
		{"Basic " + b64([]byte("a:b")), "a", "b", true},
		{"bAsIc  " + b64([]byte("a:b")), "a", "b", true},
		{"Basic " + b64([]byte("a%3Ab:c%25%2B+d%26%C3%A9")), "a:b", "c%+ d&é", true},
		{"Basic " + b64([]byte("a:b:c")), "a", "b:c", true},
		{"Basic " + b64([]byte("a:")), "a", "", true},
		{"Basic " + b64([]byte("https://app.test/client:")), "https://app.test/client", "", true},
		{"Basic " + b64([]byte("https%3A%2F%2Fapp.test%2Fclient:")), "https://app.test/client", "", true},
		{"Basic " + b64([]byte(":b")), "", "", false},
		{"Basic " + b64([]byte("a")), "", "", false},
		{"Basic " + b64([]byte("a:%zz")), "", "", false},
		{"Basic " + b64([]byte("a:b\x00")), "", "", false},
		{"Basic " + b64([]byte("a:b\xff")), "", "", false},
		{"Basic YTpiYw", "", "", false}, {"Basic YTpi=", "", "", false}, {"Basic YTp\niYg==", "", "", false}, {"Basic", "", "", false}, {"Bearer YTpi", "", "", false}, {"", "", "", false},
		{"Basic " + b64([]byte("a:"+strings.Repeat("b", 9000))), "", "", false},
	} {
		id, secret, ok := oauth.ParseBasic(c.header)
		if ok != c.ok || ok && (id != c.id || secret != c.secret) {
			t.Errorf("%q: %q %q %v", c.header, id, secret, ok)
		}
	}
}

// FuzzBasic: parsed credentials that are encoded as the RFC requires are parsed to the same values.
func FuzzBasic(f *testing.F) {
	f.Add("Basic YTpi")
	f.Add("Basic YSUzQTolMjU=")
	f.Fuzz(func(t *testing.T, header string) {
		id, secret, ok := oauth.ParseBasic(header)
		if !ok {
			return
		}
		again := "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
		id2, secret2, ok := oauth.ParseBasic(again)
		if len(again) <= 8192 && (!ok || id2 != id || secret2 != secret) {
			t.Fatalf("%q gives %q %q, written again %q %q %v", header, id, secret, id2, secret2, ok)
		}
	})
}

// RFC 6749 §3.1: a parameter without a value counts as absent, also when the same parameter is
// sent with a value.
func TestRepair_B13_EmptyParameters(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"scope=&scope=a", "scope&scope=a&scope=", "scope=a&&scope", "scope=a&state=&state"} {
		f, err := oauth.ParseForm(body)
		if err != nil || f.Get("scope") != "a" || f.Get("state") != "" {
			t.Errorf("%q: %v, scope %q", body, err, f.Get("scope"))
		}
	}
}
