package login

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// EnterRequest is an attempt to sign in in a browser.
type EnterRequest struct {
	Email, Password string
	Remember        bool               // stay signed in when the browser is closed
	Browser         []session.SignedIn // who is signed in there already
	Series          string             // the keep cookie, if there is one
	Actor           auth.Actor
}

// Entered is what the browser gets: the session that was begun or renewed, the new
// value of the session cookie, that of the keep cookie when it changes, and that of the
// cookie by which accounts know the browser.
type Entered struct {
	Session auth.Session
	Cookie  string // whole; secret
	Keep    secret.Text
	Known   secret.Text
}

// Enter signs in with e-mail address and password in a browser. An account that is
// signed in there already gets its session renewed under another secret; any other
// account is put in front of those that are there. Refusals are those of Password.
func (s *Service) Enter(ctx context.Context, tenant auth.TenantID, r EnterRequest) (Entered, error) {
	var e Entered
	a := &attempt{
		s: s, tenant: tenant, email: r.Email, password: r.Password, actor: r.Actor,
		begin: func(tx *store.Tx, a auth.Account) (_ auth.Session, err error) {
			e, err = s.enter(tx, a, r)
			return e.Session, err
		},
	}
	if err := s.try(ctx, a); err != nil {
		return Entered{}, err
	}
	e.Known = a.introduce()
	return e, nil
}

func (s *Service) enter(tx *store.Tx, a auth.Account, r EnterRequest) (Entered, error) {
	p := session.Proof{ACR: acr, AMR: amr}
	series, keep, err := s.remember(tx, a.ID, r, p)
	if err != nil {
		return Entered{}, err
	}
	p.RememberMe = series
	e, err := s.arrive(tx, r.Browser, a, session.Params{
		Account: a.ID, Client: auth.FirstParty, ACR: p.ACR, AMR: p.AMR, RememberMe: p.RememberMe, Cookie: true, Actor: r.Actor,
	})
	e.Keep = keep
	return e, err
}

// remember begins a remember-me series when that is wished, and ends the one that the
// browser had. One that is there and not spoken of goes on for its own account.
func (s *Service) remember(tx *store.Tx, account auth.AccountID, r EnterRequest, p session.Proof) (auth.RememberMeID, secret.Text, error) {
	old, own, err := s.cfg.Sessions.OwnedRememberMe(tx, r.Series, account)
	if err != nil {
		return "", "", err
	}
	switch {
	case !r.Remember && own:
		return old.ID, "", tx.RenewRememberMe(old.ID, tx.Now, p.ACR, p.AMR)
	case !r.Remember:
		return "", "", nil
	case own:
		if err := tx.RevokeRememberMe(account, old.ID, auth.EndRenewed); err != nil {
			return "", "", err
		}
	}
	v, keep, err := s.cfg.Sessions.StartRememberMe(tx, account, p)
	return v.ID, keep, err
}

// arrive puts an account in front of those who are signed in in the browser: its own
// session there under another secret, or a new one.
func (s *Service) arrive(tx *store.Tx, browser []session.SignedIn, a auth.Account, b session.Params) (Entered, error) {
	front := session.SignedIn{Account: a}
	all := []session.SignedIn{front}
	for _, v := range browser {
		if v.Account.ID != a.ID {
			all = append(all, v)
			continue
		}
		if front.Secret != "" { // a second session of the same account has no use
			if err := s.drop(tx, v, auth.EndRenewed); err != nil {
				return Entered{}, err
			}
			continue
		}
		renewed, cookie, err := s.cfg.Sessions.Reauthenticate(tx, v.Session.ID, session.Proof{ACR: b.ACR, AMR: b.AMR, RememberMe: b.RememberMe})
		if errors.Is(err, auth.ErrNotFound) {
			continue // it has ended meanwhile
		}
		if err != nil {
			return Entered{}, err
		}
		front.Session, front.Secret = renewed, cookie.Reveal()
	}
	if front.Secret == "" {
		begun, cookie, err := s.cfg.Sessions.Start(tx, b)
		if err != nil {
			return Entered{}, err
		}
		front.Session, front.Secret = begun, cookie.Reveal()
	}
	all[0] = front
	for ; len(all) > session.MaxAccounts; all = all[:len(all)-1] {
		if err := s.drop(tx, all[len(all)-1], auth.EndCrowded); err != nil {
			return Entered{}, err
		}
	}
	return Entered{Session: front.Session, Cookie: session.FormatCookie(all)}, nil
}

// drop ends a session whose secret goes out of the cookie.
func (s *Service) drop(tx *store.Tx, v session.SignedIn, reason string) error {
	err := s.cfg.Sessions.End(tx, v.Account.ID, v.Session.ID, reason)
	if errors.Is(err, auth.ErrNotFound) {
		return nil
	}
	return err
}

// SignOut signs one account of the browser out, or all of them when which is empty, and
// returns the new value of the session cookie, empty when nobody is left. A keep
// cookie of those who have left is worth nothing any more.
func (s *Service) Leave(ctx context.Context, tenant auth.TenantID, browser []session.SignedIn, which auth.SessionID, actor auth.Actor) (string, error) {
	var cookie string
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		ended, left, err := s.cfg.Sessions.SignOut(tx, browser, which)
		if err != nil {
			return err
		}
		for _, v := range ended {
			err := tx.Record(auth.Event{Kind: auth.EventLogout, Actor: actor, Account: v.Account.ID,
				Detail: map[string]string{"session": string(v.Session.ID)}})
			if err != nil {
				return err
			}
		}
		cookie = session.FormatCookie(left)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("log out: %w", err)
	}
	return cookie, nil
}
