package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"
)

// hidden stands for a secret wherever one would be printed.
const hidden = "(hidden)"

// Key is 32 secret bytes. The zero Key is no key.
type Key struct{ bytes []byte }

// KeyBytes is the length of a Key.
const KeyBytes = 32

// Bytes returns a copy of the key, nil for the zero Key.
func (k Key) Bytes() []byte { return slices.Clone(k.bytes) }

// IsZero reports whether there is no key.
func (k Key) IsZero() bool { return len(k.bytes) == 0 }

// UnmarshalText implements encoding.TextUnmarshaler. It takes base64 in any of its
// alphabets and refuses keys that cannot have come from a random source.
func (k *Key) UnmarshalText(text []byte) error {
	k.bytes = nil
	s := strings.TrimRight(strings.TrimSpace(string(text)), "=")
	if s == "" {
		return nil
	}
	s = strings.NewReplacer("-", "+", "_", "/").Replace(s)
	b, err := base64.RawStdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != KeyBytes {
		return errors.New("is not 32 bytes in base64")
	}
	if guessable(b) {
		return errors.New("is not random: it is a default, a pattern or plain text")
	}
	k.bytes = b
	return nil
}

// guessable recognises zeros, repeated words, counted bytes and text. Of 32 random
// bytes, about 30 differ and about 20 are not printable; none of the tests refuses
// one random key in 10^12.
func guessable(b []byte) bool {
	seen, steps, text := map[byte]bool{}, map[byte]bool{}, true
	for i, c := range b {
		seen[c] = true
		if i > 0 {
			steps[c-b[i-1]] = true
		}
		text = text && c >= ' ' && c <= '~'
	}
	return text || len(seen) < 12 || len(steps) < 6
}

// Secret is a secret text.
type Secret struct{ text string }

// Reveal returns the secret.
func (s Secret) Reveal() string { return s.text }

// IsZero reports whether there is none.
func (s Secret) IsZero() bool { return s.text == "" }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Secret) UnmarshalText(text []byte) error {
	s.text = string(text)
	return nil
}

// SecretURL is a URL that may hold a user name and password. Printed, it shows
// neither them nor its query.
type SecretURL struct{ text string }

// Reveal returns the whole URL.
func (s SecretURL) Reveal() string { return s.text }

// IsZero reports whether there is none.
func (s SecretURL) IsZero() bool { return s.text == "" }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *SecretURL) UnmarshalText(text []byte) error {
	s.text = strings.TrimSpace(string(text))
	return nil
}

// redactURL shows scheme, host and path. A password with an unescaped /, ? or #
// shifts the borders of a URL, and then an @ is left behind them: nothing is shown
// of such a URL, nor of one that does not parse.
func redactURL(text string) string {
	if text == "" {
		return ""
	}
	if path, ok := strings.CutPrefix(text, "sqlite:"); ok && !strings.Contains(path, "@") {
		path, _, _ = strings.Cut(path, "?")
		return "sqlite:" + path
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Opaque != "" || strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") {
		return hidden
	}
	shown := u.Scheme + "://"
	if u.User != nil {
		shown += "***@"
	}
	shown += u.Host + u.EscapedPath()
	if u.RawQuery != "" {
		shown += "?***"
	}
	return shown
}

func mask(set bool) string {
	if !set {
		return ""
	}
	return hidden
}

// The methods below keep the three types out of every verb of fmt, of log/slog and of
// encoders that ask for text.

// String hides the key.
func (k Key) String() string { return mask(!k.IsZero()) }

// Format hides the key from every verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue hides the key.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText hides the key.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// String hides the secret.
func (s Secret) String() string { return mask(!s.IsZero()) }

// Format hides the secret from every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue hides the secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String shows the URL without its secret parts.
func (s SecretURL) String() string { return redactURL(s.text) }

// Format shows the URL without its secret parts, whatever the verb.
func (s SecretURL) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue shows the URL without its secret parts.
func (s SecretURL) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText shows the URL without its secret parts.
func (s SecretURL) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
