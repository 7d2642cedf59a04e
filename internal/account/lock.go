package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
// The link of a notice also gives the account back the address to which it was mailed, and the user
// name that it had. Of several links the oldest wins: using one deletes those that were mailed later,
// perhaps to the address of an attacker.
//
// Locking removes the factors that an attacker may have added (suspects). Where nothing is left
// that tells the owner from an attacker, the account is disabled too, and an operator decides.

// Lock locks an account for its owner, who is signed in. Locking it again changes nothing.
// Refusal: not_found.
func (s *Service) Lock(ctx context.Context, tenant auth.TenantID, id auth.AccountID, actor auth.Actor) (SecureOutcome, error) {
	var out SecureOutcome
	token := secret.New(linkPrefix)
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		out = SecureOutcome{}
		a, err := tx.Account(id)
		if err != nil || a.Locked() {
			return err
		}
		began, err := sessionBegan(tx, actor)
		if err != nil {
			return err
		}
		if err := session.RecordForm(tx, actor.Form, actor.Session); err != nil {
			return err
		}
		event := auth.Event{Kind: auth.EventAccountLocked, Actor: actor, Account: id, Detail: map[string]string{"by": "page"}}
		out, err = s.secure(tx, a, securing{began: began, token: token, event: event})
		return err
	})
	return out, mapNotFound("lock account", err)
}

// sessionBegan returns when the session of the actor began; now without one.
func sessionBegan(tx *store.Tx, actor auth.Actor) (time.Time, error) {
	v, err := tx.Session(actor.Session)
	if errors.Is(err, auth.ErrNotFound) {
		return tx.Now, nil
	}
	return v.CreatedAt, err
}

// SecureOutcome describes what locking an account does, or has done.
type SecureOutcome struct {
	// Restored is the address that the account gets back; empty if it has that address.
	Restored string
	// RestoredName is the user name that it gets back; empty if it has that name or had none.
	RestoredName string
	// Removed says that factors are removed, which someone else may have added.
	Removed bool
	// NotMailed says that no link for a new password is mailed, and that the account is disabled
	// until an operator enables it: another account has its former address, or none of the factors
	// is left that it had.
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
		if errors.Is(err, auth.ErrNotFound) || err == nil && !use.Live(tx.Now) {
			return errInvalidLink()
		}
		if err != nil {
			return err
		}
		a, data, address, err := readSecured(tx, use)
		if err != nil {
			return err
		}
		if address.Login != a.Email.Login {
			out.Restored = address.Address
		}
		if out.RestoredName, err = restoreUsername(tx, &a, data); err != nil {
			return err
		}
		remove, lost, err := suspects(tx, a.ID, use.CreatedAt, data.Protected)
		out.Removed, out.NotMailed = len(remove) > 0, lost
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
	a, data, address, err := readSecured(tx, use)
	if err != nil {
		return SecureOutcome{}, err
	}
	if err := tx.DeleteSingleUsesSince(a.ID, auth.UseSecureAccount, use.CreatedAt); err != nil {
		return SecureOutcome{}, err
	}
	event := auth.Event{Kind: auth.EventAccountLocked, Actor: actor, Account: a.ID, Detail: map[string]string{"by": "link"}}
	p := securing{began: use.CreatedAt, protected: data.Protected, token: unlockToken, event: event}
	restored := ""
	if address.Login != a.Email.Login {
		free, err := s.vacate(tx, address.Login, actor)
		if err != nil {
			return SecureOutcome{}, err
		}
		if p.taken = !free; free {
			a.Email, a.EmailVerifiedAt = address, tx.Now
			restored, event.Detail["restored"] = address.Address, "true"
		}
	}
	name, err := restoreUsername(tx, &a, data)
	if err != nil {
		return SecureOutcome{}, err
	}
	out, err := s.secure(tx, a, p)
	out.Restored, out.RestoredName = restored, name
	return out, err
}

