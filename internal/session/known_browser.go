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

// A browser in which somebody has shown the password of an account, or has reset it, is known
// to that account. Its cookie says so for up to MaxAccounts accounts, each by a MAC over the
// login. It gives no rights: it only counts failed sign-ins of that browser apart from those of
// strangers (OWASP calls it a device cookie). A new password ends what was known before.

const (
	knownNameSize = 10 // random bytes that name the browser
	knownTimeSize = 6  // milliseconds
	knownMACSize  = 16
	knownSize     = knownNameSize + knownTimeSize + knownMACSize
	// knownLifetime is as long as browsers keep a cookie (RFC 6265bis §5.5).
	knownLifetime = 400 * 24 * time.Hour
)

// IssueKnownBrowser returns the cookie of a browser in which the owner of the login has just proved who
// they are. The accounts to which it was known before stay in it, the newest first.
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

// VerifyKnownBrowser returns the name of a browser that is known to the login by its cookie, and empty
// for any other. Only for a cookie of our making it asks the database, whether the password is
// still that of then.
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
