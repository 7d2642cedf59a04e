package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// Sessions lists the live sessions of the account, newest first.
func (s *Service) Sessions(ctx context.Context, tenant auth.TenantID, id auth.AccountID) ([]auth.Session, error) {
	var list []auth.Session
	err := s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) error {
		if _, err := tx.Account(id); err != nil {
			return err
		}
		all, err := tx.Sessions(id)
		list = slices.DeleteFunc(all, func(v auth.Session) bool { return !v.Live(tx.Now) })
		return err
	})
	return list, mapNotFound("list sessions", err)
}

// EndSession ends one session of the account, with its refresh tokens. A session of
// another account and one that has ended are not_found.
func (s *Service) EndSession(ctx context.Context, tenant auth.TenantID, id auth.AccountID, sid auth.SessionID, actor auth.Actor) error {
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		if err := s.cfg.Sessions.End(tx, id, sid, endReason(id, actor)); err != nil {
			return err
		}
		return tx.Record(auth.Event{Kind: auth.EventSessionEnded, Actor: actor, Account: id, Detail: map[string]string{"session": string(sid)}})
	})
	if errors.Is(err, auth.ErrNotFound) {
		return auth.Refuse(auth.KindNotFound, auth.CodeNotFound, "session not found")
	}
	return mapNotFound("end session", err)
}

// EndOtherSessions ends every session of the account except keep, which may be empty, with
// their refresh tokens, the trust in all browsers but that of the actor, and a pending change of address.
// It returns how many sessions. Refusal: not_found.
func (s *Service) EndOtherSessions(ctx context.Context, tenant auth.TenantID, id auth.AccountID, keep auth.SessionID, actor auth.Actor) (int64, error) {
	var n int64
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) (err error) {
		if _, err = tx.Account(id); err != nil {
			return err
		}
		if n, err = s.cfg.Sessions.EndAll(tx, id, keep, endReason(id, actor)); err != nil {
			return err
		}
		if err := tx.DeleteSingleUses(id, auth.UseChangeEmail); err != nil {
			return err
		}
		untrusted, err := s.cfg.Sessions.EndOtherTrust(tx, id, actor.Trusted)
		if err != nil {
			return err
		}
		detail := map[string]string{"ended": strconv.FormatInt(n, 10), "kept": string(keep), "untrusted": strconv.FormatInt(untrusted, 10)}
		return tx.Record(auth.Event{Kind: auth.EventSessionEnded, Actor: actor, Account: id, Detail: detail})
	})
	if err != nil {
		return 0, mapNotFound("end sessions", err)
	}
	return n, nil
}

func endReason(id auth.AccountID, actor auth.Actor) string {
	if actor.Account() == id {
		return auth.EndByOwner
	}
	return auth.EndByAdmin
}

// Disable disables the account: no tokens are issued to it, and every session, refresh
// token and link ends. Its data stays. Disabling it again changes nothing. Refusals:
// not_found, last_administrator.
func (s *Service) Disable(ctx context.Context, tenant auth.TenantID, id auth.AccountID, actor auth.Actor, allowed ...auth.Override) error {
	return s.setDisabled(ctx, tenant, id, actor, true, allowed)
}

// Enable enables a disabled account, and unlocks a locked one. Ended sessions stay ended.
// Refusal: not_found.
func (s *Service) Enable(ctx context.Context, tenant auth.TenantID, id auth.AccountID, actor auth.Actor) error {
	return s.setDisabled(ctx, tenant, id, actor, false, nil)
}

func (s *Service) setDisabled(ctx context.Context, tenant auth.TenantID, id auth.AccountID, actor auth.Actor, disable bool, allowed []auth.Override) error {
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		return tx.RequireAdministrator(allowed, func() error {
			a, err := tx.Account(id)
			if err != nil || a.Disabled() == disable && (disable || !a.Locked()) {
				return err
			}
			if !disable && a.Locked() {
				if err := unlock(tx, a, actor); err != nil {
					return err
				}
				a.LockedAt = time.Time{}
			}
			if a.Disabled() == disable {
				return nil
			}
			event := auth.Event{Kind: auth.EventAccountEnabled, Actor: actor, Account: id}
			a.DisabledAt = time.Time{}
			if disable {
				event.Kind, a.DisabledAt = auth.EventAccountDisabled, tx.Now
				if err := s.endAccess(tx, id, auth.EndDisabled); err != nil {
					return err
				}
			}
			if err := tx.UpdateAccount(a); err != nil {
				return err
			}
			return tx.Record(event)
		})
	})
	return mapNotFound("change account", err)
}

// endAccess ends every session, token, trusted browser and link of the account.
func (s *Service) endAccess(tx *store.Tx, id auth.AccountID, reason string) error {
	if _, err := s.cfg.Sessions.EndAll(tx, id, "", reason); err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	if _, err := tx.DeleteTrustedBrowsers(id); err != nil {
		return err
	}
	if err := tx.DeleteRescues(id); err != nil {
		return err
	}
	return tx.DeleteSingleUses(id, auth.UseVerifyEmail, auth.UseResetPassword, auth.UseChangeEmail)
}
