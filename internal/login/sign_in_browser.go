package login

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// PasswordForm is the form of the page on which a user signs in with a password.
type PasswordForm struct {
	flow.FormRef
	Email, Password string // as in Request
	Remember        bool   // stay signed in when the browser is closed
	RememberMe      string // the remember-me cookie, if there is one
	CanCreate       bool   // the browser can create a passkey
}

// SignedIn is the result of a sign-in in a browser: the session that was started or renewed, and the new
// values of the cookies. RememberMe is empty if that cookie does not change.
type SignedIn struct {
	Session    auth.Session
	Accounts   []session.SignedIn // all accounts signed in in the browser, this one first
	Cookie     string             // the whole session cookie; secret
	RememberMe secret.Text
	Known      secret.Text
	Trusted    secret.Text       // empty if that cookie does not change
	Signals    map[string][]byte // as PasskeySignals, when the browser has to be told; else nil
	Step       flow.Step         // of the flow in which the user signed in
}

// SignInBrowser signs in with a name and a password in a flow, and continues the flow. If the account is
// already signed in in the browser, its session is renewed under another secret. The account becomes the
// current one of the browser. The session and the flow's record of it are written in one transaction.
// Refusals are those of flow.CheckForm and of Password; with the latter, Step is the one at which the flow
// stays.
//
// A form that was sent twice does not start a second session. If the browser has the session already, the
// flow continues without a password. After a sign-in within its flow, a form counts only as sent twice, and
// only while that session is live. Browsers keep posted forms, and the next user of the browser could send
// one again.
func (s *Service) SignInBrowser(ctx context.Context, form PasswordForm) (SignedIn, error) {
	f, err := s.cfg.Flows.CheckForm(ctx, form.FormRef)
	if err != nil {
		return SignedIn{}, err
	}
	if f.ID != form.Flow {
		if step, ok, err := s.repeatForm(ctx, form, f); ok || err != nil {
			return SignedIn{Step: step}, err
		}
	}
	var signedIn SignedIn
	a := &attempt{
		s: s, tenant: form.Tenant, email: form.Email, password: form.Password, actor: form.Browser.Actor,
		begin: func(tx *store.Tx, a auth.Account, params session.Params) (_ auth.Session, err error) {
			signedIn, err = s.startInBrowser(tx, a, params, form)
			return signedIn.Session, err
		},
		keep: func(tx *store.Tx, p auth.Proof) error {
			f, err := s.keepProof(tx, form, p)
			signedIn = SignedIn{Step: flow.Step{Flow: f}}
			return err
		},
	}
	if err := s.signIn(ctx, a); err != nil {
		return s.refuseInFlow(ctx, form, err)
	}
	signedIn.Trusted = a.trusted
	signedIn, err = s.continueSignedIn(ctx, form, a.account, signedIn)
	if err == nil && a.need != auth.NeedNothing && signedIn.Step.Kind == auth.StepFactor && signedIn.Step.Proving.EmailCode {
		err = s.ignoreUnsent(s.mailFlowCode(ctx, form.FormRef, a.account))
	}
	return signedIn, err
}

// hasSession reports whether the browser holds the session in which the form's account signed in within
// the flow.
func (form PasswordForm) hasSession(f auth.Flow) bool {
	return !f.ProvedAt.IsZero() && slices.ContainsFunc(form.Browser.Sessions, func(v session.SignedIn) bool {
		return v.Session.ID == f.Session && v.Account.Has(canonicalLogin(form.Email))
	})
}

// repeatForm continues the successor of a flow that is over if the form needs no password or must not use
// its password. It counts as a success of the account, since it may end with a code.
func (s *Service) repeatForm(ctx context.Context, form PasswordForm, successor auth.Flow) (step flow.Step, ok bool, err error) {
	held := form.hasSession(successor)
	if !held {
		if used, err := s.hasFormSignIn(ctx, form, successor); err != nil || !used {
			return step, false, err
		}
	}
	if len(form.Browser.Sessions) > 0 {
		if err := s.countSuccess(ctx, form.Tenant, form.Browser.Sessions[0].Account.ID); err != nil {
			return step, false, err
		}
	}
	if held {
		step, err = s.cfg.Flows.Advance(ctx, form.Tenant, successor, form.Browser)
	} else {
		step, err = s.cfg.Flows.Continue(ctx, form.Tenant, successor.ID, form.Browser)
	}
	return step, true, err
}

// hasFormSignIn reports whether the password of a form must not be used, because a user has signed in within
// its flow or a successor of it. It reports false while the form counts as sent twice and the session is
// live.
func (s *Service) hasFormSignIn(ctx context.Context, form PasswordForm, successor auth.Flow) (used bool, err error) {
	err = s.cfg.DB.Read(ctx, form.Tenant, func(tx *store.Tx) error {
		over, err := s.cfg.Flows.LastSignIn(tx, form.Tenant, form.Flow)
		if err != nil || over.ProvedAt.IsZero() {
			used = false
			return err
		}
		v, err := tx.Session(over.Session)
		if errors.Is(err, auth.ErrNotFound) {
			used = true
			return nil
		}
		used = !v.Live(tx.Now) || successor.ProvedAt.IsZero()
		return err
	})
	if err != nil {
		return false, fmt.Errorf("read flow of form: %w", err)
	}
	return used, nil
}

