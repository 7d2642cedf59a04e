package login

import (
	"errors"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/otp"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// repeatFactor returns the session of a flow again to a browser that sent the form of a second factor twice:
// the code is the one that completed the sign-in. It reports false for every other form.
func (s *Service) repeatFactor(tx *store.Tx, f auth.Flow, in FactorForm, base PasswordForm) (e SignedIn, ok bool, err error) {
	v, err := completedSession(tx, f)
	if err != nil || v.ID == "" {
		return e, false, err
	}
	if used, err := s.hasCompleted(tx, f, v.Account, in); err != nil || !used {
		return e, false, err
	}
	a, err := tx.Account(v.Account)
	if err != nil {
		return e, false, err
	}
	params, need, err := s.checkProofs(tx, a, v.Proofs(), in.Browser.Actor)
	if err != nil || need != auth.NeedNothing {
		return e, false, err
	}
	e, err = s.startInBrowser(tx, a, params, base)
	return e, err == nil, err
}

// repeatWindow is how long the form of a second factor counts as sent twice. Browsers keep posted forms, and one
// that is sent again later must not make the session recent.
const repeatWindow = time.Minute

// completedSession returns the live session in which two factors were proved within the flow, just now; the
// zero Session without one.
func completedSession(tx *store.Tx, f auth.Flow) (auth.Session, error) {
	if f.ProvedAt.IsZero() || tx.Now.Sub(f.ProvedAt) > repeatWindow || len(f.LiveProofs(tx.Now)) > 0 {
		return auth.Session{}, nil
	}
	v, err := tx.Session(f.Session)
	if errors.Is(err, auth.ErrNotFound) || err == nil && (!v.Live(tx.Now) || auth.ParseACR(v.ACR) < auth.AssuranceTwoFactors) {
		return auth.Session{}, nil
	}
	return v, err
}

// completedAccount returns the account that has signed in within the flow, for a form that was sent twice. It
// returns the refusal of the form without one.
func completedAccount(tx *store.Tx, f auth.Flow, refusal error) (auth.AccountID, error) {
	v, err := completedSession(tx, f)
	if err == nil && v.ID == "" {
		err = refusal
	}
	return v.Account, err
}

// hasCompleted reports whether the code of a form is the one by which the account signed in within the flow.
func (s *Service) hasCompleted(tx *store.Tx, f auth.Flow, account auth.AccountID, in FactorForm) (bool, error) {
	if in.Method == auth.ProofEmailCode {
		return s.hasUsedCode(tx, f, account, auth.ProofEmailCode, in.Code)
	}
	list, err := tx.Factors(account)
	if err != nil {
		return false, err
	}
	canonical, _ := otp.CanonicalRecoveryCode(in.Code)
	digest := s.recoveryDigest(in.Tenant, account, canonical)
	for _, v := range list {
		switch {
		case v.Kind != in.Method || v.UsedAt.Before(f.ProvedAt):
		case v.Kind == auth.ProofRecoveryCode && secret.Equal(v.Lookup, digest),
			v.Kind == auth.ProofTOTP && repeatTOTP(tx, v, in.Code) == nil:
			return true, nil
		}
	}
	return false, nil
}

// hasUsedCode reports whether a mailed code is the one by which the account signed in within the flow, just now.
func (s *Service) hasUsedCode(tx *store.Tx, f auth.Flow, account auth.AccountID, method auth.ProofMethod, typed string) (bool, error) {
	u := codeUse{method, f.ID}
	v, code, _, err := u.read(tx)
	if err != nil || f.ProvedAt.IsZero() || v.Account != account || v.UsedAt.Before(f.ProvedAt) || tx.Now.Sub(v.UsedAt) > repeatWindow {
		return false, err
	}
	return u.match(s.codeText(tx, u, account, code.Nonce), typed), nil
}

// repeatEmail returns the session of a flow again to a browser that sent the form of a mailed code twice. It reports
// false for every other form.
func (s *Service) repeatEmail(tx *store.Tx, f auth.Flow, in EmailForm, form PasswordForm) (a auth.Account, e SignedIn, ok bool, err error) {
	if f.ProvedAt.IsZero() {
		return a, e, false, nil
	}
	v, err := tx.Session(f.Session)
	if errors.Is(err, auth.ErrNotFound) || err == nil && !v.Live(tx.Now) {
		return a, e, false, nil
	}
	if err != nil {
		return a, e, false, err
	}
	if used, err := s.hasUsedCode(tx, f, v.Account, auth.ProofEmailLink, in.Code); err != nil || !used {
		return a, e, false, err
	}
	if a, err = tx.Account(v.Account); err != nil {
		return a, e, false, err
	}
	params, need, err := s.checkProofs(tx, a, v.Proofs(), in.Browser.Actor)
	if err != nil || need != auth.NeedNothing {
		return a, e, false, err
	}
	e, err = s.startInBrowser(tx, a, params, form)
	return a, e, err == nil, err
}
