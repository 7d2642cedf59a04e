package session

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// A known browser is one in which the password of an account was entered or reset, or another factor
// of it was used. Its cookie contains up to MaxAccounts entries, each with a MAC over the login. It gives no rights: failed
// sign-ins of that browser are counted apart from those of unknown browsers (OWASP: device
// cookies). A new password makes all browsers unknown.

const (
	knownNameSize = 10 // random bytes that identify the browser
	knownTimeSize = 6  // milliseconds
	knownMACSize  = 16
	knownSize     = knownNameSize + knownTimeSize + knownMACSize
	// knownLifetime is the longest lifetime of a cookie in browsers (RFC 6265bis §5.5).
	knownLifetime = 400 * 24 * time.Hour
)

// IssueKnownBrowser returns the known-browser cookie after the owner of the login has
// authenticated. It keeps the entries of the former cookie, newest first.
func (s *Service) IssueKnownBrowser(tenant auth.TenantID, login, cookie string, now time.Time) secret.Text {
	b := secret.Bytes(knownNameSize)
	b = append(b, binary.BigEndian.AppendUint64(nil, uint64(now.UnixMilli()))[8-knownTimeSize:]...)
	list := []string{secret.Encode(append(b, s.knownMAC(tenant, login, b)...))}
	for entry := range strings.SplitSeq(cookie, ".") {
		raw, err := secret.Decode(entry)
		if err == nil && len(raw) == knownSize && !s.checkKnownMAC(tenant, login, raw) && !slices.Contains(list, entry) && len(list) < MaxAccounts {
			list = append(list, entry)
		}
	}
	return secret.Text(strings.Join(list, "."))
}

// VerifyKnownBrowser returns the identifier of a known browser of the login, and empty for any
// other browser. It reads the database only for a cookie with a valid MAC, to check that the
// password has not changed since.
func (s *Service) VerifyKnownBrowser(ctx context.Context, tenant auth.TenantID, login, cookie string) (string, error) {
	if login == "" || cookie == "" || len(cookie) > 1024 {
		return "", nil
	}
	for entry := range strings.SplitSeq(cookie, ".") {
		raw, err := secret.Decode(entry)
		if err != nil || len(raw) != knownSize || !s.checkKnownMAC(tenant, login, raw) {
			continue
		}
		at := time.UnixMilli(int64(binary.BigEndian.Uint64(append(make([]byte, 8-knownTimeSize), raw[knownNameSize:knownNameSize+knownTimeSize]...))))
		good, now := false, time.Time{}
		err = s.db.ReadOne(ctx, tenant, func(tx *store.Tx) error {
			since, err := tx.PasswordSetAt(login)
			good, now = err == nil && !at.Before(since), tx.Now
			return err
		})
		if err != nil && !errors.Is(err, auth.ErrNotFound) {
			return "", fmt.Errorf("verify known browser: %w", err)
		}
		if good && now.Sub(at) < knownLifetime {
			return secret.Encode(raw[:knownNameSize]), nil
		}
		return "", nil
	}
	return "", nil
}

func (s *Service) checkKnownMAC(tenant auth.TenantID, login string, raw []byte) bool {
	payload, mac := raw[:knownNameSize+knownTimeSize], raw[knownNameSize+knownTimeSize:]
	return secret.Equal(string(mac), string(s.knownMAC(tenant, login, payload)))
}

func (s *Service) knownMAC(tenant auth.TenantID, login string, payload []byte) []byte {
	return secret.MAC(s.knownBrowserKey, []byte(tenant), []byte(login), payload)[:knownMACSize]
}
