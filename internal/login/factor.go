package login

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// maxFactors bounds the factors of one kind that an account can have.
const maxFactors = 20

// Factors lists the authenticators of an account that count, without recovery codes, and how many
// recovery codes are left.
func (s *Service) Factors(ctx context.Context, tenant auth.TenantID, account auth.AccountID) (list []auth.Factor, recoveryCodes int, err error) {
	err = s.cfg.DB.ReadOne(ctx, tenant, func(tx *store.Tx) (err error) {
		list, err = tx.Factors(account)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read factors: %w", err)
	}
	list = slices.DeleteFunc(list, func(f auth.Factor) bool {
		if f.Kind == auth.ProofRecoveryCode && f.Usable() {
			recoveryCodes++
		}
		return !f.Authenticates()
	})
	return list, recoveryCodes, nil
}

// GraceEnds is auth.SignIn.GraceEnds of an account that signs in with its password.
func (s *Service) GraceEnds(ctx context.Context, tenant auth.TenantID, account auth.AccountID) (at time.Time, err error) {
	err = s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) error {
		t, err := tx.CurrentTenant()
		if err != nil {
			return err
		}
		c, err := tx.Client(auth.FirstParty)
		if err != nil {
			return err
		}
		a, err := tx.Account(account)
		if err != nil {
			return err
		}
		signIn, err := newSignIn(tx, t, c, a, []auth.Proof{{Method: auth.ProofPassword, Account: account, At: tx.Now}})
		at = signIn.GraceEnds()
		return err
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("read days of grace: %w", err)
	}
	return at, nil
}

// RenameFactor changes the name of one of the account's authenticators. Refusals: factor_unknown,
// name_invalid, name_too_long.
func (s *Service) RenameFactor(ctx context.Context, tenant auth.TenantID, id auth.FactorID, name string, actor auth.Actor) error {
	account := actor.Account()
	name, err := auth.ParseName(name)
	if err != nil {
		return err
	}
	err = s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		if err := tx.RenameFactor(account, id, name); err != nil {
			return mapFactorUnknown(err)
		}
		return tx.Record(auth.Event{Kind: auth.EventFactorRenamed, Actor: actor, Account: account, Detail: map[string]string{"factor": string(id)}})
	})
	if err != nil {
		return fmt.Errorf("rename factor: %w", err)
	}
	return nil
}

// RemoveFactor removes one of the account's authenticators and mails a notice. With the last one
// the recovery codes go, which would give a second factor to nobody. Refusals: factor_unknown;
// last_factor while the policy requires one; last_passkey while the account has no other first factor.
func (s *Service) RemoveFactor(ctx context.Context, tenant auth.TenantID, id auth.FactorID, actor auth.Actor) error {
	account := actor.Account()
	err := session.WriteFor(ctx, s.cfg.DB, tenant, actor, func(tx *store.Tx) error {
		list, err := tx.Factors(account)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list, func(f auth.Factor) bool { return f.ID == id && f.Authenticates() })
		if i < 0 {
			return mapFactorUnknown(auth.ErrNotFound)
		}
		if err := tx.DeleteFactor(account, id); err != nil {
			return mapFactorUnknown(err)
		}
		if _, err := tx.DeleteTrustedBrowsers(account); err != nil { // it may be lost together with a browser
			return err
		}
		rest := slices.Delete(slices.Clone(list), i, i+1)
		if err := checkStillEnough(tx, account, list[i], rest); err != nil {
			return err
		}
		if !slices.ContainsFunc(rest, auth.Factor.Authenticates) {
			if _, err := tx.DeleteFactors(account, auth.ProofRecoveryCode); err != nil {
				return err
			}
		}
		return s.recordFactor(tx, auth.EventFactorRemoved, auth.MailFactorRemoved, list[i], actor)
	})
	if err != nil {
		return fmt.Errorf("remove factor: %w", err)
	}
	return nil
}