// refuseInFlow returns a refusal with the step at which the flow stays.
func (s *Service) refuseInFlow(ctx context.Context, form PasswordForm, refusal error) (SignedIn, error) {
	if _, ok := errors.AsType[*auth.Error](refusal); !ok {
		return SignedIn{}, refusal
	}
	step, err := s.cfg.Flows.FormStep(ctx, form.FormRef)
	if auth.CodeOf(err) == auth.CodeFlowOver {
		return SignedIn{}, refusal // the flow ended meanwhile; the attempt counts as any other
	}
	return SignedIn{Step: step}, cmp.Or(err, refusal)
}

func (s *Service) startInBrowser(tx *store.Tx, a auth.Account, params session.Params, form PasswordForm) (SignedIn, error) {
	series, rememberMe, err := s.updateRememberMe(tx, a.ID, form, session.AuthContext{ACR: params.ACR, AMR: params.AMR, AuthAt: params.AuthAt})
	if err != nil {
		return SignedIn{}, err
	}
	params.RememberMe = series
	f, err := s.cfg.Flows.Resume(tx, form.FormRef)
	if err != nil {
		return SignedIn{}, err
	}
	browser, err := withFlowSession(tx, form.Browser.Sessions, f, a)
	if err != nil {
		return SignedIn{}, err
	}
	signedIn, err := s.addToBrowser(tx, browser, a, params)
	if err != nil {
		return SignedIn{}, err
	}
	if f.OfferPasskey, err = s.offersPasskey(tx, signedIn.Session, a, form); err != nil {
		return signedIn, err
	}
	signedIn.RememberMe, signedIn.Step.Flow = rememberMe, f
	return signedIn, flow.CompleteSignIn(tx, f, signedIn.Session)
}

// withFlowSession adds the session that the account has already started in the flow: the browser sent the
// form again before it had the cookie.
func withFlowSession(tx *store.Tx, browser []session.SignedIn, f auth.Flow, a auth.Account) ([]session.SignedIn, error) {
	if f.ProvedAt.IsZero() {
		return browser, nil
	}
	v, err := tx.Session(f.Session)
	if errors.Is(err, auth.ErrNotFound) || err == nil && v.Account != a.ID {
		return browser, nil
	} else if err != nil {
		return nil, err
	}
	for _, held := range browser {
		if held.Account.ID == a.ID {
			return browser, nil
		}
	}
	return append(slices.Clone(browser), session.SignedIn{Account: a, Session: v}), nil
}

// updateRememberMe starts a remember-me series if the user requested it, and ends the browser's former one.
// Otherwise a series of the same account is renewed.
func (s *Service) updateRememberMe(tx *store.Tx, account auth.AccountID, form PasswordForm, p session.AuthContext) (auth.RememberMeID, secret.Text, error) {
	old, own, err := s.cfg.Sessions.OwnedRememberMe(tx, form.RememberMe, account)
	if err != nil {
		return "", "", err
	}
	switch {
	case !form.Remember && own:
		return old.ID, "", tx.RenewRememberMe(old.ID, p.AuthAt, p.ACR, p.AMR)
	case !form.Remember:
		return "", "", nil
	case own:
		if err := tx.RevokeRememberMe(account, old.ID, auth.EndRenewed); err != nil {
			return "", "", err
		}
	}
	v, rememberMe, err := s.cfg.Sessions.StartRememberMe(tx, account, p)
	return v.ID, rememberMe, err
}

// addToBrowser makes an account the current one of the browser. It renews the account's session under
// another secret, or starts one.
func (s *Service) addToBrowser(tx *store.Tx, browser []session.SignedIn, a auth.Account, params session.Params) (SignedIn, error) {
	current := session.SignedIn{Account: a}
	all := []session.SignedIn{current}
	for _, v := range browser {
		if v.Account.ID != a.ID {
			all = append(all, v)
			continue
		}
		if current.Secret != "" { // one session for each account
			if err := s.endSession(tx, v, auth.EndRenewed); err != nil {
				return SignedIn{}, err
			}
			continue
		}
		renewed, cookie, err := s.cfg.Sessions.Reauthenticate(tx, v.Session.ID, session.AuthContext{ACR: params.ACR, AMR: params.AMR, AuthAt: params.AuthAt, RememberMe: params.RememberMe})
		if errors.Is(err, auth.ErrNotFound) {
			continue // the session has ended meanwhile
		}
		if err != nil {
			return SignedIn{}, err
		}
		current.Session, current.Secret = renewed, cookie.Reveal()
	}
	params.Cookie = true
	if current.Secret == "" {
		started, cookie, err := s.cfg.Sessions.Start(tx, params)
		if err != nil {
			return SignedIn{}, err
		}
		current.Session, current.Secret = started, cookie.Reveal()
	}
	all[0] = current
	for ; len(all) > session.MaxAccounts; all = all[:len(all)-1] {
		if err := s.endSession(tx, all[len(all)-1], auth.EndTooManySessions); err != nil {
			return SignedIn{}, err
		}
	}
	return SignedIn{Session: current.Session, Accounts: all, Cookie: session.FormatCookie(all)}, nil
}

// endSession ends a session whose secret leaves the cookie.
func (s *Service) endSession(tx *store.Tx, v session.SignedIn, reason string) error {
	err := s.cfg.Sessions.End(tx, v.Account.ID, v.Session.ID, reason)
	if errors.Is(err, auth.ErrNotFound) {
		return nil
	}
	return err
}
