package login

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

const (
	// maxFailures is how many wrong codes end a sign-in, which then begins again with the first factor.
	maxFailures = 10
	// noticedFailures is how many wrong codes of an account within noticePause send a notice, once in that time.
	noticedFailures = 10
	noticePause     = 24 * time.Hour
)

// FactorForm is the form of the page that asks for a second factor.
type FactorForm struct {
	flow.FormRef
	Method     auth.ProofMethod // ProofTOTP, ProofRecoveryCode or ProofEmailCode
	Enrol      auth.FactorID    // the authenticator app that the code adds; empty to prove one that counts
	Code       string
	RememberMe string // the remember-me cookie, if there is one
	Trust      bool   // ask for no second factor in this browser for some time
}

// keepProof stores a proof in the flow of a form. It replaces the proofs of another account and an older
// proof by the same method.
func (s *Service) keepProof(tx *store.Tx, form PasswordForm, p auth.Proof) (auth.Flow, error) {
	f, err := s.cfg.Flows.Resume(tx, form.FormRef)
	if err != nil {
		return f, err
	}
	live, err := flow.LiveProofs(tx, f)
	if err != nil {
		return f, err
	}
	f.Proofs = slices.DeleteFunc(live, func(v auth.Proof) bool { return v.Account != p.Account || v.Method == p.Method })
	f.Proofs, f.Remember, f.OfferPasskey, f.Ceremony = append(f.Proofs, p), form.Remember, form.CanCreate, ""
	return f, flow.Update(tx, f)
}

// SignInFactor proves a second factor in a flow, and continues the flow. It completes a sign-in whose first
// factor was right, or makes the session stronger that the flow is about. Refusals are those of
// flow.CheckForm, invalid_code, rate_limited and flow_over; with the latter two and invalid_code, Step is the
// one at which the flow stays.
func (s *Service) SignInFactor(ctx context.Context, in FactorForm) (SignedIn, error) {
	f, err := s.cfg.Flows.CheckForm(ctx, in.FormRef)
	if err != nil {
		return SignedIn{}, err
	}
	base := PasswordForm{FormRef: in.FormRef, Remember: f.Remember, RememberMe: in.RememberMe, CanCreate: f.OfferPasskey}
	a, err := s.readPending(ctx, in.FormRef, f)
	if err != nil {
		return s.refuseInFlow(ctx, base, err)
	}
	refund, err := s.countGuess(ctx, in.Tenant, a, in.Browser.Actor)
	if err != nil {
		return s.refuseInFlow(ctx, base, err)
	}
	newDevice, err := s.isNewDevice(ctx, in.Tenant, a, in.Browser.Actor)
	if err != nil {
		return SignedIn{}, err
	}
	var e SignedIn
	err = s.cfg.DB.Write(ctx, in.Tenant, func(tx *store.Tx) (err error) {
		if e, err = s.proveFactor(tx, in, base, a.ID); err != nil || e.Session.ID == "" || !newDevice {
			return err
		}
		return notifyNewDevice(tx, a, in.Browser.Actor)
	})
	if err != nil {
		return s.refuseInFlow(ctx, base, err)
	}
	refund()
	return s.continueSignedIn(ctx, base, a, e)
}

// continueSignedIn continues the flow in which a user has proved a factor. A session that began makes the
// browser known to the account.
func (s *Service) continueSignedIn(ctx context.Context, base PasswordForm, a auth.Account, e SignedIn) (_ SignedIn, err error) {
	b := base.Browser
	if e.Session.ID != "" {
		e.Known = s.cfg.Sessions.IssueKnownBrowser(base.Tenant, a.Email.Login, b.Actor.Known, s.cfg.Now())
		b.Sessions, b.Actor = e.Accounts, b.Actor.AsSession(e.Session)
		b.Actor.Known = e.Known.Reveal()
	}
	e.Step, err = s.cfg.Flows.Advance(ctx, base.Tenant, e.Step.Flow, b)
	return e, err
}

