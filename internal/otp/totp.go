// Package otp makes and checks the codes that a user types as a second factor: time-based one-time
// passwords (TOTP, RFC 6238), recovery codes and mailed codes.
//
// It does not remember which codes were used. The caller stores the step that Match returns, and
// consumes recovery codes.
package otp

import (
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/boombuler/barcode/qr"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"github.com/watchword-auth/watchword/internal/secret"
)

// Algorithm is the hash function of a TOTP authenticator, as the otpauth URI names it.
type Algorithm string

// The hash functions of RFC 6238 §1.2.
const (
	SHA1   Algorithm = "SHA1"
	SHA256 Algorithm = "SHA256"
	SHA512 Algorithm = "SHA512"
)

// TOTP is the secret of a TOTP authenticator with its parameters.
type TOTP struct {
	Seed      []byte // the shared secret K
	Algorithm Algorithm
	Digits    int // 6 to 8
	Period    time.Duration
}

// seedSize is the length that RFC 4226 §4 recommends: 160 bits.
const seedSize = 20

// skew is the number of steps before and after the present one whose codes are accepted, for
// clocks that differ and users who type slowly (RFC 6238 §5.2).
const skew = 1

// NewTOTP returns a new secret with the parameters that every authenticator app supports.
func NewTOTP() TOTP {
	return TOTP{Seed: secret.Bytes(seedSize), Algorithm: SHA1, Digits: 6, Period: 30 * time.Second}
}

// Match checks a code at the given time. It accepts the codes of the present step and of one step
// before and after it, if the step is later than last, the step of the newest code that was used.
// It returns the step of the code. The code may have spaces, dashes and digits of any script.
func (t TOTP) Match(code string, now time.Time, last int64) (step int64, ok bool) {
	code = digits(code)
	if len(code) != t.Digits {
		return 0, false
	}
	seed, present := t.Secret(), now.Unix()/int64(t.Period/time.Second)
	for s := present - skew; s <= present+skew; s++ { // always all of them, in the same time
		want, err := t.code(seed, s)
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && s > last && !ok {
			step, ok = s, true
		}
	}
	return step, ok
}

var algorithms = map[Algorithm]otp.Algorithm{SHA1: otp.AlgorithmSHA1, SHA256: otp.AlgorithmSHA256, SHA512: otp.AlgorithmSHA512}

// code returns the code of a step (RFC 4226 §5.3). The seed is in base32.
func (t TOTP) code(seed string, step int64) (string, error) {
	if step < 0 {
		return "", fmt.Errorf("step %d is before the epoch", step)
	}
	algorithm, ok := algorithms[t.Algorithm]
	if !ok {
		return "", fmt.Errorf("algorithm %q: want SHA1, SHA256 or SHA512", t.Algorithm)
	}
	return hotp.GenerateCodeCustom(seed, uint64(step), hotp.ValidateOpts{Digits: otp.Digits(t.Digits), Algorithm: algorithm})
}

var base32Encoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// Secret returns the seed in base32, as a user types it into an app that has no camera.
func (t TOTP) Secret() string { return base32Encoding.EncodeToString(t.Seed) }

// URI returns the otpauth URI that authenticator apps read from a QR code. Apps show issuer and
// account, so that the user finds the code.
func (t TOTP) URI(issuer, account string) string {
	// Apps split the label at its first colon, so none may stand in the names.
	// Several apps show a plus sign for a space.
	escape := func(s string) string {
		return strings.ReplaceAll(url.QueryEscape(strings.TrimSpace(strings.ReplaceAll(s, ":", " "))), "+", "%20")
	}
	return fmt.Sprintf("otpauth://totp/%s:%s?secret=%s&issuer=%s&algorithm=%s&digits=%d&period=%d",
		escape(issuer), escape(account), t.Secret(), escape(issuer), t.Algorithm, t.Digits, t.Period/time.Second)
}

// QR returns the path data of an SVG that shows text as a QR code, and the width of its square
// viewBox. The path is drawn in units of one module, with the quiet zone of four modules.
func QR(text string) (path string, width int, err error) {
	const quietZone = 4
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return "", 0, fmt.Errorf("encode QR code: %w", err)
	}
	b := code.Bounds()
	var out strings.Builder
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; {
			from := x
			for x < b.Max.X && isDark(code.At(x, y).RGBA()) {
				x++
			}
			if x == from {
				x++
				continue
			}
			fmt.Fprintf(&out, "M%d %dh%dv1h-%dz", from+quietZone, y+quietZone, x-from, x-from)
		}
	}
	return out.String(), b.Dx() + 2*quietZone, nil
}

func isDark(r, _, _, _ uint32) bool { return r < 0x8000 }

// digits returns the decimal digits of a code as ASCII, without spaces and dashes. Any other
// character stays, so that the code matches nothing.
func digits(code string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.Is(unicode.Pd, r):
			return -1
		case unicode.IsDigit(r):
			return '0' + digitValue(r)
		}
		return r
	}, code)
}

// digitValue returns the value of a decimal digit. Unicode has the ten digits of each script in
// one row, and every row starts right after a character that is no digit, or after another row.
func digitValue(r rune) rune {
	for _, table := range unicode.Nd.R16 {
		if rune(table.Lo) <= r && r <= rune(table.Hi) {
			return (r - rune(table.Lo)) % 10
		}
	}
	for _, table := range unicode.Nd.R32 {
		if rune(table.Lo) <= r && r <= rune(table.Hi) {
			return (r - rune(table.Lo)) % 10
		}
	}
	return 0
}
