package router

import (
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"
)

// Bounds on a JSON body in addition to its size. No operation comes near them.
const (
	maxDepth   = 32
	maxMembers = 4096
)

var (
	errJSON      = errors.New("body: want JSON (RFC 8259)")
	errUTF8      = errors.New("body: want UTF-8")
	errDepth     = errors.New("body: at most " + strconv.Itoa(maxDepth) + " nested levels")
	errMembers   = errors.New("body: at most " + strconv.Itoa(maxMembers) + " members")
	errDuplicate = errors.New("body: each member at most once")
	errTrailing  = errors.New("body: nothing after the JSON value")
)

// checkJSON accepts one JSON text (RFC 8259) that all parsers read alike: valid UTF-8, no duplicate
// member in an object, no lone surrogate, nothing after the value, bounded depth and members. It
// allocates only for objects, so hostile input costs one pass.
func checkJSON(b []byte) error {
	if !utf8.Valid(b) {
		return errUTF8
	}
	c := checker{b: b}
	if err := c.value(0); err != nil {
		return err
	}
	if c.space(); c.i != len(b) {
		return errTrailing
	}
	return nil
}

type checker struct {
	b       []byte
	i       int
	members int
}

func (c *checker) space() {
	for c.i < len(c.b) && (c.b[c.i] == ' ' || c.b[c.i] == '\t' || c.b[c.i] == '\n' || c.b[c.i] == '\r') {
		c.i++
	}
}

// peek skips white space and returns the next byte, or 0 at the end.
func (c *checker) peek() byte {
	c.space()
	if c.i < len(c.b) {
		return c.b[c.i]
	}
	return 0
}

func (c *checker) value(depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	switch ch := c.peek(); {
	case ch == '{':
		return c.object(depth)
	case ch == '[':
		return c.array(depth)
	case ch == '"':
		return c.str()
	case ch == 't':
		return c.word("true")
	case ch == 'f':
		return c.word("false")
	case ch == 'n':
		return c.word("null")
	case ch == '-' || digit(ch):
		return c.number()
	}
	return errJSON
}

func (c *checker) word(w string) error {
	if len(c.b)-c.i < len(w) || string(c.b[c.i:c.i+len(w)]) != w {
		return errJSON
	}
	c.i += len(w)
	return nil
}

func (c *checker) object(depth int) error {
	c.i++ // the brace
	if c.peek() == '}' {
		c.i++
		return nil
	}
	seen := map[string]struct{}{}
	for {
		if c.members++; c.members > maxMembers {
			return errMembers
		}
		if err := c.name(seen); err != nil {
			return err
		}
		if c.peek() != ':' {
			return errJSON
		}
		c.i++
		if err := c.value(depth + 1); err != nil {
			return err
		}
		if done, err := c.next('}'); done || err != nil {
			return err
		}
	}
}

// name reads a member's name. Escapes make no difference: "a" and "\u0061" are one name.
func (c *checker) name(seen map[string]struct{}) error {
	if c.peek() != '"' {
		return errJSON
	}
	start := c.i
	if err := c.str(); err != nil {
		return err
	}
	var name string
	if err := json.Unmarshal(c.b[start:c.i], &name); err != nil {
		return errJSON
	}
	if _, duplicate := seen[name]; duplicate {
		return errDuplicate
	}
	seen[name] = struct{}{}
	return nil
}

func (c *checker) array(depth int) error {
	c.i++ // the bracket
	if c.peek() == ']' {
		c.i++
		return nil
	}
	for {
		if err := c.value(depth + 1); err != nil {
			return err
		}
		if done, err := c.next(']'); done || err != nil {
			return err
		}
	}
}

// next reads the comma between two elements, or the end.
func (c *checker) next(end byte) (done bool, err error) {
	switch c.peek() {
	case end:
		c.i++
		return true, nil
	case ',':
		c.i++
		return false, nil
	}
	return false, errJSON
}

func (c *checker) str() error {
	c.i++ // the quote
	for c.i < len(c.b) {
		switch ch := c.b[c.i]; {
		case ch == '"':
			c.i++
			return nil
		case ch < 0x20:
			return errJSON
		case ch == '\\':
			if err := c.escape(); err != nil {
				return err
			}
		default:
			c.i++
		}
	}
	return errJSON
}

// escape refuses a lone surrogate: parsers replace it, so two different passwords could become the
// same.
func (c *checker) escape() error {
	if c.i+1 >= len(c.b) {
		return errJSON
	}
	switch c.b[c.i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		c.i += 2
		return nil
	case 'u':
		return c.unicode()
	}
	return errJSON
}

func (c *checker) unicode() error {
	u, ok := c.hex(c.i)
	if !ok || u >= 0xdc00 && u <= 0xdfff {
		return errJSON
	}
	c.i += 6
	if u >= 0xd800 && u <= 0xdbff {
		low, ok := c.hex(c.i)
		if !ok || low < 0xdc00 || low > 0xdfff {
			return errJSON
		}
		c.i += 6
	}
	return nil
}

// hex reads the escape \uXXXX at i.
func (c *checker) hex(i int) (u int, ok bool) {
	if len(c.b)-i < 6 || c.b[i] != '\\' || c.b[i+1] != 'u' {
		return 0, false
	}
	for _, ch := range c.b[i+2 : i+6] {
		switch {
		case digit(ch):
			u = u<<4 | int(ch-'0')
		case ch|0x20 >= 'a' && ch|0x20 <= 'f':
			u = u<<4 | int(ch|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return u, true
}

func (c *checker) number() error {
	if c.at('-') {
		c.i++
	}
	switch {
	case c.at('0'):
		c.i++
	case !c.digits():
		return errJSON
	}
	if c.at('.') {
		if c.i++; !c.digits() {
			return errJSON
		}
	}
	if c.at('e') || c.at('E') {
		if c.i++; c.at('+') || c.at('-') {
			c.i++
		}
		if !c.digits() {
			return errJSON
		}
	}
	return nil
}

func (c *checker) at(ch byte) bool { return c.i < len(c.b) && c.b[c.i] == ch }

// digits reads one or more digits, and reports whether there are any.
func (c *checker) digits() bool {
	start := c.i
	for c.i < len(c.b) && digit(c.b[c.i]) {
		c.i++
	}
	return c.i > start
}

func digit(ch byte) bool { return ch >= '0' && ch <= '9' }