// readPending reads the account that proves a factor in the flow.
func (s *Service) readPending(ctx context.Context, in flow.FormRef, f auth.Flow) (a auth.Account, err error) {
	err = s.cfg.DB.Read(ctx, in.Tenant, func(tx *store.Tx) error {
		account, _, err := s.pendingProofs(tx, in, f, stepsOfProofs)
		if err != nil {
			account, err = completedAccount(tx, f, err)
		}
		if err != nil {
			return err
		}
		a, err = tx.Account(account)
		return err
	})
	if err != nil {
		return a, fmt.Errorf("read pending sign-in: %w", err)
	}
	return a, nil
}

// The steps of a sign-in at which a factor is proved, and at which one is added. Whoever is to add one may prove
// another instead: the user of a rescue link has found the old one after all.
var (
	stepsOfProofs    = []auth.StepKind{auth.StepFactor, auth.StepEnrol}
	stepsOfEnrolment = []auth.StepKind{auth.StepEnrol}
)

// pendingProofs returns whose sign-in continues in the flow, and what was proved: in the flow, or, when a
// session has to become stronger, by that session. It refuses while the flow is at none of the given steps. So a
// factor never takes the place of a password that is asked for, and none is added before those are proved that
// the account has.
func (s *Service) pendingProofs(tx *store.Tx, in flow.FormRef, f auth.Flow, at []auth.StepKind) (auth.AccountID, []auth.Proof, error) {
	state, err := s.cfg.Flows.State(tx, f, in.Browser)
	if err != nil {
		return "", nil, err
	}
	next := auth.Next(state)
	switch {
	case !slices.Contains(at, next.Kind):
		return "", nil, errSignInOver()
	case next.Session == "":
		return state.Pending.Account.ID, state.Flow.Proofs, nil
	}
	p := state.Of(next)
	return p.Account.ID, p.Session.Proofs(), nil
}

func errSignInOver() error {
	return auth.Refuse(auth.KindUnauthenticated, auth.CodeSessionInvalid, "the sign-in took too long; enter the password again")
}

// proveFactor compares the code, and begins or renews the session if that is enough. It refuses when the flow
// is about another account than the one for which the code was counted.
func (s *Service) proveFactor(tx *store.Tx, in FactorForm, base PasswordForm, counted auth.AccountID) (SignedIn, error) {
	f, err := s.cfg.Flows.Resume(tx, in.FormRef)
	if err != nil {
		return SignedIn{}, err
	}
	if e, ok, err := s.repeatFactor(tx, f, in, base); ok || err != nil {
		return e, err
	}
	at := stepsOfProofs
	if in.Enrol != "" {
		at = stepsOfEnrolment
	}
	account, proofs, err := s.pendingProofs(tx, in.FormRef, f, at)
	if err != nil {
		return SignedIn{}, err
	}
	if account != counted {
		return SignedIn{}, errSignInOver()
	}
	a, err := tx.Account(account)
	if err != nil {
		return SignedIn{}, err
	}
	p, err := s.useCode(tx, account, proofs, codeAttempt{Flow: f.ID, Method: in.Method, Enrol: in.Enrol, Code: in.Code, Actor: in.Browser.Actor})
	if auth.CodeOf(err) == auth.CodeInvalidCode {
		return SignedIn{}, s.refuseCode(tx, f, in.Method, in.Browser.Actor, account, err)
	}
	if err != nil {
		return SignedIn{}, err
	}
	e, err := s.addProof(tx, a, proofs, p, base)
	if err == nil && e.Session.ID != "" && in.Trust && in.Method != auth.ProofRecoveryCode { // whoever finds those gets no lasting access
		e.Trusted, err = s.trust(tx, a.ID, in.Browser.Actor)
	}
	return e, err
}

// addProof begins or renews the session if the proofs are enough with p. Otherwise it keeps p in the flow.
func (s *Service) addProof(tx *store.Tx, a auth.Account, proofs []auth.Proof, p auth.Proof, base PasswordForm) (SignedIn, error) {
	params, need, err := s.checkProofs(tx, a, append(slices.Clone(proofs), p), base.Browser.Actor)
	if err != nil {
		return SignedIn{}, err
	}
	if need != auth.NeedNothing {
		f, err := s.keepProof(tx, base, p)
		return SignedIn{Step: flow.Step{Flow: f}}, err
	}
	e, err := s.startInBrowser(tx, a, params, base)
	if err != nil {
		return e, err
	}
	return e, recordFactorSignIn(tx, e.Session, p, base.Browser.Actor)
}

