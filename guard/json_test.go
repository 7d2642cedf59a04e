package guard

import (
	"strings"
	"testing"
)

func TestValidObject_RefusesLaxJSON(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		`{}`: true, ` { } `: true, `{"a":1}`: true, `{"a":{"b":[1,2,{"c":null}]},"d":true}`: true,
		`{"a":-0.5e+10}`: true, `{"a":"\u00e9\ud83d\ude00\n\/"}`: true, "{\"a\":\"é😀\"}": true,
		``: false, `{`: false, `}`: false, `[]`: false, `"a"`: false, `null`: false, `{}{}`: false, `{} x`: false,
		`{"a":1,}`: false, `{,}`: false, `{"a"}`: false, `{"a":}`: false, `{a:1}`: false, `{'a':1}`: false,
		`{"a":1,"a":1}`: false, `{"a":1,"\u0061":2}`: false, `{"x":{"a":1,"a":2}}`: false, `{"x":[{"a":1,"a":2}]}`: false,
		`{"a":01}`: false, `{"a":+1}`: false, `{"a":1.}`: false, `{"a":.5}`: false, `{"a":1e}`: false, `{"a":0x1}`: false,
		`{"a":NaN}`: false, `{"a":tru}`: false, `{"a":nul}`: false, `{"a":[1,]}`: false, `{"a":[1 2]}`: false,
		`{"a":"\ud800"}`: false, `{"a":"\udc00\ud800"}`: false, `{"a":"\u12"}`: false, `{"a":"\x"}`: false, `{"a":"`: false,
		"{\"a\":\"\n\"}": false, "{\"a\":\"\xff\"}": false, "{\"\xff\":1}": false, "\ufeff{}": false,
		"{\"a\":\"\\n\xff\"}": false, `{"a":1} /* c */`: false,
		strings.Repeat(`{"a":`, maxDepth) + "1" + strings.Repeat("}", maxDepth):     true,
		strings.Repeat(`{"a":`, maxDepth+1) + "1" + strings.Repeat("}", maxDepth+1): false,
	} {
		if got := validObject(text); got != ok {
			t.Errorf("%.80q: %v", text, got)
		}
	}
	// More names than fit the array: repeated early, late, and not at all.
	many := func(names ...string) string { return `{"` + strings.Join(names, `":1,"`) + `":1}` }
	var names []string
	for i := range 50 {
		names = append(names, strings.Repeat("n", i+1))
	}
	if !validObject(many(names...)) || validObject(many(append(names, "n")...)) || validObject(many(append(names, names[49])...)) {
		t.Error("many names")
	}
}

func validObject(text string) bool {
	p := parser{s: text}
	return p.next() < len(text) && text[p.i] == '{' && p.skip() == nil && p.next() == len(text)
}

func TestParseClaims_RefusesWrongTypes(t *testing.T) {
	t.Parallel()
	for _, change := range []map[string]any{
		{"sub": 7}, {"sub": nil}, {"sub": ""}, {"scope": []string{"a"}}, {"scope": "a  b"}, {"scope": " a"}, {"roles": "admin"},
		{"roles": []any{"a", 1}}, {"roles": map[string]any{}}, {"permissions": "x"}, {"amr": "pwd"}, {"acr": 1}, {"sid": []int{}},
		{"auth_time": "yesterday"}, {"client_id": []string{"a"}}, {"jti": 5}, {"iat": true}, {"nbf": "1"},
	} {
		if _, err := parseClaims(validPayload(change)); err == nil {
			t.Errorf("%v is accepted", change)
		}
	}
	c, err := parseClaims(validPayload(map[string]any{"sub": "ü\"😀\\", "roles": []string{}, "exp": 4102444800.9}))
	if err != nil || c.Subject != "ü\"😀\\" || len(c.Roles) != 0 || c.ExpiresAt.Unix() != 4102444800 {
		t.Error(c, err)
	}
	if _, err := parseClaims(strings.Replace(validPayload(nil), `"sub":`, `"sub":"root","sub":`, 1)); err == nil {
		t.Error("two subjects are accepted")
	}
	if _, err := parseClaims(validPayload(nil) + " {}"); err == nil {
		t.Error("trailing data is accepted")
	}
}
