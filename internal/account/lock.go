package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// An owner who does not recognise what happened locks the account: everything that gives access to
// it ends, and nobody signs in until a new password is set by a mailed link. A second factor is
// needed afterwards as before.
//
// The link of a notice also gives the account back the address to which it was mailed. If the
// account had no second factor before the notice, the link removes those that it has: an attacker
// may have added them, and the owner could never sign in. Of several links the oldest wins: using
// one deletes those that were mailed later, perhaps to the address of an attacker.

// Lock locks an account for its owner, who is signed in. Locking it again changes nothing.
// Refusal: not_found.
func (s *Service) Lock(ctx context.Context, tenant auth.TenantID, id auth.AccountID, actor auth.Actor) error {
	token := secret.New(linkPrefix)
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		a, err := tx.Account(id)
		if err != nil || a.Locked() {
			return err
		}
		event := auth.Event{Kind: auth.EventAccountLocked, Actor: actor, Account: id, Detail: map[string]string{"by": "page"}}
		if err := s.lock(tx, a, event); err != nil {
			return err
		}
		return s.sendUnlockLink(tx, a, token, actor)
	})
	return mapNotFound("lock account", err)
}

// SecureOutcome describes what the link of a notice does, or has done.
type SecureOutcome struct {
	// Restored is the address that the account gets back; empty if it has that address.
	Restored string
	// NotMailed says that the account is locked, but another account has its former address now. No
	// link for a new password was mailed.
	NotMailed bool
}

// SecureRequirements returns what the link of a notice does, without using it. Refusal:
// invalid_link.
func (s *Service) SecureRequirements(ctx context.Context, tenant auth.TenantID, token string) (SecureOutcome, error) {
	var out SecureOutcome
	if !secret.Valid(linkPrefix, token) {
		return out, errInvalidLink()
	}
	err := s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) error {
		use, err := tx.SingleUse(auth.UseSecureAccount, secret.Digest(token))
		if errors.Is(err, auth.ErrNotFound) || err == nil && (!use.UsedAt.IsZero() || !tx.Now.Before(use.ExpiresAt)) {
			return errInvalidLink()
		}
		if err != nil {
			return err
		}
		a, _, address, err := readSecured(tx, use)
		if err == nil && address.Login != a.Email.Login {
			out.Restored = address.Address
		}
		return err
	})
	if err != nil {
		return SecureOutcome{}, fmt.Errorf("read link of notice: %w", err)
	}
	return out, nil
}

// readSecured reads the account of a link, with the data of the link and the address to which it
// was mailed.
func readSecured(tx *store.Tx, use auth.SingleUse) (auth.Account, session.SecureLink, auth.Email, error) {
	var data session.SecureLink
	if err := json.Unmarshal([]byte(use.Data), &data); err != nil {
		return auth.Account{}, data, auth.Email{}, fmt.Errorf("decode link of notice: %w", err)
	}
	a, err := tx.Account(use.Account)
	if err == nil && a.Disabled() {
		err = errInvalidLink()
	}
	if err != nil {
		return a, data, auth.Email{}, err
	}
	address, err := auth.ParseEmail(data.Address)
	return a, data, address, err
}

// Secure uses the link of a notice: it locks the account, and gives it back the address to which
// the link was mailed. A link that was used within the last ten minutes has the same outcome
// again. Refusal: invalid_link.
func (s *Service) Secure(ctx context.Context, tenant auth.TenantID, token string, actor auth.Actor) (SecureOutcome, error) {
	var out SecureOutcome
	if !secret.Valid(linkPrefix, token) {
		return out, errInvalidLink()
	}
	unlockToken := secret.New(linkPrefix)
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) (err error) {
		out = SecureOutcome{}
		use, err := tx.Consume(auth.UseSecureAccount, secret.Digest(token))
		if errors.Is(err, auth.ErrNotFound) {
			return refuseSecureLink(tx, token, actor)
		}
		if err != nil {
			return err
		}
		out, err = s.useSecureLink(tx, use, unlockToken, actor)
		return err
	})
	if err != nil {
		return SecureOutcome{}, fmt.Errorf("secure account: %w", err)
	}
	return out, nil
}

