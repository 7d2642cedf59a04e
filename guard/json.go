package guard

import (
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A parser of RFC 8259 JSON that is stricter than encoding/json: a name may occur once
// in an object, names are case-sensitive, text must be valid UTF-8, and escapes must
// form whole characters. Otherwise two parsers could read different claims from the
// same signed bytes (RFC 8725 section 2.4). It is also several times faster, which
// matters for every token that is not cached. FuzzJSON compares it with two parsers.

// maxDepth bounds the recursion of skip.
const maxDepth = 16

var (
	errSyntax    = errors.New("invalid JSON")
	errDuplicate = errors.New("duplicate name in an object")
	errValueType = errors.New("value of the wrong type")
)

// parser reads s. Its methods leave i after the value they read.
type parser struct {
	s     string
	i     int
	depth int
}

// next skips white space and returns the position of the next byte.
func (p *parser) next() int {
	for p.i < len(p.s) {
		switch p.s[p.i] {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return p.i
		}
	}
	return p.i
}

// accept skips white space and consumes c if it is next.
func (p *parser) accept(c byte) bool {
	if i := p.next(); i < len(p.s) && p.s[i] == c {
		p.i++
		return true
	}
	return false
}

// document reads an object that is all of s.
func (p *parser) document(member func(name string) error) error {
	err := p.object(member)
	if err == nil && p.next() != len(p.s) {
		err = errSyntax
	}
	return err
}

// object reads an object and calls member with each name; member must consume the
// value.
func (p *parser) object(member func(name string) error) error {
	if !p.accept('{') {
		return errValueType
	}
	if p.depth++; p.depth > maxDepth {
		return errSyntax
	}
	if p.accept('}') {
		p.depth--
		return nil
	}
	var seen names
	for {
		name, err := p.str()
		if err != nil {
			return err
		}
		if !seen.add(name) {
			return errDuplicate
		}
		if !p.accept(':') {
			return errSyntax
		}
		if err := member(name); err != nil {
			return err
		}
		if p.accept(',') {
			continue
		}
		if p.accept('}') {
			p.depth--
			return nil
		}
		return errSyntax
	}
}

// array reads an array and calls element for each element; element must consume it.
func (p *parser) array(element func() error) error {
	if !p.accept('[') {
		return errValueType
	}
	if p.depth++; p.depth > maxDepth {
		return errSyntax
	}
	if p.accept(']') {
		p.depth--
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if p.accept(',') {
			continue
		}
		if p.accept(']') {
			p.depth--
			return nil
		}
		return errSyntax
	}
}

// skip reads any value, as strictly as the other methods, and discards it.
func (p *parser) skip() error {
	i := p.next()
	if i >= len(p.s) {
		return errSyntax
	}
	switch p.s[i] {
	case '{':
		return p.object(func(string) error { return p.skip() })
	case '[':
		return p.array(p.skip)
	case '"':
		_, err := p.str()
		return err
	case 't', 'f', 'n':
		for _, word := range [...]string{"true", "false", "null"} {
			if strings.HasPrefix(p.s[i:], word) {
				p.i += len(word)
				return nil
			}
		}
		return errSyntax
	}
	_, err := p.number()
	return err
}

// number reads a number and returns its text.
func (p *parser) number() (string, error) {
	start := p.next()
	digits := func() bool {
		from := p.i
		for p.i < len(p.s) && p.s[p.i]-'0' <= 9 {
			p.i++
		}
		return p.i > from
	}
	at := func(c byte) bool { return p.i < len(p.s) && p.s[p.i] == c }
	if at('-') {
		p.i++
	}
	if at('0') {
		p.i++
	} else if !digits() {
		return "", errValueType
	}
	if at('.') {
		p.i++
		if !digits() {
			return "", errSyntax
		}
	}
	if at('e') || at('E') {
		p.i++
		if at('+') || at('-') {
			p.i++
		}
		if !digits() {
			return "", errSyntax
		}
	}
	return p.s[start:p.i], nil
}

// unescaped marks the bytes that a string may contain without an escape.
var unescaped = func() (t [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// str reads a string. Without escapes the result is a part of s.
func (p *parser) str() (string, error) {
	if !p.accept('"') {
		return "", errValueType
	}
	start, ascii := p.i, true
	for i := start; i < len(p.s); i++ {
		c := p.s[i]
		if unescaped[c] {
			continue
		}
		switch {
		case c == '"':
			p.i = i + 1
			out := p.s[start:i]
			if !ascii && !utf8.ValidString(out) {
				return "", errSyntax
			}
			return out, nil
		case c == '\\':
			p.i = i
			return p.escaped(start)
		case c < ' ':
			return "", errSyntax
		}
		ascii = false
	}
	return "", errSyntax
}

// escaped reads the rest of a string whose first backslash is at p.i.
func (p *parser) escaped(start int) (string, error) {
	out := []byte(p.s[start:p.i])
	for p.i < len(p.s) {
		c := p.s[p.i]
		p.i++
		switch {
		case c == '"':
			if !utf8.Valid(out) {
				return "", errSyntax
			}
			return string(out), nil
		case c < ' ':
			return "", errSyntax
		case c != '\\':
			out = append(out, c)
			continue
		}
		if p.i >= len(p.s) {
			return "", errSyntax
		}
		c = p.s[p.i]
		p.i++
		if c == 'u' {
			r, ok := p.unicode()
			if !ok {
				return "", errSyntax
			}
			out = utf8.AppendRune(out, r)
			continue
		}
		k := strings.IndexByte(`"\/bfnrt`, c)
		if k < 0 {
			return "", errSyntax
		}
		out = append(out, "\"\\/\b\f\n\r\t"[k])
	}
	return "", errSyntax
}

// unicode reads the digits after \u, and the second half of a surrogate pair.
func (p *parser) unicode() (rune, bool) {
	r, ok := p.hex4()
	if !ok || !utf16.IsSurrogate(r) {
		return r, ok
	}
	if !strings.HasPrefix(p.s[p.i:], `\u`) {
		return 0, false
	}
	p.i += 2
	low, ok := p.hex4()
	r = utf16.DecodeRune(r, low)
	return r, ok && r != utf8.RuneError
}

func (p *parser) hex4() (rune, bool) {
	if len(p.s)-p.i < 4 {
		return 0, false
	}
	var r rune
	for _, c := range []byte(p.s[p.i : p.i+4]) {
		r <<= 4
		switch {
		case c-'0' <= 9:
			r |= rune(c - '0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r |= rune(c|0x20-'a') + 10
		default:
			return 0, false
		}
	}
	p.i += 4
	return r, true
}

// names is the set of names of one object: a few in an array, many in a map, so that an
// object with thousands of names does not take quadratic time.
type names struct {
	few  [20]string
	n    int
	many map[string]struct{}
}

// add reports whether the name is new.
func (s *names) add(name string) bool {
	if s.many != nil {
		if _, dup := s.many[name]; dup {
			return false
		}
		s.many[name] = struct{}{}
		return true
	}
	for _, have := range s.few[:s.n] {
		if have == name {
			return false
		}
	}
	if s.n < len(s.few) {
		s.few[s.n] = name
		s.n++
		return true
	}
	s.many = make(map[string]struct{}, 4*len(s.few))
	for _, have := range s.few {
		s.many[have] = struct{}{}
	}
	s.many[name] = struct{}{}
	return true
}
