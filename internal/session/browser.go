package session

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// MaxAccounts bounds the accounts that are signed in in one browser.
const MaxAccounts = 5

// SignedIn is an account that is signed in in a browser: its session and its secret in the
// cookie.
type SignedIn struct {
	Session auth.Session
	Account auth.Account
	Secret  string
}

// ParseCookie splits the value of a session cookie, the secret of the current account first. It
// returns nil for a value that FormatCookie does not produce.
func ParseCookie(cookie string) []string {
	if len(cookie) > 1024 {
		return nil
	}
	list := strings.Split(cookie, ".")
	if len(list) > MaxAccounts {
		return nil
	}
	for i, v := range list {
		if !secret.Valid(Prefix, v) || slices.Contains(list[:i], v) {
			return nil
		}
	}
	return list
}

// FormatCookie returns the value of the cookie for the signed-in accounts, the current one first;
// empty without any.
func FormatCookie(browser []SignedIn) string {
	list := make([]string, len(browser))
	for i, v := range browser {
		list[i] = v.Secret
	}
	return strings.Join(list, ".")
}

// FindAll returns the live sessions of a cookie, the current one first. It skips unknown and
// ended ones. Its only errors are those of the database.
func (s *Service) FindAll(ctx context.Context, tenant auth.TenantID, cookie string) ([]SignedIn, error) {
	var out []SignedIn
	for _, one := range ParseCookie(cookie) {
		v, a, err := s.find(ctx, tenant, one)
		if auth.KindOf(err) == auth.KindUnauthenticated {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, SignedIn{Session: v, Account: a, Secret: one})
	}
	return out, nil
}

// SignOut ends one session of a browser, or all when which is empty. It returns those that ended
// and those that are left. A session that had ended before is in neither.
func (s *Service) SignOut(tx *store.Tx, browser []SignedIn, which auth.SessionID) (ended, left []SignedIn, err error) {
	for _, v := range browser {
		if which != "" && v.Session.ID != which {
			left = append(left, v)
			continue
		}
		err := tx.EndSession(v.Session.Account, v.Session.ID, auth.EndLogout)
		if errors.Is(err, auth.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		ended = append(ended, v)
	}
	return ended, left, nil
}
