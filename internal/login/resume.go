package login

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// methodRemembered is the method of a sign-in by a remember-me cookie, in the audit log.
const methodRemembered = "remembered"

// Resume starts a session for the owner of a remember-me cookie, which is rotated. The session
// keeps the time at which the user authenticated. An invalid cookie is refused as
// Unauthenticated session_invalid, and the browser should delete it. A used cookie whose
// successor was used ends its series with all its sessions, and the owner is notified.
func (s *Service) Resume(ctx context.Context, tenant auth.TenantID, rememberMe string, browser []session.SignedIn, actor auth.Actor) (SignedIn, error) {
	if _, ok := session.ParseRememberMe(rememberMe); !ok {
		return SignedIn{}, invalidRememberMe(nil)
	}
	var signedIn SignedIn
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) (err error) {
		signedIn, err = s.resume(tx, rememberMe, browser, actor)
		return err
	})
	if err != nil {
		return SignedIn{}, fmt.Errorf("resume session: %w", err)
	}
	return signedIn, nil
}

func (s *Service) resume(tx *store.Tx, rememberMe string, browser []session.SignedIn, actor auth.Actor) (SignedIn, error) {
	series, err := s.cfg.Sessions.VerifyRememberMe(tx, rememberMe)
	if errors.Is(err, session.ErrRememberMeReused) || errors.Is(err, session.ErrRememberMeLate) {
		if err := s.reportReuse(tx, series, actor, err); err != nil {
			return SignedIn{}, err
		}
		return SignedIn{}, store.CommitWith(invalidRememberMe(err))
	}
	if err != nil {
		return SignedIn{}, err
	}
	if i := slices.IndexFunc(browser, func(v session.SignedIn) bool { return v.Account.ID == series.Account }); i >= 0 {
		return SignedIn{Session: browser[i].Session, Accounts: browser, Cookie: session.FormatCookie(browser)}, nil // nothing to resume
	}
	a, err := tx.Account(series.Account)
	if err != nil {
		return SignedIn{}, err
	}
	params, need, trusted, err := s.checkInBrowser(tx, a, series.Proofs(), actor)
	if err == nil && need != auth.NeedNothing { // the policy is stricter than when the user signed in
		err = auth.SessionInvalid()
	}
	if err != nil {
		return SignedIn{}, s.refuseResume(tx, a, actor, err)
	}
	next, err := s.cfg.Sessions.RotateRememberMe(tx, series, rememberMe)
	if err != nil {
		return SignedIn{}, err
	}
	params.RememberMe, params.Until = series.ID, series.ExpiresAt
	signedIn, err := s.addToBrowser(tx, browser, a, params)
	if err != nil {
		return SignedIn{}, err
	}
	signedIn.RememberMe, signedIn.Trusted = next, trusted
	return signedIn, recordSignIn(tx, signedIn.Session, methodRemembered, actor)
}

// refuseResume records a refusal after a valid cookie. The response is that to an invalid cookie.
func (s *Service) refuseResume(tx *store.Tx, a auth.Account, actor auth.Actor, cause error) error {
	if !isRefusal(cause) {
		return cause
	}
	reason := ReasonRefused
	if a.Disabled() {
		reason = ReasonDisabled
	}
	return refuseSignIn(tx, actor, a.ID, methodRemembered, reason, invalidRememberMe(cause))
}

// reportReuse records the reuse of a remember-me token, and notifies the owner when it was
// copied.
func (s *Service) reportReuse(tx *store.Tx, v auth.RememberMe, actor auth.Actor, cause error) error {
	verdict := "reuse"
	if errors.Is(cause, session.ErrRememberMeLate) {
		verdict = "late"
	}
	err := tx.Record(auth.Event{Kind: auth.EventRememberMeReused, Outcome: auth.Failure, Actor: actor, Account: v.Account,
		Detail: map[string]string{"series": string(v.ID), "verdict": verdict}})
	if err != nil || verdict == "late" {
		return err
	}
	return tx.NotifySessionsEnded(v.Account, actor)
}

func invalidRememberMe(cause error) error {
	e := auth.SessionInvalid()
	e.Err = cause
	return e
}
