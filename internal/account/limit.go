package account

import (
	"context"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// attemptOf returns the attempt of an actor on the account that is counted as id.
func attemptOf(rule string, tenant auth.TenantID, id string, actor auth.Actor) limit.Attempt {
	return limit.Attempt{Rule: rule, Account: string(tenant) + "|" + id, Session: string(actor.Session), Addr: actor.Addr()}
}

// attemptByMail returns the attempt of an unauthenticated request to mail the owner of a
// login, which need not exist.
func (s *Service) attemptByMail(ctx context.Context, rule string, tenant auth.TenantID, login string, actor auth.Actor) (limit.Attempt, error) {
	a := attemptOf(rule, tenant, login, actor)
	a.Session = "" // a session of another account proves nothing about this login
	var err error
	a.KnownBrowser, err = s.cfg.Sessions.VerifyKnownBrowser(ctx, tenant, login, actor.Known)
	return a, err
}

// loginOfConsumed returns the login of the account of a consumed reset link.
func (s *Service) loginOfConsumed(ctx context.Context, tenant auth.TenantID, token string) (login string, now time.Time, err error) {
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
