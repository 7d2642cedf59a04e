package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// Delete deletes an account for its owner, who must know the current password. It deletes
// credentials, sessions, refresh tokens, links and roles, and mails a notice; audit lines
// stay. Where the tenant delays deletions, it only ends the sessions, and mails a link that
// keeps the account. Refusals: wrong_password, rate_limited, not_found, last_administrator,
// session_invalid, changed_meanwhile.
func (s *Service) Delete(ctx context.Context, tenant auth.TenantID, id auth.AccountID, current string, actor auth.Actor) error {
	stored, err := s.verifyPassword(ctx, tenant, id, current, auth.Event{Kind: auth.EventAccountDeleted, Actor: actor})
	if err != nil {
		return err
	}
	return s.deleteForOwner(ctx, tenant, stored, actor)
}

// DeleteFresh is Delete for an owner whose session is fresh (auth.SignIn.Fresh), without the
// password. Refusals: not_found, last_administrator, session_invalid, changed_meanwhile.
func (s *Service) DeleteFresh(ctx context.Context, tenant auth.TenantID, id auth.AccountID, actor auth.Actor) error {
	stored, err := s.readCredentials(ctx, tenant, id)
	if err != nil {
		return err
	}
	return s.deleteForOwner(ctx, tenant, stored, actor)
}

func (s *Service) deleteForOwner(ctx context.Context, tenant auth.TenantID, stored credentials, actor auth.Actor) error {
	if stored.tenant.Settings.DeletionDays > 0 {
		return s.scheduleDeletion(ctx, tenant, stored, actor)
	}
	return s.remove(ctx, tenant, stored.account.ID, actor, nil, stored.reload)
}

// scheduleDeletion sets when the account will be deleted. Asking again changes nothing.
func (s *Service) scheduleDeletion(ctx context.Context, tenant auth.TenantID, stored credentials, actor auth.Actor) error {
	token, days := secret.New(linkPrefix), stored.tenant.Settings.DeletionDays
	err := session.WriteFor(ctx, s.cfg.DB, tenant, actor, func(tx *store.Tx) error {
		return tx.RequireAdministrator(nil, func() error {
			a, err := stored.reload(tx)
			if err != nil || !a.DeleteAt.IsZero() {
				return err
			}
			if _, err := s.cfg.Sessions.EndAll(tx, a.ID, "", endReason(a.ID, actor)); err != nil {
				return err
			}
			if err := session.RecordForm(tx, actor.Form, actor.Session); err != nil {
				return err
			}
			a.DeleteAt = tx.Now.AddDate(0, 0, days)
			if err := tx.UpdateAccount(a); err != nil {
				return err
			}
			l := link{kind: auth.UseKeepAccount, account: a.ID, data: linkData{Login: a.Email.Login}, token: token, life: a.DeleteAt.Sub(tx.Now)}
			expires, err := l.issue(tx)
			if err != nil {
				return err
			}
			if err := tx.Notify(a, auth.MailAccountDeletion, auth.Mail{Token: token.Reveal(), ExpiresAt: expires, DeleteAt: a.DeleteAt, IP: actor.IP}); err != nil {
				return err
			}
			detail := map[string]string{"at": a.DeleteAt.Format(time.RFC3339)}
			return tx.Record(auth.Event{Kind: auth.EventDeletionRequested, Actor: actor, Account: a.ID, Detail: detail})
		})
	})
	return mapNotFound("schedule deletion", err)
}

// Keep cancels the deletion of an account for its owner, who is signed in. It changes nothing
// where no deletion is pending. Refusal: not_found.
func (s *Service) Keep(ctx context.Context, tenant auth.TenantID, id auth.AccountID, actor auth.Actor) error {
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		a, err := tx.Account(id)
		if err != nil {
			return err
		}
		return keep(tx, a, actor)
	})
	return mapNotFound("keep account", err)
}