// recordFactorSignIn writes the effects of a sign-in that something else than a password completed.
func recordFactorSignIn(tx *store.Tx, v auth.Session, p auth.Proof, actor auth.Actor) error {
	if err := session.CancelRecovery(tx, v.Account, actor); err != nil {
		return err
	}
	return recordSignIn(tx, v, string(p.Method), actor)
}

// codeAttempt is one try to prove a factor by a code.
type codeAttempt struct {
	Flow   auth.FlowID
	Method auth.ProofMethod
	Enrol  auth.FactorID // the authenticator app that the code adds; empty to prove one that counts
	Code   string
	Actor  auth.Actor
}

// useCode uses a code up and returns the proof that it is.
func (s *Service) useCode(tx *store.Tx, account auth.AccountID, proofs []auth.Proof, in codeAttempt) (auth.Proof, error) {
	p := auth.Proof{Method: in.Method, Account: account, At: tx.Now}
	switch {
	case in.Enrol != "":
		if added, err := s.confirmTOTP(tx, account, appCode{App: in.Enrol, In: string(in.Flow), Code: in.Code}, in.Actor); err != nil || added {
			return p, err
		}
		return p, errInvalidCode()
	case in.Method == auth.ProofTOTP:
		return p, useAnyTOTP(tx, account, in.Code)
	case in.Method == auth.ProofRecoveryCode && hasMethod(proofs, in.Method): // one sign-in uses up one
		return p, errInvalidCode()
	case in.Method == auth.ProofRecoveryCode:
		return p, s.useRecoveryCode(tx, account, in.Code, in.Actor)
	case in.Method == auth.ProofEmailCode:
		return p, s.useMailedCode(tx, account, in.Flow, in.Code)
	}
	return p, auth.Invalid(auth.CodeInvalidCode, "method", "method: totp, recovery_code or email_code")
}

func hasMethod(proofs []auth.Proof, method auth.ProofMethod) bool {
	return slices.ContainsFunc(proofs, func(p auth.Proof) bool { return p.Method == method })
}

// refuseCode records a wrong code. The last of too many ends the sign-in, which begins again with the first
// factor.
func (s *Service) refuseCode(tx *store.Tx, f auth.Flow, method auth.ProofMethod, actor auth.Actor, account auth.AccountID, refusal error) error {
	f.Failures++
	if f.Failures >= maxFailures {
		f.Proofs, f.Failures = nil, 0
	}
	if err := flow.Update(tx, f); err != nil {
		return err
	}
	if err := countWrongCode(tx, account, actor); err != nil {
		return err
	}
	return refuseSignIn(tx, actor, account, string(method), ReasonCode, refusal)
}

// countWrongCode counts a wrong code of an account, over all its sign-ins. One of them in a day, after too many,
// notifies the owner that someone knows the password and not the second factor.
func countWrongCode(tx *store.Tx, account auth.AccountID, actor auth.Actor) error {
	v, err := tx.SingleUse(auth.UseWrongCodes, secret.Digest(string(account)))
	switch {
	case errors.Is(err, auth.ErrNotFound) || err == nil && !tx.Now.Before(v.ExpiresAt):
		v = auth.SingleUse{Kind: auth.UseWrongCodes, Digest: secret.Digest(string(account)), Account: account, Data: "0",
			CreatedAt: tx.Now, ExpiresAt: tx.Now.Add(noticePause)}
	case err != nil:
		return fmt.Errorf("read number of wrong codes: %w", err)
	}
	n, err := strconv.Atoi(v.Data)
	if err != nil {
		return fmt.Errorf("read number of wrong codes: %w", err)
	}
	v.Data = strconv.Itoa(n + 1)
	if err := tx.PutSingleUse(v); err != nil || n+1 != noticedFailures {
		return err
	}
	a, err := tx.Account(account)
	if err != nil {
		return err
	}
	return tx.Notify(a, auth.MailCodesGuessed, auth.Mail{IP: actor.IP})
}
