package login

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/otp"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// TOTPEnrolment is an authenticator app that is being added. It counts once a code of it was right.
type TOTPEnrolment struct {
	ID     auth.FactorID
	Secret secret.Text // in base32, for apps without a camera
	URI    secret.Text // otpauth, the content of the QR code
}

// BeginTOTP begins to add an authenticator app with a new secret, in the session of the actor. It replaces
// one that was begun and not finished. Refusals: too_many_factors.
func (s *Service) BeginTOTP(ctx context.Context, tenant auth.TenantID, name string, actor auth.Actor) (TOTPEnrolment, error) {
	name, err := auth.ParseName(name)
	if err != nil {
		return TOTPEnrolment{}, err
	}
	return s.beginTOTP(ctx, tenant, auth.Factor{Account: actor.Account(), Name: name, Data: auth.FactorData{AddedIn: string(actor.Session)}})
}

// beginTOTP begins to add an app with this account and name, in the given flow or session.
func (s *Service) beginTOTP(ctx context.Context, tenant auth.TenantID, f auth.Factor) (TOTPEnrolment, error) {
	account, app := f.Account, otp.NewTOTP()
	var out TOTPEnrolment
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		list, err := tx.Factors(account)
		if err != nil {
			return err
		}
		n := 0
		for _, f := range list {
			switch {
			case f.Kind != auth.ProofTOTP:
			case f.Usable():
				n++
			default:
				if err := tx.DeleteFactor(account, f.ID); err != nil {
					return err
				}
			}
		}
		if n >= maxFactors {
			return errTooManyFactors()
		}
		f.ID, f.Kind, f.CreatedAt = auth.FactorID(secret.NewID(tx.Now)), auth.ProofTOTP, tx.Now
		f.Data.Algorithm, f.Data.Digits, f.Data.Period = string(app.Algorithm), app.Digits, int(app.Period/time.Second)
		f.Sealed = tx.SealFactor(f.ID, app.Seed)
		if err := tx.InsertFactor(f); err != nil {
			return err
		}
		out, err = s.describeTOTP(tx, f, app)
		return err
	})
	if err != nil {
		return TOTPEnrolment{}, fmt.Errorf("begin to add an authenticator app: %w", err)
	}
	return out, nil
}

// describeTOTP returns what the user needs to add the secret to an app.
func (s *Service) describeTOTP(tx *store.Tx, f auth.Factor, app otp.TOTP) (TOTPEnrolment, error) {
	t, err := tx.CurrentTenant()
	if err != nil {
		return TOTPEnrolment{}, err
	}
	a, err := tx.Account(f.Account)
	if err != nil {
		return TOTPEnrolment{}, err
	}
	return TOTPEnrolment{ID: f.ID, Secret: secret.Text(app.Secret()), URI: secret.Text(app.URI(t.Name, a.Email.Address))}, nil
}

// ContinueTOTP returns the authenticator app that the account has begun to add in a flow, or begins to add
// one. Whoever has begun to add one elsewhere knows its secret, so each has one of its own.
func (s *Service) ContinueTOTP(ctx context.Context, tenant auth.TenantID, account auth.AccountID, in auth.FlowID) (TOTPEnrolment, error) {
	var pending auth.FactorID
	err := s.cfg.DB.ReadOne(ctx, tenant, func(tx *store.Tx) error {
		list, err := tx.Factors(account)
		for _, f := range list {
			if f.Kind == auth.ProofTOTP && !f.Usable() && f.Data.AddedIn == string(in) {
				pending = f.ID
			}
		}
		return err
	})
	if err != nil {
		return TOTPEnrolment{}, fmt.Errorf("read authenticator apps: %w", err)
	}
	if pending == "" {
		return s.beginTOTP(ctx, tenant, auth.Factor{Account: account, Data: auth.FactorData{AddedIn: string(in)}})
	}
	return s.pendingTOTP(ctx, tenant, account, pending, string(in))
}

// PendingTOTP returns the authenticator app that is being added in the session of the actor, for the page
// that asks for its first code. It never returns the secret of one that counts. Refusals: factor_unknown.
func (s *Service) PendingTOTP(ctx context.Context, tenant auth.TenantID, id auth.FactorID, actor auth.Actor) (TOTPEnrolment, error) {
	return s.pendingTOTP(ctx, tenant, actor.Account(), id, string(actor.Session))
}

func (s *Service) pendingTOTP(ctx context.Context, tenant auth.TenantID, account auth.AccountID, id auth.FactorID, in string) (TOTPEnrolment, error) {
	var out TOTPEnrolment
	err := s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) error {
		f, err := readTOTP(tx, account, id)
		if err == nil && (f.Usable() || f.Data.AddedIn != in) {
			err = mapFactorUnknown(auth.ErrNotFound)
		}
		if err != nil {
			return err
		}
		app, err := openTOTP(tx, f)
		if err != nil {
			return err
		}
		out, err = s.describeTOTP(tx, f, app)
		return err
	})
	if err != nil {
		return TOTPEnrolment{}, fmt.Errorf("read authenticator app: %w", err)
	}
	return out, nil
}