func keep(tx *store.Tx, a auth.Account, actor auth.Actor) error {
	if a.DeleteAt.IsZero() {
		return nil
	}
	a.DeleteAt = time.Time{}
	if err := tx.UpdateAccount(a); err != nil {
		return err
	}
	if err := tx.DeleteSingleUses(a.ID, auth.UseKeepAccount); err != nil {
		return err
	}
	return tx.Record(auth.Event{Kind: auth.EventAccountKept, Actor: actor, Account: a.ID})
}

// KeepRequirements refuses a link that does not keep an account, without using it. Refusal:
// invalid_link.
func (s *Service) KeepRequirements(ctx context.Context, tenant auth.TenantID, token string) error {
	if !secret.Valid(linkPrefix, token) {
		return errInvalidLink()
	}
	_, err := s.openLink(ctx, tenant, bearer{token: token}, auth.UseKeepAccount)
	return err
}

// KeepByLink cancels the deletion of an account by the mailed link. A link that was used within
// the last ten minutes is no error. Refusal: invalid_link.
func (s *Service) KeepByLink(ctx context.Context, tenant auth.TenantID, token string, actor auth.Actor) error {
	if !secret.Valid(linkPrefix, token) {
		return errInvalidLink()
	}
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		used, err := usedJustNow(tx, auth.UseKeepAccount, token)
		if err != nil || used {
			return err
		}
		_, _, a, err := consumeLink(tx, bearer{token: token}, auth.Event{Kind: auth.EventAccountKept, Actor: actor}, auth.UseKeepAccount)
		if err != nil {
			return err
		}
		return keep(tx, a, actor)
	})
	if err != nil {
		return fmt.Errorf("keep account: %w", err)
	}
	return nil
}

// dueBatch is how many accounts RemoveDue reads at once.
const dueBatch = 100

// RemoveDue deletes the accounts whose owners asked for it long enough ago. One that cannot be
// deleted does not keep the others.
func (s *Service) RemoveDue(ctx context.Context) error {
	var errs []error
	for after := (store.DueAccount{}); ; {
		var due []store.DueAccount
		err := s.cfg.DB.ReadSystem(ctx, func(tx *store.SystemTx) (err error) {
			due, err = tx.DueAccounts(after, dueBatch)
			return err
		})
		if err != nil {
			return fmt.Errorf("read due deletions: %w", err)
		}
		for _, v := range due {
			if err := s.removeDue(ctx, v); err != nil {
				errs = append(errs, fmt.Errorf("account %s of tenant %s: %w", v.ID, v.Tenant, err))
			}
		}
		if len(due) < dueBatch {
			return errors.Join(errs...)
		}
		after = due[len(due)-1]
	}
}

func (s *Service) removeDue(ctx context.Context, v store.DueAccount) error {
	err := s.remove(ctx, v.Tenant, v.ID, auth.System, nil, func(tx *store.Tx) (auth.Account, error) {
		a, err := tx.Account(v.ID)
		if err == nil && (a.DeleteAt.IsZero() || tx.Now.Before(a.DeleteAt)) {
			err = auth.ErrNotFound // its owner has kept it meanwhile
		}
		return a, err
	})
	if auth.KindOf(err) == auth.KindNotFound {
		return nil // another node has deleted it
	}
	return err
}

// Remove deletes an account for an operator, without its password. Refusals: not_found,
// last_administrator.
func (s *Service) Remove(ctx context.Context, tenant auth.TenantID, id auth.AccountID, actor auth.Actor, allowed ...auth.Override) error {
	return s.remove(ctx, tenant, id, actor, allowed, func(tx *store.Tx) (auth.Account, error) { return tx.Account(id) })
}

func (s *Service) remove(ctx context.Context, tenant auth.TenantID, id auth.AccountID, actor auth.Actor, allowed []auth.Override, read func(*store.Tx) (auth.Account, error)) error {
	err := session.WriteFor(ctx, s.cfg.DB, tenant, actor, func(tx *store.Tx) error {
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
			if err := session.RecordForm(tx, actor.Form, actor.Session); err != nil {
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
