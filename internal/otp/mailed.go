package otp

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/watchword-auth/watchword/internal/secret"
)

// mailedDigits is the number of digits of a mailed code.
const mailedDigits = 6

// mailedLetters is the number of characters of a mailed code that stands for a password.
const mailedLetters = 8

// MailedCode returns the code of six digits that belongs to these values. It is derived from the
// key, so that it can be mailed again and is stored nowhere.
func MailedCode(key []byte, values ...string) string {
	return fmt.Sprintf("%0*d", mailedDigits, binary.BigEndian.Uint64(mailedMAC(key, values))%1_000_000)
}

// EqualMailedCode reports whether a user has typed the code, with spaces, dashes or digits of another
// script. It takes the same time for each wrong code.
func EqualMailedCode(code, typed string) bool {
	return len(typed) <= 64 && secret.Equal(code, digits(typed))
}

// MailedLetters is MailedCode for a code that stands for a password: 40 bits, with characters and
// form of recovery codes.
func MailedLetters(key []byte, values ...string) string {
	var out strings.Builder
	for i, b := range mailedMAC(key, values)[:mailedLetters] {
		if i > 0 && i%4 == 0 {
			out.WriteByte('-')
		}
		out.WriteByte(alphabet[b%32])
	}
	return out.String()
}

// CanonicalMailedLetters reads a code that a user has typed or a link holds. It reports false for
// text that is not a code.
func CanonicalMailedLetters(typed string) (string, bool) { return canonical(typed, mailedLetters) }

func mailedMAC(key []byte, values []string) []byte {
	parts := make([][]byte, len(values))
	for i, v := range values {
		parts[i] = []byte(v)
	}
	return secret.MAC(key, parts...)
}