// checkStillEnough refuses as last_passkey when nothing is left with which the owner of an account can begin
// to sign in, and as last_factor when the policy requires a factor that the account does not have any more.
func checkStillEnough(tx *store.Tx, account auth.AccountID, removed auth.Factor, rest []auth.Factor) error {
	t, err := tx.CurrentTenant()
	if err != nil {
		return err
	}
	c, err := tx.Client(auth.FirstParty)
	if err != nil {
		return err
	}
	a, err := tx.Account(account)
	if err != nil {
		return err
	}
	_, err = tx.PasswordHash(account)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return err
	}
	mails := t.Settings.EmailSignIn && a.Verified()
	if err != nil && !mails && removed.Kind == auth.ProofPasskey && !slices.ContainsFunc(rest, auth.Factor.SignsIn) {
		return auth.Refuse(auth.KindConflict, auth.CodeLastPasskey, "the account has no password; add another passkey first")
	}
	signIn, err := newSignIn(tx, t, c, a, []auth.Proof{{Method: auth.ProofPassword, Account: account, At: tx.Now}})
	if err == nil && signIn.LacksFactor() {
		err = auth.Refuse(auth.KindConflict, auth.CodeLastFactor, "a second factor is required; add another one first")
	}
	return err
}

// recordFactor records a change of a factor and mails a notice to the owner's address. An account that gets
// one has done what the reset of its factors asked for, and its passkeys that were offered bind from then on.
func (s *Service) recordFactor(tx *store.Tx, event auth.EventKind, mail auth.MessageKind, f auth.Factor, actor auth.Actor) error {
	a, err := tx.Account(f.Account)
	if err != nil {
		return err
	}
	if event == auth.EventFactorAdded {
		if _, err := tx.DeleteFactors(f.Account, auth.FactorsReset); err != nil {
			return err
		}
	}
	if err := session.Notify(tx, a, mail, auth.Mail{Factor: f.Kind, IP: actor.IP}); err != nil {
		return err
	}
	if event == auth.EventFactorAdded && !f.Data.Offered {
		if err := tx.BindFactors(f.Account); err != nil {
			return err
		}
	}
	return tx.Record(auth.Event{Kind: event, Actor: actor, Account: f.Account, Detail: map[string]string{"kind": string(f.Kind), "factor": string(f.ID)}})
}

// countGuess counts a guess of a code of the account before it is compared. Guesses are counted by
// account across sessions, flows and nodes. It returns what a right code gives back.
func (s *Service) countGuess(ctx context.Context, tenant auth.TenantID, a auth.Account, actor auth.Actor) (refund func(), err error) {
	known, err := s.cfg.Sessions.VerifyKnownBrowser(ctx, tenant, a.Email.Login, actor.Known)
	if err != nil {
		return nil, err
	}
	guess := limit.Attempt{Rule: "factor", Account: string(tenant) + "|" + string(a.ID), KnownBrowser: known, Addr: actor.Addr()}
	buckets := guess.GuessBuckets(s.cfg.Rates["factor.account"])
	day := limit.Bucket{Key: "factor.day|" + guess.Account, Rate: s.cfg.Rates["factor.day"]}
	if known != "" { // whoever has the mailbox makes browsers known by resets of the password
		day.Key = "factor.known.day|" + guess.Account
	}
	buckets = append(buckets, day)
	if _, err := limit.TakeAll(ctx, s.cfg.Limiter, buckets...); err != nil {
		return nil, err
	}
	return func() { limit.RefundAll(ctx, s.cfg.Limiter, s.cfg.Log, buckets...) }, nil
}

func errInvalidCode() error {
	return auth.Invalid(auth.CodeInvalidCode, "code", "code: wrong, or used already; each code counts once")
}

func mapFactorUnknown(err error) error {
	if errors.Is(err, auth.ErrNotFound) {
		return auth.Refuse(auth.KindNotFound, auth.CodeFactorUnknown, "the account has no such authenticator")
	}
	return err
}
