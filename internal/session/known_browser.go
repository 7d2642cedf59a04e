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

// A known browser is one in which the password of an account was entered or reset. Its cookie
// names up to MaxAccounts accounts, each by a MAC over the login. It gives no rights: failed
// sign-ins of that browser are counted apart from those of unknown ones (a device cookie in
// the words of OWASP). A new password makes all browsers unknown.

const (
	knownNameSize = 10 // random bytes that name the browser
	knownTimeSize = 6  // milliseconds
	knownMACSize  = 16
	knownSize     = knownNameSize + knownTimeSize + knownMACSize
	// knownLifetime is as long as browsers keep a cookie (RFC 6265bis §5.5).
	knownLifetime = 400 * 24 * time.Hour
)

// IssueKnownBrowser returns the known-browser cookie after the owner of the login has
// authenticated. It keeps the accounts that the cookie named before, newest first.
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

// VerifyKnownBrowser returns the name of a browser that its cookie makes known to the login, and
// empty for every other one. Only for a genuine cookie it reads the database, for whether the
// password has changed since.
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
			return "", fmt.Errorf("recognize browser: %w", err)
		}
		if good && now.Sub(at) < knownLifetime {
			return secret.Encode(raw[:knownNameSize]), nil
		}
		return "", nil
	}
	return "", nil
}

func (s *Service) checkKnownMAC(tenant auth.TenantID, login string, raw []byte) bool {
	said, mac := raw[:knownNameSize+knownTimeSize], raw[knownNameSize+knownTimeSize:]
	return secret.Equal(string(mac), string(s.knownMAC(tenant, login, said)))
}

func (s *Service) knownMAC(tenant auth.TenantID, login string, said []byte) []byte {
	return secret.MAC(s.known, []byte(tenant), []byte(login), said)[:knownMACSize]
}