func readTOTP(tx *store.Tx, account auth.AccountID, id auth.FactorID) (auth.Factor, error) {
	list, err := tx.Factors(account)
	if err != nil {
		return auth.Factor{}, err
	}
	i := slices.IndexFunc(list, func(f auth.Factor) bool { return f.ID == id && f.Kind == auth.ProofTOTP })
	if i < 0 {
		return auth.Factor{}, mapFactorUnknown(auth.ErrNotFound)
	}
	return list[i], nil
}

// ConfirmTOTP makes an authenticator app count with the first right code of it, and mails a notice.
// The same code again changes nothing. The session of the actor counts as signed in with the app: its
// cookie, if it has one, is replaced by the returned one. Refusals: factor_unknown, invalid_code,
// rate_limited.
func (s *Service) ConfirmTOTP(ctx context.Context, tenant auth.TenantID, id auth.FactorID, code string, actor auth.Actor) (cookie secret.Text, err error) {
	account := actor.Account()
	a, err := s.readAccount(ctx, tenant, account)
	if err != nil {
		return "", err
	}
	refund, err := s.countGuess(ctx, tenant, a, actor)
	if err != nil {
		return "", err
	}
	err = session.WriteFor(ctx, s.cfg.DB, tenant, actor, func(tx *store.Tx) (err error) {
		if added, err := s.confirmTOTP(tx, account, appCode{App: id, In: string(actor.Session), Code: code}, actor); err != nil || !added {
			return err
		}
		cookie, err = s.strengthen(tx, auth.Proof{Method: auth.ProofTOTP, Account: account, At: tx.Now}, actor)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("add authenticator app: %w", err)
	}
	refund()
	return cookie, nil
}

// appCode is the first code of an authenticator app that is added in a flow or session.
type appCode struct {
	App  auth.FactorID
	In   string
	Code string
}

// confirmTOTP reports whether the app counts since this code. The code of a form that was sent twice proves
// nothing again.
func (s *Service) confirmTOTP(tx *store.Tx, account auth.AccountID, first appCode, actor auth.Actor) (added bool, err error) {
	f, err := readTOTP(tx, account, first.App)
	switch {
	case err != nil:
		return false, err
	case f.Usable():
		return false, repeatTOTP(tx, f, first.Code)
	case f.Data.AddedIn != first.In:
		return false, mapFactorUnknown(auth.ErrNotFound)
	}
	if err := useTOTP(tx, f, first.Code); err != nil {
		return false, err
	}
	return true, s.recordFactor(tx, auth.EventFactorAdded, auth.MailFactorAdded, f, actor)
}

// useTOTP uses a code of an authenticator app. A code counts once, on all nodes together.
func useTOTP(tx *store.Tx, f auth.Factor, code string) error {
	app, err := openTOTP(tx, f)
	if err != nil {
		return err
	}
	step, ok := app.Match(code, tx.Now, f.Counter)
	if !ok {
		return errInvalidCode()
	}
	if ok, err = tx.AdvanceFactor(f.Account, f.ID, step); err == nil && !ok {
		return errInvalidCode()
	}
	return err
}

// useAnyTOTP uses a code of whichever authenticator app of the account it belongs to.
func useAnyTOTP(tx *store.Tx, account auth.AccountID, code string) error {
	list, err := tx.Factors(account)
	if err != nil {
		return err
	}
	refusal := errInvalidCode()
	for _, f := range list {
		if f.Kind != auth.ProofTOTP || !f.Usable() {
			continue
		}
		err := useTOTP(tx, f, code)
		if auth.CodeOf(err) == auth.CodeInvalidCode {
			continue
		}
		return err
	}
	return refusal
}

// repeatTOTP accepts the newest code of an authenticator app again: a form that was sent twice.
func repeatTOTP(tx *store.Tx, f auth.Factor, code string) error {
	app, err := openTOTP(tx, f)
	if err != nil {
		return err
	}
	if step, ok := app.Match(code, tx.Now, f.Counter-1); !ok || step != f.Counter {
		return errInvalidCode()
	}
	return nil
}

func openTOTP(tx *store.Tx, f auth.Factor) (otp.TOTP, error) {
	seed, err := tx.OpenFactor(f)
	if err != nil {
		return otp.TOTP{}, fmt.Errorf("open authenticator app %s: %w", f.ID, err)
	}
	return otp.TOTP{Seed: seed, Algorithm: otp.Algorithm(f.Data.Algorithm), Digits: f.Data.Digits, Period: time.Duration(f.Data.Period) * time.Second}, nil
}

func (s *Service) readAccount(ctx context.Context, tenant auth.TenantID, id auth.AccountID) (a auth.Account, err error) {
	err = s.cfg.DB.ReadOne(ctx, tenant, func(tx *store.Tx) (err error) {
		a, err = tx.Account(id)
		return err
	})
	if err != nil {
		return a, fmt.Errorf("read account: %w", err)
	}
	return a, nil
}

func errTooManyFactors() error {
	return auth.Refuse(auth.KindConflict, auth.CodeTooManyFactors, fmt.Sprintf("at most %d authenticators of one kind; remove one first", maxFactors))
}
