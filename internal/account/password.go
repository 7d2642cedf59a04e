package account

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/password"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// credentials are an account and its password hash, as read before a change.
type credentials struct {
	account auth.Account
	tenant  auth.Tenant
	hash    string // empty without a password
	// needsFactor reports whether the password is not enough to sign in.
	needsFactor bool
}

// verifyPassword verifies the current password for an operation that a stolen session must
// not allow. All such operations share the limits of the account for wrong passwords. A
// wrong password is recorded as a failed event. Refusals: wrong_password, rate_limited,
// not_found.
func (s *Service) verifyPassword(ctx context.Context, tenant auth.TenantID, id auth.AccountID, current string, event auth.Event) (credentials, error) {
	buckets := newAttempt("password", tenant, string(id), event.Actor).GuessBuckets(s.cfg.Rates["change.account"])
	if _, err := limit.TakeAll(ctx, s.cfg.Limiter, buckets...); err != nil {
		return credentials{}, err
	}
	stored, right, err := s.comparePassword(ctx, tenant, id, current)
	if err != nil || right { // only wrong passwords count
		limit.RefundAll(ctx, s.cfg.Limiter, s.cfg.Log, buckets...)
	}
	if err != nil {
		return credentials{}, err
	}
	if !right {
		event.Outcome, event.Account, event.Detail = auth.Failure, id, map[string]string{"reason": "wrong_password"}
		if err := s.record(ctx, tenant, event); err != nil {
			return credentials{}, err
		}
		return credentials{}, errWrongPassword()
	}
	return stored, nil
}

func (s *Service) comparePassword(ctx context.Context, tenant auth.TenantID, id auth.AccountID, current string) (credentials, bool, error) {
	stored, err := s.readCredentials(ctx, tenant, id)
	if err != nil {
		return stored, false, err
	}
	if stored.hash == "" {
		_, err := s.cfg.Hasher.VerifyNone(ctx, current)
		if err != nil {
			err = password.Refusal("current_password", err)
		}
		return stored, false, err
	}
	res, err := s.cfg.Hasher.Verify(ctx, stored.hash, current)
	if err != nil {
		return stored, false, password.Refusal("current_password", err)
	}
	return stored, res.OK, nil
}

// readCredentials reads account, tenant and password hash.
func (s *Service) readCredentials(ctx context.Context, tenant auth.TenantID, id auth.AccountID) (credentials, error) {
	var stored credentials
	err := s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) (err error) {
		if stored.account, err = tx.Account(id); err != nil {
			return err
		}
		if stored.tenant, err = tx.CurrentTenant(); err != nil {
			return err
		}
		if stored.needsFactor, err = needsFactor(tx, stored.tenant, stored.account); err != nil {
			return err
		}
		if stored.hash, err = tx.PasswordHash(id); errors.Is(err, auth.ErrNotFound) {
			err = nil
		}
		return err
	})
	return stored, mapNotFound("read account", err)
}

// reload reads the account again inside the transaction that acts on it. It refuses if the
// password was replaced since.
func (stored credentials) reload(tx *store.Tx) (auth.Account, error) {
	a, err := tx.Account(stored.account.ID)
	if errors.Is(err, auth.ErrNotFound) {
		return a, auth.AccountNotFound()
	}
	if err != nil {
		return a, err
	}
	hash, err := tx.PasswordHash(stored.account.ID)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return a, err
	}
	if hash != stored.hash {
		return a, errChangedMeanwhile()
	}
	return a, nil
}

// PasswordRequirements reports whether the account has a password, and the minimum length of a new
// one. Refusals: not_found.
func (s *Service) PasswordRequirements(ctx context.Context, tenant auth.TenantID, id auth.AccountID) (has bool, minLength int, err error) {
	stored, err := s.readCredentials(ctx, tenant, id)
	return stored.hash != "", s.tenantPolicy(stored.tenant, stored.needsFactor).MinLength, err
}

// ChangePassword replaces the password for its owner, who must know the current one. It
// ends every session except the actor's, whose cookie is replaced by the returned one. It
// deletes reset links and a pending change of address, and mails a notice. Refusals:
// wrong_password, rate_limited, password_refused, session_invalid, changed_meanwhile.
func (s *Service) ChangePassword(ctx context.Context, tenant auth.TenantID, id auth.AccountID, current, next string, actor auth.Actor) (secret.Text, error) {
	event := auth.Event{Kind: auth.EventPasswordChanged, Actor: actor}
	stored, err := s.verifyPassword(ctx, tenant, id, current, event)
	if err != nil {
		return "", err
	}
	hash, err := s.hashPassword(ctx, stored.tenant, newPassword{"new_password", next, stored.account.Email, stored.account.Name, stored.account.Username, stored.needsFactor})
	if err != nil {
		return "", err
	}
	var cookie secret.Text
	err = session.WriteFor(ctx, s.cfg.DB, tenant, actor, func(tx *store.Tx) error {
		cookie = ""
		a, err := stored.reload(tx)
		if err != nil {
			return err
		}
		event.Account = id
		if err := s.replacePassword(tx, a, hash, passwordChange{event: event, reason: auth.EndPassword, keep: actor.Session}); err != nil {
			return err
		}
		if err := session.RecordForm(tx, actor.Form, actor.Session); err != nil {
			return err
		}
		cookie, err = s.renew(tx, id, actor.Session)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("change password: %w", err)
	}
	return cookie, nil
}

// renew replaces the cookie of the session, if it has one.
func (s *Service) renew(tx *store.Tx, id auth.AccountID, sid auth.SessionID) (secret.Text, error) {
	if sid == "" {
		return "", nil
	}
	own, err := tx.Session(sid)
	if errors.Is(err, auth.ErrNotFound) || err == nil && (own.Account != id || !own.Live(tx.Now)) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return s.cfg.Sessions.Renew(tx, sid)
}

// SetPassword sets a password for an operator, without the current one. It ends every
// session and mails a notice. Refusals: not_found, password_refused.
func (s *Service) SetPassword(ctx context.Context, tenant auth.TenantID, id auth.AccountID, pw string, actor auth.Actor) error {
	stored, err := s.readCredentials(ctx, tenant, id)
	if err != nil {
		return err
	}
	hash, err := s.hashPassword(ctx, stored.tenant, newPassword{"password", pw, stored.account.Email, stored.account.Name, stored.account.Username, stored.needsFactor})
	if err != nil {
		return err
	}
	err = s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		a, err := tx.Account(id)
		if err != nil {
			return err
		}
		event := auth.Event{Kind: auth.EventPasswordReset, Actor: actor, Account: id}
		return s.replacePassword(tx, a, hash, passwordChange{event: event, reason: auth.EndReset})
	})
	return mapNotFound("set password", err)
}
