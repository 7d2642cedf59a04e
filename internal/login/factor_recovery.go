package login

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/otp"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// BeginRecoveryCodes returns new recovery codes, which count once ConfirmRecoveryCodes got one of
// them: who has not written them down keeps the codes of before. Refusals: no_factor without an
// authenticator that they could stand in for.
func (s *Service) BeginRecoveryCodes(ctx context.Context, tenant auth.TenantID, account auth.AccountID) ([]secret.Text, error) {
	codes := make([]secret.Text, otp.RecoveryCodes)
	for i := range codes {
		codes[i] = secret.Text(otp.NewRecoveryCode())
	}
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		list, err := tx.Factors(account)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(list, auth.Factor.Authenticates) {
			return auth.Refuse(auth.KindConflict, auth.CodeNoFactor, "add an authenticator first; recovery codes replace one that is lost")
		}
		for _, f := range list {
			if f.Kind == auth.ProofRecoveryCode && f.ProvedAt.IsZero() {
				if err := tx.DeleteFactor(account, f.ID); err != nil {
					return err
				}
			}
		}
		for _, code := range codes {
			f := auth.Factor{ID: auth.FactorID(secret.NewID(tx.Now)), Account: account, Kind: auth.ProofRecoveryCode, CreatedAt: tx.Now}
			f.Lookup = s.recoveryDigest(tenant, account, code.Reveal())
			if err := tx.InsertFactor(f); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("create recovery codes: %w", err)
	}
	return codes, nil
}

// ConfirmRecoveryCodes makes the newest recovery codes count, in place of those of before, when the
// user types one of them. It uses none up. Confirming them again changes nothing. Refusals:
// invalid_code, rate_limited.
func (s *Service) ConfirmRecoveryCodes(ctx context.Context, tenant auth.TenantID, code string, actor auth.Actor) error {
	account := actor.Account()
	a, err := s.readAccount(ctx, tenant, account)
	if err != nil {
		return err
	}
	refund, err := s.countGuess(ctx, tenant, a, actor)
	if err != nil {
		return err
	}
	canonical, ok := otp.CanonicalRecoveryCode(code)
	if !ok {
		return errInvalidCode()
	}
	err = session.WriteFor(ctx, s.cfg.DB, tenant, actor, func(tx *store.Tx) error {
		typed, err := tx.FactorByLookup(auth.ProofRecoveryCode, s.recoveryDigest(tenant, account, canonical))
		if errors.Is(err, auth.ErrNotFound) {
			return errInvalidCode()
		}
		if err != nil || !typed.ProvedAt.IsZero() {
			return err
		}
		list, err := tx.Factors(account)
		if err != nil {
			return err
		}
		for _, f := range list {
			if f.Kind == auth.ProofRecoveryCode && !f.ProvedAt.IsZero() {
				if err := tx.DeleteFactor(account, f.ID); err != nil {
					return err
				}
			}
		}
		if err := tx.ProveFactors(account, auth.ProofRecoveryCode); err != nil {
			return err
		}
		return s.recordFactor(tx, auth.EventFactorAdded, auth.MailFactorAdded, typed, actor)
	})
	if err != nil {
		return fmt.Errorf("confirm recovery codes: %w", err)
	}
	refund()
	return nil
}

// useRecoveryCode uses up a recovery code, and mails a notice to the owner.
func (s *Service) useRecoveryCode(tx *store.Tx, account auth.AccountID, code string, actor auth.Actor) error {
	canonical, ok := otp.CanonicalRecoveryCode(code)
	if !ok {
		return errInvalidCode()
	}
	err := tx.ConsumeFactor(account, auth.ProofRecoveryCode, s.recoveryDigest(tx.Tenant(), account, canonical))
	if errors.Is(err, auth.ErrNotFound) {
		return errInvalidCode()
	}
	if err != nil {
		return err
	}
	list, err := tx.Factors(account)
	if err != nil {
		return err
	}
	a, err := tx.Account(account)
	if err != nil {
		return err
	}
	left := 0
	for _, f := range list {
		if f.Kind == auth.ProofRecoveryCode && f.Usable() {
			left++
		}
	}
	return session.Notify(tx, a, auth.MailRecoveryUsed, auth.Mail{IP: actor.IP, Left: left})
}

func (s *Service) recoveryDigest(tenant auth.TenantID, account auth.AccountID, code string) string {
	return otp.RecoveryDigest(secret.Derive(s.cfg.Root, "recovery codes"), string(tenant), string(account), code)
}