// restoreUsername gives the account back the user name that it had before a notice, if no other account has
// it by now. It returns the name; empty if it is the present one.
func restoreUsername(tx *store.Tx, a *auth.Account, link session.SecureLink) (string, error) {
	if link.Username == nil || *link.Username == a.Username {
		return "", nil
	}
	err := requireFreeUsername(tx, *link.Username, a.ID)
	if auth.CodeOf(err) == auth.CodeUsernameTaken {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	a.Username = *link.Username
	return a.Username, nil
}

// vacate deletes the account of a login whose owner has never proved the address, in use or not,
// for the former owner, who has. An account that an operator created or gave roles stays. It
// reports whether the login is free.
func (s *Service) vacate(tx *store.Tx, login string, actor auth.Actor) (bool, error) {
	other, err := tx.AccountByLogin(login)
	if errors.Is(err, auth.ErrNotFound) {
		return true, nil
	}
	if err != nil || other.Verified() || other.Disabled() || other.Registrar == operatorRegistrar.String() {
		return false, err
	}
	if roles, _, err := tx.Rights(other.ID); err != nil || len(roles) > 0 {
		return false, err
	}
	if _, err := s.cfg.Sessions.EndAll(tx, other.ID, "", auth.EndProved); err != nil {
		return false, err
	}
	return true, deleteUnproved(tx, other.ID, actor)
}

// securing describes how an account is locked.
type securing struct {
	began     time.Time // when an attacker may have begun
	protected bool      // the account had a second factor before
	taken     bool      // another account has its former address
	token     secret.Text
	event     auth.Event
}

// secure removes the factors that someone else may have added, locks the account, and mails its owner a
// link for a new password. It disables an account whose owner that link would not tell from an attacker.
func (s *Service) secure(tx *store.Tx, a auth.Account, p securing) (SecureOutcome, error) {
	remove, lost, err := suspects(tx, a.ID, p.began, p.protected)
	if err != nil {
		return SecureOutcome{}, err
	}
	out := SecureOutcome{Removed: len(remove) > 0, NotMailed: p.taken || lost}
	for _, f := range remove {
		if err := tx.DeleteFactor(a.ID, f.ID); err != nil {
			return out, err
		}
		if f.ProvedAt.IsZero() {
			continue // it never counted
		}
		detail := map[string]string{"kind": string(f.Kind), "factor": string(f.ID)}
		if err := tx.Record(auth.Event{Kind: auth.EventFactorRemoved, Actor: p.event.Actor, Account: a.ID, Detail: detail}); err != nil {
			return out, err
		}
	}
	if out.NotMailed {
		a.DisabledAt = tx.Now
		if err := tx.Record(auth.Event{Kind: auth.EventAccountDisabled, Actor: p.event.Actor, Account: a.ID}); err != nil {
			return out, err
		}
	}
	if err := s.lock(tx, a, p.event); err != nil || out.NotMailed {
		return out, err
	}
	return out, s.sendUnlockLink(tx, a, unlockLink{p.token, remove, p.event.Actor})
}

// suspects returns the factors that someone else than the owner may have added: those of the last
// 72 hours if the account has an older authenticator. Otherwise it returns those that were added
// since an attacker may have begun, if an authenticator from before is left, and otherwise all. It
// reports lost, and no factors, if the account had an authenticator before and has only others now: an
// attacker may have replaced it, or its owner, whom the mailbox alone must not replace.
func suspects(tx *store.Tx, id auth.AccountID, began time.Time, protected bool) (remove []auth.Factor, lost bool, err error) {
	list, err := tx.Factors(id)
	if err != nil {
		return nil, false, err
	}
	notices, err := tx.LiveSingleUses(id, auth.UseSecureAccount)
	if err != nil {
		return nil, false, err
	}
	for _, use := range notices {
		var data session.SecureLink
		if err := json.Unmarshal([]byte(use.Data), &data); err != nil {
			return nil, false, fmt.Errorf("decode link of notice: %w", err)
		}
		protected = protected || data.Protected
	}
	stands := func(at time.Time) bool {
		return slices.ContainsFunc(list, func(f auth.Factor) bool { return f.StandsBefore(at) })
	}
	from := time.Time{}
	for _, at := range []time.Time{tx.Now.Add(-session.SecureLifetime), began} {
		if from.IsZero() && stands(at) {
			from = at
		}
	}
	if from.IsZero() && protected && slices.ContainsFunc(list, auth.Factor.Authenticates) {
		return nil, true, nil
	}
	remove = slices.DeleteFunc(list, func(f auth.Factor) bool {
		return f.Kind == auth.FactorsReset || !f.ProvedAt.IsZero() && f.ProvedAt.Before(from)
	})
	return remove, false, nil
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

// unlockLink is a link for a new password, and what its mail says.
type unlockLink struct {
	token   secret.Text
	removed []auth.Factor
	actor   auth.Actor
}

// sendUnlockLink mails the owner a link for a new password. Without room in the outbox the account
// is locked nevertheless, and the owner requests a link later.
func (s *Service) sendUnlockLink(tx *store.Tx, a auth.Account, u unlockLink) error {
	l := link{kind: auth.UseResetPassword, account: a.ID, data: linkData{Login: a.Email.Login}, token: u.token, life: s.cfg.ResetLifetime}
	if delayed, err := opensByMail(tx, a); err != nil {
		return err
	} else if delayed {
		l.data.NotBefore, l.life = tx.Now.Add(recoveryDelay), recoveryDelay+recoveryLifetime
	}
	expires, err := l.issue(tx)
	if err != nil {
		return err
	}
	m := newMail(tx, a, u.actor)
	m.Token, m.NotBefore, m.ExpiresAt, m.Removed = u.token.Reveal(), l.data.NotBefore, expires, auth.MailFactors(u.removed)
	if err := tx.Enqueue(auth.MailAccountLocked, m); auth.KindOf(err) != auth.KindUnavailable {
		return err
	}
	return nil
}

// opensByMail reports whether a mailed link for a new password would open an account that a passkey alone
// protects: nothing else will be asked for. The link then works a day later, like that of a recovery.
func opensByMail(tx *store.Tx, a auth.Account) (bool, error) {
	recovers, err := needsRecovery(tx, a.ID)
	if err != nil || !recovers {
		return false, err
	}
	t, err := tx.CurrentTenant()
	if err != nil {
		return false, err
	}
	factor, err := needsFactor(tx, t, a)
	return !factor, err
}

// unlock unlocks an account whose owner has proved the address, or that an operator vouches for.
func unlock(tx *store.Tx, a auth.Account, actor auth.Actor) error {
	a.LockedAt = time.Time{}
	if err := tx.UpdateAccount(a); err != nil {
		return err
	}
	return tx.Record(auth.Event{Kind: auth.EventAccountUnlocked, Actor: actor, Account: a.ID})
}