func (s *Service) useSecureLink(tx *store.Tx, use auth.SingleUse, unlockToken secret.Text, actor auth.Actor) (SecureOutcome, error) {
	var out SecureOutcome
	a, data, address, err := readSecured(tx, use)
	if err != nil {
		return out, err
	}
	if err := tx.DeleteSingleUsesSince(a.ID, auth.UseSecureAccount, use.CreatedAt); err != nil {
		return out, err
	}
	event := auth.Event{Kind: auth.EventAccountLocked, Actor: actor, Account: a.ID, Detail: map[string]string{"by": "link"}}
	if address.Login != a.Email.Login {
		free, err := removeUnverified(tx, address.Login, actor)
		if err != nil {
			return out, err
		}
		if out.NotMailed = !free; free {
			a.Email, a.EmailVerifiedAt = address, tx.Now
			out.Restored, event.Detail["restored"] = address.Address, "true"
		}
	}
	if !data.Protected {
		if err := removeFactors(tx, a.ID, actor); err != nil {
			return out, err
		}
	}
	if err := s.lock(tx, a, event); err != nil || out.NotMailed {
		return out, err
	}
	return out, s.sendUnlockLink(tx, a, unlockToken, actor)
}

// removeFactors removes the second factors of an account that someone else may have added, and the trust in
// browsers.
func removeFactors(tx *store.Tx, id auth.AccountID, actor auth.Actor) error {
	if _, err := tx.DeleteTrustedBrowsers(id); err != nil {
		return err
	}
	for _, kind := range []auth.FactorKind{auth.ProofTOTP, auth.ProofPasskey, auth.ProofRecoveryCode} {
		n, err := tx.DeleteFactors(id, kind)
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		if err := tx.Record(auth.Event{Kind: auth.EventFactorRemoved, Actor: actor, Account: id, Detail: map[string]string{"kind": string(kind)}}); err != nil {
			return err
		}
	}
	return nil
}

// refuseSecureLink refuses a link that cannot be used, unless it was used just now.
func refuseSecureLink(tx *store.Tx, token string, actor auth.Actor) error {
	used, err := usedJustNow(tx, auth.UseSecureAccount, token)
	if err != nil || used {
		return err
	}
	event := auth.Event{Kind: auth.EventAccountLocked, Outcome: auth.Failure, Actor: actor,
		Detail: map[string]string{"by": "link", "reason": "link_unknown_spent_or_expired"}}
	if err := tx.Record(event); err != nil {
		return err
	}
	return store.CommitWith(errInvalidLink())
}

// lock ends everything that gives access to the account, and locks it. An attacker may have asked
// for its deletion.
func (s *Service) lock(tx *store.Tx, a auth.Account, event auth.Event) error {
	if err := s.endAccess(tx, a.ID, auth.EndLocked); err != nil {
		return err
	}
	if err := tx.DeleteConsents(a.ID); err != nil {
		return err
	}
	a.LockedAt, a.DeleteAt = tx.Now, time.Time{}
	if err := tx.UpdateAccount(a); err != nil {
		return err
	}
	return tx.Record(event)
}

// sendUnlockLink mails the owner a link for a new password. Without room in the outbox the account
// is locked nevertheless, and the owner requests a link later.
func (s *Service) sendUnlockLink(tx *store.Tx, a auth.Account, token secret.Text, actor auth.Actor) error {
	l := link{kind: auth.UseResetPassword, account: a.ID, data: linkData{Login: a.Email.Login}, token: token, life: s.cfg.ResetLifetime}
	expires, err := l.issue(tx)
	if err != nil {
		return err
	}
	m := auth.Mail{To: a.Email.Address, Token: token.Reveal(), ExpiresAt: expires, IP: actor.IP, At: tx.Now}
	if a.Verified() {
		m.Name = a.Name
	}
	if err := tx.Enqueue(auth.MailAccountLocked, m); auth.KindOf(err) != auth.KindUnavailable {
		return err
	}
	return nil
}

// unlock unlocks an account whose owner has proved the address, or that an operator vouches for.
func unlock(tx *store.Tx, a auth.Account, actor auth.Actor) error {
	a.LockedAt = time.Time{}
	if err := tx.UpdateAccount(a); err != nil {
		return err
	}
	return tx.Record(auth.Event{Kind: auth.EventAccountUnlocked, Actor: actor, Account: a.ID})
}
