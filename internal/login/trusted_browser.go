package login

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// checkInBrowser is checkProofs for a sign-in in a browser that the account may trust. It returns the new
// cookie of a trusted browser, empty if that does not change. Trust is used only where a second factor is
// needed and it is enough.
func (s *Service) checkInBrowser(tx *store.Tx, a auth.Account, proofs []auth.Proof, actor auth.Actor, acr ...string) (session.Params, auth.Need, secret.Text, error) {
	params, need, err := s.checkProofs(tx, a, proofs, actor, acr...)
	if err != nil || need != auth.NeedFactor || actor.Trusted == "" {
		return params, need, "", err
	}
	state, err := readTrustState(tx, a)
	if err != nil {
		return params, need, "", err
	}
	trusted := append(slices.Clone(proofs), auth.Proof{Method: auth.ProofTrustedBrowser, Account: a.ID})
	cookie, err := s.cfg.Sessions.UseTrust(tx, a.ID, actor.Trusted, state, func() (bool, error) {
		p, n, err := s.checkProofs(tx, a, trusted, actor, acr...)
		if err == nil && n == auth.NeedNothing {
			params, need = p, n
		}
		return need == auth.NeedNothing, err
	})
	if errors.Is(err, session.ErrTrustReused) {
		err = tx.Record(auth.Event{Kind: auth.EventTrustEnded, Outcome: auth.Failure, Actor: actor, Account: a.ID, Detail: map[string]string{"reason": "cookie_reused"}})
	}
	return params, need, cookie, err
}

// readTrustState reads what decides about the trusted browsers of an account.
func readTrustState(tx *store.Tx, a auth.Account) (auth.TrustState, error) {
	var state auth.TrustState
	tenant, err := tx.CurrentTenant()
	if err != nil {
		return state, err
	}
	state.Settings = tenant.Settings.Factors
	if state.Factors, err = tx.Factors(a.ID); err != nil {
		return state, err
	}
	state.PasswordSet, err = tx.PasswordSince(a.ID)
	if errors.Is(err, auth.ErrNotFound) {
		err = nil
	}
	return state, err
}

// trust makes the browser of a sign-in with a second factor trusted, if the tenant allows it. It returns the
// new cookie.
func (s *Service) trust(tx *store.Tx, account auth.AccountID, actor auth.Actor) (secret.Text, error) {
	tenant, err := tx.CurrentTenant()
	if err != nil || tenant.Settings.Factors.Trust() == 0 {
		return "", err
	}
	b, cookie, err := s.cfg.Sessions.Trust(tx, account, actor.Trusted, tenant.Settings.Factors, actor)
	if err != nil {
		return "", err
	}
	return cookie, tx.Record(auth.Event{Kind: auth.EventBrowserTrusted, Actor: actor, Account: account, Detail: map[string]string{"browser": string(b.ID)}})
}

// TrustedBrowsers lists the browsers in which the account needs no second factor, the newest first.
func (s *Service) TrustedBrowsers(ctx context.Context, tenant auth.TenantID, account auth.AccountID) (list []auth.TrustedBrowser, err error) {
	err = s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) error {
		a, err := tx.Account(account)
		if err != nil {
			return err
		}
		state, err := readTrustState(tx, a)
		if err != nil {
			return err
		}
		all, err := tx.TrustedBrowsers(account)
		list = slices.DeleteFunc(all, func(b auth.TrustedBrowser) bool { return !state.Live(b, tx.Now) })
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read trusted browsers: %w", err)
	}
	return list, nil
}

// EndTrust makes one of the account's trusted browsers need a second factor again. Its sessions continue.
// Refusals: not_found.
func (s *Service) EndTrust(ctx context.Context, tenant auth.TenantID, id auth.TrustedBrowserID, actor auth.Actor) error {
	account := actor.Account()
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		err := tx.DeleteTrustedBrowser(account, id)
		if errors.Is(err, auth.ErrNotFound) {
			return auth.Refuse(auth.KindNotFound, auth.CodeNotFound, "the account trusts no such browser")
		}
		if err != nil {
			return err
		}
		return tx.Record(auth.Event{Kind: auth.EventTrustEnded, Actor: actor, Account: account, Detail: map[string]string{"browser": string(id), "reason": auth.EndByOwner}})
	})
	if err != nil {
		return fmt.Errorf("end trust: %w", err)
	}
	return nil
}
