package login

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/passkey"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// PasskeyForm is the form in which a page of a flow sends the response of an authenticator.
type PasskeyForm struct {
	flow.FormRef
	Use        PasskeyUse
	Response   string // RegistrationResponseJSON or AuthenticationResponseJSON
	Remember   bool   // stay signed in when the browser is closed
	RememberMe string // the remember-me cookie, if there is one
	Trust      bool   // as of FactorForm; not of PasskeySignIn
	Signals    bool   // the browser can be told which passkeys work
}

// SignInPasskey signs in with a passkey in a flow (PasskeySignIn), proves one as a second factor
// (PasskeyFactor), or adds one to an account that must have a factor (PasskeyCreate), and continues the flow.
// Refusals are those of flow.CheckForm, invalid_passkey, passkey_unknown, passkey_refused, passkey_taken,
// too_many_factors and rate_limited; with all but the first, Step is the one at which the flow stays.
func (s *Service) SignInPasskey(ctx context.Context, in PasskeyForm) (SignedIn, error) {
	f, err := s.cfg.Flows.CheckForm(ctx, in.FormRef)
	if err != nil {
		return SignedIn{}, err
	}
	base := PasswordForm{FormRef: in.FormRef, Remember: in.Remember || f.Remember, RememberMe: in.RememberMe}
	e, a, err := s.signInPasskey(ctx, in, base, f)
	if err != nil {
		if in.Use == PasskeySignIn {
			s.observePasskey(err)
		}
		return s.refuseInFlow(ctx, base, err)
	}
	if in.Use == PasskeySignIn {
		s.cfg.Observe("success", "")
	}
	return s.continueSignedIn(ctx, base, a, e)
}

// observePasskey counts a sign-in with a passkey alone that failed.
func (s *Service) observePasskey(err error) {
	switch auth.KindOf(err) {
	case auth.KindThrottled:
		s.cfg.Observe("failure", ReasonLimited)
	case auth.KindUnavailable, auth.KindInternal:
		s.cfg.Observe("error", ReasonUnavailable)
	default:
		s.cfg.Observe("failure", ReasonPasskey)
	}
}

// passkeyResponse is a response that was verified: v for PasskeySignIn and PasskeyFactor, created for
// PasskeyCreate.
type passkeyResponse struct {
	c       ceremony
	v       verified
	created passkey.Passkey
}

// verifyResponse verifies the response to a ceremony. A refusal still consumes the ceremony.
func (s *Service) verifyResponse(ctx context.Context, tenant auth.TenantID, c ceremony, response []byte) (r passkeyResponse, err error) {
	r.c = c
	if c.Use == PasskeyCreate {
		r.created, err = s.finishCreate(ctx, tenant, c, response)
		return r, err
	}
	if r.v, err = s.verifyAssertion(ctx, tenant, c, response); err == nil && c.Use == PasskeySignIn {
		err = s.countSuccess(ctx, tenant, r.v.factor.Account)
	}
	return r, err
}

func (s *Service) signInPasskey(ctx context.Context, in PasskeyForm, base PasswordForm, f auth.Flow) (e SignedIn, a auth.Account, err error) {
	c, ok := parseCeremony(f.Ceremony, in.Use)
	if !ok || s.cfg.Passkeys == nil {
		return e, a, errInvalidPasskey(errors.New("no ceremony is under way"))
	}
	r, refusal := s.verifyResponse(ctx, in.Tenant, c, []byte(in.Response))
	if refusal != nil && !isRefusal(refusal) {
		return e, a, refusal
	}
	newDevice := false
	if account := cmp.Or(c.Account, r.v.factor.Account); refusal == nil {
		if newDevice, err = s.isNewDeviceOf(ctx, in.Tenant, account, in.Browser.Actor); err != nil {
			return e, a, err
		}
	}
	err = s.cfg.DB.Write(ctx, in.Tenant, func(tx *store.Tx) (err error) {
		f, err := s.consumeCeremony(tx, in.FormRef, f.Ceremony)
		if err != nil {
			return err
		}
		if refusal != nil {
			return s.refusePasskey(tx, r, in.Browser.Actor, refusal)
		}
		e, a, err = s.provePasskey(tx, in, base, f, r)
		if isRefusal(err) && in.Use != PasskeyCreate && e.Session.ID == "" { // a new passkey and a session are rolled back
			return s.refusePasskey(tx, r, in.Browser.Actor, err)
		}
		if err != nil || e.Session.ID == "" || !newDevice {
			return err
		}
		return notifyNewDevice(tx, a, in.Browser.Actor)
	})
	if err != nil {
		return SignedIn{}, a, fmt.Errorf("sign in with a passkey: %w", err)
	}
	return e, a, nil
}

