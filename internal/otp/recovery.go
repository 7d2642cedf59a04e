package otp

import (
	"strings"

	"github.com/watchword-auth/watchword/internal/secret"
)

// RecoveryCodes is how many recovery codes a user gets at once.
const RecoveryCodes = 10

// alphabet is Crockford's base32: no I, L, O and U, which are misread.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const recoveryLength = 16 // characters of five bits

// NewRecoveryCode returns a new recovery code of 80 random bits, in groups of four.
func NewRecoveryCode() string {
	var out strings.Builder
	for i, b := range secret.Bytes(recoveryLength) {
		if i > 0 && i%4 == 0 {
			out.WriteByte('-')
		}
		out.WriteByte(alphabet[b%32])
	}
	return out.String()
}

// CanonicalRecoveryCode returns what a user typed in the form of NewRecoveryCode: upper case, in
// groups, with the characters that are taken for others replaced. It reports whether the result
// has that form.
func CanonicalRecoveryCode(code string) (string, bool) { return canonical(code, recoveryLength) }

// canonical reads a code of the given length in the form of NewRecoveryCode.
func canonical(code string, length int) (string, bool) {
	if len(code) > 4*length {
		return "", false
	}
	var out strings.Builder
	n := 0
	for _, r := range strings.ToUpper(code) {
		switch r {
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		case '-', '–', '—', '‐', '‑', ' ', '\t', '\n', '\r', '\u00a0':
			continue
		}
		if r > 'Z' || !strings.ContainsRune(alphabet, r) {
			return "", false
		}
		if n > 0 && n%4 == 0 {
			out.WriteByte('-')
		}
		out.WriteRune(r)
		n++
	}
	return out.String(), n == length
}

// RecoveryDigest returns the digest under which a canonical recovery code is stored. Without the
// server's key the digest tells nothing about the code.
func RecoveryDigest(key []byte, tenant, account, code string) string {
	return secret.Encode(secret.MAC(key, []byte(tenant), []byte(account), []byte(code)))
}
