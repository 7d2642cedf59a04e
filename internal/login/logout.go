package login

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// LogoutRequest ends the actor's session. RefreshToken, if given, ends the session of the same
// account that it belongs to. Cookie, if given, ends every session that the browser holds.
type LogoutRequest struct {
	Tenant       auth.TenantID
	RefreshToken string
	Cookie       string // the session cookie
	Actor        auth.Actor
}

// Logout ends sessions with their refresh tokens, all of them or none. Signing out twice is no
// error.
func (s *Service) Logout(ctx context.Context, r LogoutRequest) error {
	browser, err := s.cfg.Sessions.FindAll(ctx, r.Tenant, r.Cookie)
	if err != nil {
		return fmt.Errorf("log out: %w", err)
	}
	err = s.cfg.DB.Write(ctx, r.Tenant, func(tx *store.Tx) error {
		if err := s.endActorSession(tx, r); err != nil {
			return err
		}
		_, err := s.signOut(tx, browser, "", r.Actor)
		return err
	})
	if err != nil {
		return fmt.Errorf("log out: %w", err)
	}
	return nil
}

func (s *Service) endActorSession(tx *store.Tx, r LogoutRequest) error {
	account, id := r.Actor.Account(), r.Actor.Session
	ended := true
	if err := s.cfg.Sessions.End(tx, account, id, auth.EndLogout); errors.Is(err, auth.ErrNotFound) {
		ended = false
	} else if err != nil {
		return err
	}
	if r.RefreshToken != "" {
		also, err := s.cfg.Tokens.End(tx, account, r.RefreshToken, auth.EndLogout)
		if err != nil {
			return err
		}
		ended = ended || also
	}
	if !ended {
		return nil
	}
	return recordLogout(tx, account, id, r.Actor)
}

func recordLogout(tx *store.Tx, account auth.AccountID, id auth.SessionID, actor auth.Actor) error {
	return tx.Record(auth.Event{Kind: auth.EventLogout, Actor: actor, Account: account, Detail: map[string]string{"session": string(id)}})
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
