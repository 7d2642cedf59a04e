package account

import (
	"context"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// Delete deletes an account for its owner, who must know the current password. It deletes
// credentials, sessions, refresh tokens, links and roles, and mails a notice; audit lines
// stay. Refusals: wrong_password, rate_limited, not_found, last_administrator.
func (s *Service) Delete(ctx context.Context, tenant auth.TenantID, id auth.AccountID, current string, actor auth.Actor) error {
	stored, err := s.verifyPassword(ctx, tenant, id, current, auth.Event{Kind: auth.EventAccountDeleted, Actor: actor})
	if err != nil {
		return err
	}
	return s.remove(ctx, tenant, id, actor, nil, stored.reload)
}

// Remove deletes an account without its password: for an operator, or for an owner whose session is
// fresh (auth.SignIn.Fresh). Refusals: not_found, last_administrator.
func (s *Service) Remove(ctx context.Context, tenant auth.TenantID, id auth.AccountID, actor auth.Actor, allowed ...auth.Override) error {
	return s.remove(ctx, tenant, id, actor, allowed, func(tx *store.Tx) (auth.Account, error) { return tx.Account(id) })
}

func (s *Service) remove(ctx context.Context, tenant auth.TenantID, id auth.AccountID, actor auth.Actor, allowed []auth.Override, read func(*store.Tx) (auth.Account, error)) error {
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		return tx.RequireAdministrator(allowed, func() error {
			a, err := read(tx)
			if err != nil {
				return err
			}
			// The rows are deleted with the account, but clients must be notified.
			if _, err := s.cfg.Sessions.EndAll(tx, id, "", endReason(id, actor)); err != nil {
				return err
			}
			if err := tx.DeleteAccount(id); err != nil {
				return err
			}
			if err := tx.Notify(a, auth.MailAccountDeleted, auth.Mail{IP: actor.IP}); err != nil {
				return err
			}
			return tx.Record(auth.Event{Kind: auth.EventAccountDeleted, Actor: actor, Account: id})
		})
	})
	return mapNotFound("delete account", err)
}
