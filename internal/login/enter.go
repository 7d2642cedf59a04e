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
	Email, Password string
	Remember        bool   // stay signed in when the browser is closed
	RememberMe      string // the remember-me cookie, if there is one
}

// SignedIn is the result for the browser: the session that was started or renewed, the new value of the
// session cookie, that of the remember-me cookie when it changes, and that of the known-browser cookie.
type SignedIn struct {
	Session    auth.Session
	Accounts   []session.SignedIn // all accounts signed in in the browser, this one first
	Cookie     string             // the whole session cookie; secret
	RememberMe secret.Text
	Known      secret.Text
	Step       flow.Step // of the flow in which the user signed in
}

// SignInBrowser signs in with email address and password in a flow, and continues the flow. An account that
// is signed in in the browser already gets its session renewed under another secret. Any other account
// becomes the first of the browser. The session and the flow's record of it are written in one transaction.
// Refusals are those of flow.CheckForm and of Password; with the latter, Step is the one at which the flow
// stays.
//
// A form that was sent twice does not start a second session. If the browser has the session already, the
// flow continues without a password. A form of a flow in which a user signed in counts only as sent twice,
// and not after that user has signed out. Browsers keep what they posted, and the next user of the browser
// could send it again.
func (s *Service) SignInBrowser(ctx context.Context, in PasswordForm) (SignedIn, error) {
	f, err := s.cfg.Flows.CheckForm(ctx, in.FormRef)
	if err != nil {
		return SignedIn{}, err
	}
	if f.ID != in.Flow {
		if step, ok, err := s.repeatForm(ctx, in, f); ok || err != nil {
			return SignedIn{Step: step}, err
		}
	}
	var e SignedIn
	a := &attempt{
		s: s, tenant: in.Tenant, email: in.Email, password: in.Password, actor: in.Browser.Actor,
		begin: func(tx *store.Tx, a auth.Account, b session.Params) (_ auth.Session, err error) {
			e, err = s.startInBrowser(tx, a, b, in)
			return e.Session, err
		},
	}
	if err := s.signIn(ctx, a); err != nil {
		return s.refuseInFlow(ctx, in, err)
	}
	e.Known = a.issueKnownBrowser()
	b := in.Browser
	b.Sessions, b.Actor = e.Accounts, b.Actor.AsSession(e.Session)
	b.Actor.Known = e.Known.Reveal()
	e.Step, err = s.cfg.Flows.Advance(ctx, in.Tenant, e.Step.Flow, b)
	return e, err
}

// hasSession reports whether the browser holds the session of the form's account that was proved in
// the flow.
func (in PasswordForm) hasSession(f auth.Flow) bool {
	return !f.ProvedAt.IsZero() && slices.ContainsFunc(in.Browser.Sessions, func(v session.SignedIn) bool {
		return v.Session.ID == f.Session && v.Account.Email.Login == canonicalLogin(in.Email)
	})
}

// repeatForm continues the successor of a flow that is over if its form needs no password or can use
// none. It counts as a success of the account, since it may end with a code.
func (s *Service) repeatForm(ctx context.Context, in PasswordForm, successor auth.Flow) (step flow.Step, ok bool, err error) {
	held := in.hasSession(successor)
	if !held {
		if used, err := s.hasFormSignIn(ctx, in, successor); err != nil || !used {
			return step, false, err
		}
	}
	if len(in.Browser.Sessions) > 0 {
		if err := s.countSuccess(ctx, in.Tenant, in.Browser.Sessions[0].Account.ID); err != nil {
			return step, false, err
		}
	}
	if held {
		step, err = s.cfg.Flows.Advance(ctx, in.Tenant, successor, in.Browser)
	} else {
		step, err = s.cfg.Flows.Continue(ctx, in.Tenant, successor.ID, in.Browser)
	}
	return step, true, err
}

