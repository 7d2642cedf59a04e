package account

import (
	"context"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// newAttempt returns an attempt of the actor that counts against the account with the id.
func newAttempt(rule string, tenant auth.TenantID, id string, actor auth.Actor) limit.Attempt {
	return limit.Attempt{Rule: rule, Account: string(tenant) + "|" + id, Session: string(actor.Session), Addr: actor.Addr()}
}

// newMailAttempt returns the attempt of an unauthenticated request to mail the owner of a
// login, which need not exist.
func (s *Service) newMailAttempt(ctx context.Context, rule string, tenant auth.TenantID, login string, actor auth.Actor) (limit.Attempt, error) {
	a := newAttempt(rule, tenant, login, actor)
	a.Session = "" // a session of another account proves nothing about this login
	var err error
	a.KnownBrowser, err = s.cfg.Sessions.VerifyKnownBrowser(ctx, tenant, login, actor.Known)
	return a, err
}

// readConsumedLogin returns the login of the account of a consumed reset link.
func (s *Service) readConsumedLogin(ctx context.Context, tenant auth.TenantID, token string) (login string, now time.Time, err error) {
	err = s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) error {
		use, err := tx.SingleUse(auth.UseResetPassword, secret.Digest(token))
		if err != nil {
			return err
		}
		a, err := tx.Account(use.Account)
		login, now = a.Email.Login, tx.Now
		return err
	})
	return login, now, err
}
