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

// hidden is printed in place of a secret.
const hidden = "(hidden)"

// Key is 32 secret bytes. The zero Key means that none is set.
type Key struct{ bytes []byte }

// KeyBytes is the length of a Key.
const KeyBytes = 32

// Bytes returns a copy of the key, nil for the zero Key.
func (k Key) Bytes() []byte { return slices.Clone(k.bytes) }

// IsZero reports whether no key is set.
func (k Key) IsZero() bool { return len(k.bytes) == 0 }

// UnmarshalText implements encoding.TextUnmarshaler. It accepts base64 in either alphabet and
// refuses keys that are not random.
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

// guessable recognises zeros, repeated words, counted bytes and text. It refuses fewer than one
// random key in 10^12: of 32 random bytes, about 30 differ and about 20 are not printable.
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

// SecretURL is a URL that may contain credentials. It is printed without them and without its
// query.
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

// redactURL returns scheme, host and path. A password with an unescaped /, ? or # is parsed as a
// path, query or fragment that contains an @: such a URL, and one that does not parse, is hidden
// as a whole.
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

// The methods below hide the three types in all verbs of fmt, in log/slog and in text encoders.

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
