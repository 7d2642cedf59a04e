package router

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
)

var jsonCases = []struct {
	in  string
	err error
}{
	{`{}`, nil}, {` [1, -2.5e+3, "x", true, false, null, {"a":{"b":[]}}] `, nil}, {`"\u00e9\ud83d\ude00\n\/"`, nil}, {`0`, nil}, {`-0.1E-2`, nil},
	{`{"a":1,"A":2}`, nil}, {`[{"a":1},{"a":2}]`, nil},
	{``, errJSON}, {` `, errJSON}, {`{`, errJSON}, {`{"a"}`, errJSON}, {`{"a":}`, errJSON}, {`{"a":1,}`, errJSON}, {`[1,]`, errJSON}, {`[1 2]`, errJSON},
	{`{a:1}`, errJSON}, {`'a'`, errJSON}, {`01`, errTrailing}, {`1.`, errJSON}, {`.5`, errJSON}, {`+1`, errJSON}, {`1e`, errJSON}, {`-`, errJSON},
	{`NaN`, errJSON}, {`Infinity`, errJSON}, {`tru`, errJSON}, {`nul`, errJSON}, {"\"a\x01\"", errJSON}, {`"\x"`, errJSON}, {`"\u12"`, errJSON}, {`"a`, errJSON}, {`"a\`, errJSON},
	{`"\ud800"`, errJSON}, {`"\udc00"`, errJSON}, {`"\ud800\u0041"`, errJSON}, {`"\ud800x"`, errJSON}, {"\ufeff{}", errJSON}, {`// x`, errJSON},
	{`{"a":1,"a":2}`, errDuplicate}, {`{"a":1,"\u0061":2}`, errDuplicate}, {`[{"x":{"b":1,"b":1}}]`, errDuplicate},
	{`{} {}`, errTrailing}, {`1x`, errTrailing}, {`{}]`, errTrailing}, {"{}\x00", errTrailing},
	{"\"\xff\"", errUTF8}, {"\"\xc0\xaf\"", errUTF8}, {"\"\xed\xa0\x80\"", errUTF8},
}

func TestCheckJSON_RefusesInvalidDocuments(t *testing.T) {
	t.Parallel()
	for _, c := range jsonCases {
		if err := checkJSON([]byte(c.in)); !errors.Is(err, c.err) {
			t.Errorf("%q: %v, want %v", c.in, err, c.err)
		}
	}
	deep := bytes.Repeat([]byte("["), maxDepth+2)
	if err := checkJSON(deep); err != errDepth {
		t.Errorf("depth %d: %v", len(deep), err)
	}
}

// FuzzJSON: accepted input is also JSON for encoding/json, and is accepted again after encoding.
// Input that only encoding/json accepts is refused for a known reason.
func FuzzJSON(f *testing.F) {
	for _, c := range jsonCases {
		f.Add([]byte(c.in))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		err := checkJSON(b)
		if valid := json.Valid(b); err == nil && !valid {
			t.Fatalf("%q is accepted and is not JSON", b)
		} else if valid && err != nil {
			for _, reason := range []error{errUTF8, errDepth, errMembers, errDuplicate} {
				if err == reason {
					return
				}
			}
			if !bytes.Contains(b, []byte(`\u`)) { // a lone surrogate
				t.Fatalf("%q refused: %v", b, err)
			}
		}
		if err != nil {
			return
		}
		var v any
		if err := json.Unmarshal(b, &v); err != nil {
			return // a number out of range
		}
		again, _ := json.Marshal(v)
		if err := checkJSON(again); err != nil {
			t.Fatalf("%q became %q: %v", b, again, err)
		}
	})
}
