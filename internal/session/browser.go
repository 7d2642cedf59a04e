package session

import (
	"context"
	"errors"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// MaxAccounts is how many accounts may be signed in side by side in one browser.
const MaxAccounts = 5

// Signed is one account that is signed in in a browser: its session there, and the
// secret that stands for it in the cookie.
type Signed struct {
	Session auth.Session
	Account auth.Account
	Secret  string
}

// FindAll returns the sessions that a cookie stands for and that may be used, the
// current one first. What is dead or was never ours is passed over; the only errors
// are those of the database. A cookie that is not exactly what Join writes stands for
// nothing.
func (s *Service) FindAll(ctx context.Context, db *store.DB, tenant auth.TenantID, cookie string) ([]Signed, error) {
	return nil, errors.ErrUnsupported
}
