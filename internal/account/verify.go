package account

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// VerifyEmail spends a link that proves an address: the one of a registration, or
// the new one of an account that changes its address. It proves that address for
// that account and nothing else: whoever is signed in where the link is opened
// gains nothing, and nobody is signed in by it. A link that does not work gives
// invalid_link.
func (s *Service) VerifyEmail(ctx context.Context, tenant auth.TenantID, token string, actor auth.Actor) error {
	if !secret.Valid(linkPrefix, token) {
		return errLink()
	}
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		use, p, a, err := spend(tx, token, auth.Event{Kind: auth.EventVerified, Actor: actor}, auth.UseVerifyEmail, auth.UseChangeEmail)
		if err != nil {
			return err
		}
		if use.Kind == auth.UseChangeEmail {
			return s.finishChange(tx, a, p, actor)
		}
		a.EmailVerifiedAt = tx.Now
		if err := tx.UpdateAccount(a); err != nil {
			return err
		}
		if err := tx.DropSingleUse(a.ID, auth.UseVerifyEmail); err != nil {
			return err
		}
		return tx.Record(auth.Event{Kind: auth.EventVerified, Actor: actor, Account: a.ID})
	})
	if err != nil {
		return fmt.Errorf("verify address: %w", err)
	}
	return nil
}

// finishChange gives the account the address that has just been proved. Links that
// went to the old address die with it, and so does every session but the one that
// asked for the change.
func (s *Service) finishChange(tx *store.Tx, a auth.Account, p proof, actor auth.Actor) error {
	email, err := auth.ParseEmail(p.Address)
	if err != nil {
		return err
	}
	if other, err := tx.AccountByLogin(email.Login); err == nil && other.ID != a.ID {
		event := auth.Event{Kind: auth.EventEmailChanged, Outcome: auth.Failure, Actor: actor, Account: a.ID, Detail: map[string]string{"reason": "address_taken"}}
		if err := tx.Record(event); err != nil {
			return err
		}
		return store.Keep(errLink())
	} else if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return err
	}
	old := a.Email
	a.Email, a.EmailVerifiedAt = email, tx.Now
	if err := tx.UpdateAccount(a); err != nil {
		return err
	}
	if err := tx.DropSingleUse(a.ID, auth.UseVerifyEmail, auth.UseResetPassword, auth.UseChangeEmail); err != nil {
		return err
	}
	if _, err := s.cfg.Sessions.EndAll(tx, a.ID, p.Session, auth.EndEmail); err != nil {
		return err
	}
	notice := auth.Mail{To: old.Address, Name: a.Name, NewEmail: email.Address, IP: actor.IP, At: tx.Now}
	if err := tx.Enqueue(auth.MailEmailChanged, notice); err != nil {
		return err
	}
	return tx.Record(auth.Event{Kind: auth.EventEmailChanged, Actor: actor, Account: a.ID})
}

// Resend mails a new link to an address that waits for its proof, and kills the
// older one. For every other address it does the same work and mails nothing. The
// only refusal is email_invalid.
func (s *Service) Resend(ctx context.Context, tenant auth.TenantID, email string, actor auth.Actor) error {
	return s.ask(ctx, tenant, email, asking{
		name: "resend", rate: s.cfg.Rates.Resend, event: auth.EventVerifySent, actor: actor,
		kind: auth.UseVerifyEmail, mail: auth.MailVerify, life: s.cfg.VerifyLifetime,
		serves: func(a auth.Account) bool { return !a.Disabled() && !a.Verified() },
	})
}