// consumeCeremony returns the flow of a form, whose ceremony this response consumes.
func (s *Service) consumeCeremony(tx *store.Tx, in flow.FormRef, ceremony string) (auth.Flow, error) {
	f, err := s.cfg.Flows.Resume(tx, in)
	if err != nil {
		return f, err
	}
	if err := tx.ConsumeCeremony(f.ID, ceremony); errors.Is(err, auth.ErrNotFound) {
		return f, errInvalidPasskey(errors.New("another response was first"))
	} else if err != nil {
		return f, err
	}
	f.Ceremony = ""
	return f, nil
}

// refusePasskey records a response that was refused. What was written stays: the ceremony is consumed.
func (s *Service) refusePasskey(tx *store.Tx, r passkeyResponse, actor auth.Actor, refusal error) error {
	if r.c.Use == PasskeyCreate {
		return store.CommitWith(refusal)
	}
	return refuseSignIn(tx, actor, r.v.factor.Account, string(auth.ProofPasskey), ReasonPasskey, refusal)
}

// provePasskey uses a passkey, or adds one, and begins or renews the session if that is enough.
func (s *Service) provePasskey(tx *store.Tx, in PasskeyForm, base PasswordForm, f auth.Flow, r passkeyResponse) (e SignedIn, a auth.Account, err error) {
	var account auth.AccountID
	var proofs []auth.Proof
	if r.c.Use == PasskeySignIn {
		account = r.v.factor.Account
	} else if account, proofs, err = s.pendingProofs(tx, in.FormRef, f, stepsOfUses[r.c.Use]); err == nil && account != r.c.Account {
		err = errSignInOver() // another user has taken the flow over
	}
	if err != nil {
		return e, a, err
	}
	if a, err = tx.Account(account); err != nil {
		return e, a, err
	}
	if a.Disabled() {
		return e, a, errInvalidPasskey(errors.New("the account is disabled"))
	}
	var p auth.Proof
	if r.c.Use == PasskeyCreate {
		p, err = s.enrolPasskey(tx, r, in.Browser.Actor)
	} else {
		p, err = s.usePasskey(tx, r.v, in.Browser.Actor)
	}
	if err != nil {
		return e, a, err
	}
	e, err = s.addProof(tx, a, proofs, p, base)
	if err == nil && e.Session.ID != "" && in.Trust && r.c.Use != PasskeySignIn {
		e.Trusted, err = s.trust(tx, a.ID, in.Browser.Actor)
	}
	if err == nil && e.Session.ID != "" && in.Signals && r.c.Use != PasskeyCreate {
		e.Signals, err = s.newSignals(tx, r.v.factor)
	}
	return e, a, err
}

// stepsOfUses are the steps of a sign-in at which a passkey is used.
var stepsOfUses = map[PasskeyUse][]auth.StepKind{PasskeyFactor: stepsOfProofs, PasskeyCreate: stepsOfEnrolment}

// enrolPasskey adds a passkey to an account that needs a factor.
func (s *Service) enrolPasskey(tx *store.Tx, r passkeyResponse, actor auth.Actor) (auth.Proof, error) {
	f, err := s.insertPasskey(tx, newPasskey(tx, r.c, r.created, ""), actor)
	return createdProof(tx, f), err
}

// OfferAnswer is what a user says to the offer of a passkey.
type OfferAnswer string

// The answers to the offer of a passkey.
const (
	OfferAccepted OfferAnswer = "create"
	OfferLater    OfferAnswer = "later"
	OfferNever    OfferAnswer = "never"
)