// hasFormSignIn reports whether a user signed in within the flow of a form that is over, unless the form
// counts as sent twice in its successor and the session lives. The proof is then in the successor.
func (s *Service) hasFormSignIn(ctx context.Context, in PasswordForm, successor auth.Flow) (used bool, err error) {
	err = s.cfg.DB.Read(ctx, in.Tenant, func(tx *store.Tx) error {
		over, err := tx.Flow(in.Flow)
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
func (s *Service) refuseInFlow(ctx context.Context, in PasswordForm, refusal error) (SignedIn, error) {
	if _, ok := errors.AsType[*auth.Error](refusal); !ok {
		return SignedIn{}, refusal
	}
	step, err := s.cfg.Flows.FormStep(ctx, in.FormRef)
	return SignedIn{Step: step}, cmp.Or(err, refusal)
}

func (s *Service) startInBrowser(tx *store.Tx, a auth.Account, b session.Params, in PasswordForm) (SignedIn, error) {
	series, rememberMe, err := s.updateRememberMe(tx, a.ID, in, session.Proof{ACR: b.ACR, AMR: b.AMR})
	if err != nil {
		return SignedIn{}, err
	}
	b.RememberMe = series
	f, err := s.cfg.Flows.Resume(tx, in.FormRef)
	if err != nil {
		return SignedIn{}, err
	}
	browser, err := withFlowSession(tx, in.Browser.Sessions, f, a)
	if err != nil {
		return SignedIn{}, err
	}
	e, err := s.addToBrowser(tx, browser, a, b)
	if err != nil {
		return SignedIn{}, err
	}
	e.RememberMe, e.Step.Flow = rememberMe, f
	return e, flow.CompleteSignIn(tx, f, e.Session)
}

// withFlowSession adds the session that the account already got in the flow. The browser sent the form again
// before it had the cookie.
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
func (s *Service) updateRememberMe(tx *store.Tx, account auth.AccountID, in PasswordForm, p session.Proof) (auth.RememberMeID, secret.Text, error) {
	old, own, err := s.cfg.Sessions.OwnedRememberMe(tx, in.RememberMe, account)
	if err != nil {
		return "", "", err
	}
	switch {
	case !in.Remember && own:
		return old.ID, "", tx.RenewRememberMe(old.ID, tx.Now, p.ACR, p.AMR)
	case !in.Remember:
		return "", "", nil
	case own:
		if err := tx.RevokeRememberMe(account, old.ID, auth.EndRenewed); err != nil {
			return "", "", err
		}
	}
	v, rememberMe, err := s.cfg.Sessions.StartRememberMe(tx, account, p)
	return v.ID, rememberMe, err
}

// addToBrowser makes an account the first one in the browser, with its own session under another secret or
// with a new session.
func (s *Service) addToBrowser(tx *store.Tx, browser []session.SignedIn, a auth.Account, b session.Params) (SignedIn, error) {
	front := session.SignedIn{Account: a}
	all := []session.SignedIn{front}
	for _, v := range browser {
		if v.Account.ID != a.ID {
			all = append(all, v)
			continue
		}
		if front.Secret != "" { // one session for each account
			if err := s.endSession(tx, v, auth.EndRenewed); err != nil {
				return SignedIn{}, err
			}
			continue
		}
		renewed, cookie, err := s.cfg.Sessions.Reauthenticate(tx, v.Session.ID, session.Proof{ACR: b.ACR, AMR: b.AMR, RememberMe: b.RememberMe})
		if errors.Is(err, auth.ErrNotFound) {
			continue // the session has ended meanwhile
		}
		if err != nil {
			return SignedIn{}, err
		}
		front.Session, front.Secret = renewed, cookie.Reveal()
	}
	b.Cookie = true
	if front.Secret == "" {
		begun, cookie, err := s.cfg.Sessions.Start(tx, b)
		if err != nil {
			return SignedIn{}, err
		}
		front.Session, front.Secret = begun, cookie.Reveal()
	}
	all[0] = front
	for ; len(all) > session.MaxAccounts; all = all[:len(all)-1] {
		if err := s.endSession(tx, all[len(all)-1], auth.EndCrowded); err != nil {
			return SignedIn{}, err
		}
	}
	return SignedIn{Session: front.Session, Accounts: all, Cookie: session.FormatCookie(all)}, nil
}

// endSession ends a session whose secret leaves the cookie.
func (s *Service) endSession(tx *store.Tx, v session.SignedIn, reason string) error {
	err := s.cfg.Sessions.End(tx, v.Account.ID, v.Session.ID, reason)
	if errors.Is(err, auth.ErrNotFound) {
		return nil
	}
	return err
}

// SignOutBrowser signs one account of the browser out, or all of them when which is empty. It
// returns the new value of the session cookie, empty when no account is left. Remember-me cookies
// of the accounts that were signed out are invalid afterwards.
func (s *Service) SignOutBrowser(ctx context.Context, tenant auth.TenantID, browser []session.SignedIn, which auth.SessionID, actor auth.Actor) (string, error) {
	var cookie string
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		left, err := s.signOut(tx, browser, which, actor)
		cookie = session.FormatCookie(left)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("log out: %w", err)
	}
	return cookie, nil
}

// signOut ends one session of the browser, or all when which is empty, and records each. It
// returns the sessions that are left.
func (s *Service) signOut(tx *store.Tx, browser []session.SignedIn, which auth.SessionID, actor auth.Actor) ([]session.SignedIn, error) {
	ended, left, err := s.cfg.Sessions.SignOut(tx, browser, which)
	if err != nil {
		return nil, err
	}
	for _, v := range ended {
		if err := recordLogout(tx, v.Account.ID, v.Session.ID, actor); err != nil {
			return nil, err
		}
	}
	return left, nil
}