// AnswerOffer creates the passkey that is offered after a sign-in, or none, and continues the flow. The session
// of the sign-in counts as signed in with the passkey, under another secret, if the user made a gesture.
// Refusals are those of flow.CheckForm, passkey_refused, passkey_taken and too_many_factors; with all but the
// first, Step is the one at which the flow stays.
func (s *Service) AnswerOffer(ctx context.Context, in PasskeyForm, answer OfferAnswer) (SignedIn, error) {
	f, err := s.cfg.Flows.CheckForm(ctx, in.FormRef)
	if err != nil {
		return SignedIn{}, err
	}
	var e SignedIn
	i := slices.IndexFunc(in.Browser.Sessions, func(v session.SignedIn) bool { return v.Session.ID == f.Session })
	if f.OfferPasskey && !f.ProvedAt.IsZero() && i >= 0 {
		cookie, err := s.answerOffer(ctx, in, f, in.Browser.Sessions[i].Session, answer)
		if err != nil {
			return s.refuseInFlow(ctx, PasswordForm{FormRef: in.FormRef}, fmt.Errorf("answer the offer of a passkey: %w", err))
		}
		if cookie != "" {
			e.Accounts = slices.Clone(in.Browser.Sessions)
			e.Accounts[i].Secret = cookie.Reveal()
			e.Session, e.Cookie = e.Accounts[i].Session, session.FormatCookie(e.Accounts)
		}
	}
	e.Step, err = s.cfg.Flows.Continue(ctx, in.Tenant, f.ID, in.Browser)
	return e, err
}

// answerOffer is AnswerOffer up to the end of the offer. It returns the new secret of the session, if that
// changes.
func (s *Service) answerOffer(ctx context.Context, in PasskeyForm, f auth.Flow, owner auth.Session, answer OfferAnswer) (cookie secret.Text, err error) {
	var r passkeyResponse
	var refusal error
	if answer == OfferAccepted {
		c, ok := parseCeremony(f.Ceremony, PasskeyCreate)
		if !ok || c.Account != owner.Account {
			refusal = mapCreationRefused(passkey.ErrRefused)
		} else if r, refusal = s.verifyResponse(ctx, in.Tenant, c, []byte(in.Response)); refusal != nil && !isRefusal(refusal) {
			return "", refusal
		}
	}
	err = s.cfg.DB.Write(ctx, in.Tenant, func(tx *store.Tx) error {
		cookie = ""
		if answer != OfferAccepted {
			return s.declineOffer(tx, in.FormRef, owner.Account, answer)
		}
		f, err := s.consumeCeremony(tx, in.FormRef, f.Ceremony)
		switch {
		case err != nil:
			return err
		case refusal != nil:
			return store.CommitWith(refusal)
		}
		if cookie, err = s.acceptOffer(tx, r, in.Browser.Actor.AsSession(owner)); err != nil {
			return err
		}
		f.OfferPasskey = false
		return flow.Update(tx, f)
	})
	return cookie, err
}

// acceptOffer adds the passkey of an offer, unless the session is no longer fresh. A passkey that the browser
// created without a gesture proves nothing about its user yet.
func (s *Service) acceptOffer(tx *store.Tx, r passkeyResponse, actor auth.Actor) (secret.Text, error) {
	v, a, err := actorSession(tx, actor)
	if err == nil {
		err = requireFresh(tx, v, a, auth.FreshAge)
	}
	if auth.KindOf(err) == auth.KindUnauthenticated {
		return "", nil
	} else if err != nil {
		return "", err
	}
	f := newPasskey(tx, r.c, r.created, "")
	f.Data.Offered = true
	f, err = s.insertPasskey(tx, f, actor)
	if err != nil || !r.created.UserPresent {
		return "", err
	}
	return s.strengthen(tx, createdProof(tx, f), actor)
}

// declineOffer ends the offer of a passkey in a flow.
func (s *Service) declineOffer(tx *store.Tx, in flow.FormRef, account auth.AccountID, answer OfferAnswer) error {
	f, err := s.cfg.Flows.Resume(tx, in)
	if err != nil {
		return err
	}
	if answer == OfferNever {
		if err := stopOffers(tx, account); err != nil {
			return err
		}
	}
	f.OfferPasskey, f.Ceremony = false, ""
	return flow.Update(tx, f)
}
