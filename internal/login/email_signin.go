package login

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/otp"
	"github.com/watchword-auth/watchword/internal/store"
)

// A user can sign in with a mail instead of a password. The mail has a code and a link that holds the
// same code. Only the flow that asked for it accepts the code, so only the browser of that flow. The link
// fills it in there, and shows it in every other browser. Opening the link uses nothing up.

// ParseSignInLink returns the code and the flow of a mailed link. It reports false for text that is no
// token of a link.
func ParseSignInLink(token string) (code string, f auth.FlowID, ok bool) {
	code, id, _ := strings.Cut(token, ".")
	code, ok = otp.CanonicalMailedLetters(code)
	return code, auth.FlowID(id), ok && id != ""
}

func errEmailSignInOff() error {
	return auth.Refuse(auth.KindNotFound, auth.CodeNotFound, "users of this tenant do not sign in by mail")
}

// MailSignIn mails a code and a link with which the owner of an address signs in in the flow. For an
// address without an account, or with one that cannot use it, it does the same work and mails nothing.
// Refusals are those of flow.CheckForm, email_invalid, and not_found where the tenant does not allow it.
func (s *Service) MailSignIn(ctx context.Context, in flow.FormRef, email string) (flow.Step, error) {
	if _, err := s.cfg.Flows.CheckForm(ctx, in); err != nil {
		return flow.Step{}, err
	}
	step, err := s.cfg.Flows.FormStep(ctx, in)
	if err != nil {
		return flow.Step{}, err
	}
	return step, s.mailSignIn(ctx, in.Tenant, email, in.Browser.Actor, func(tx *store.Tx) (auth.FlowID, error) {
		f, err := s.cfg.Flows.Resume(tx, in)
		return f.ID, err
	})
}

// mailSignIn counts a mail and sends the code of the flow that write returns. Beyond the limit it only writes
// the flow.
func (s *Service) mailSignIn(ctx context.Context, tenant auth.TenantID, email string, actor auth.Actor, write func(*store.Tx) (auth.FlowID, error)) error {
	address, err := auth.ParseEmail(email)
	if err != nil {
		return err
	}
	limited := s.countMail(ctx, "email_sign_in", tenant, address.Login, actor)
	if limited != nil && auth.KindOf(limited) != auth.KindThrottled {
		return limited
	}
	err = s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		t, err := tx.CurrentTenant()
		if err != nil {
			return err
		}
		if !t.Settings.EmailSignIn {
			return errEmailSignInOff()
		}
		f, err := write(tx)
		if err != nil {
			return err
		}
		if limited != nil {
			detail := map[string]string{"method": string(auth.ProofEmailLink), "reason": ReasonLimited}
			return tx.Record(auth.Event{Kind: auth.EventCodeMailed, Outcome: auth.Failure, Actor: actor, Detail: detail})
		}
		a, err := tx.AccountByLogin(address.Login)
		if err != nil && !errors.Is(err, auth.ErrNotFound) {
			return err
		}
		if a.Disabled() || !a.Verified() { // its password may be another person's
			a = auth.Account{}
		}
		return s.enqueueCode(tx, codeUse{auth.ProofEmailLink, f}, a, address.Login, actor)
	})
	if err != nil {
		return fmt.Errorf("mail sign-in: %w", err)
	}
	return nil
}

// SignInMailed reports whether a code works with which a user signs in in the flow, and returns the address
// for which it was asked. It is the same for all addresses.
func (s *Service) SignInMailed(ctx context.Context, tenant auth.TenantID, f auth.FlowID) (address string, live bool, err error) {
	err = s.cfg.DB.ReadOne(ctx, tenant, func(tx *store.Tx) error {
		_, code, ok, err := codeUse{auth.ProofEmailLink, f}.read(tx)
		address, live = code.Login, ok
		return err
	})
	if err != nil {
		return "", false, fmt.Errorf("read mailed code: %w", err)
	}
	return address, live, nil
}

// EmailForm is the form of the page on which a user enters the code of a mail instead of a password.
type EmailForm struct {
	flow.FormRef
	Code       string
	Remember   bool   // stay signed in when the browser is closed
	RememberMe string // the remember-me cookie, if there is one
}

// SignInEmail signs in with a mailed code in the flow that asked for it, and continues the flow. The code
// is the first factor. Refusals are those of flow.CheckForm, invalid_code and rate_limited; with the
// latter two, Step is the one at which the flow stays.
func (s *Service) SignInEmail(ctx context.Context, in EmailForm) (SignedIn, error) {
	f, err := s.cfg.Flows.CheckForm(ctx, in.FormRef)
	if err != nil {
		return SignedIn{}, err
	}
	form := PasswordForm{FormRef: in.FormRef, Remember: in.Remember, RememberMe: in.RememberMe}
	newDevice, refund, err := s.countEmailGuess(ctx, in.Tenant, emailGuess{f.ID, in.Code, in.Browser.Actor})
	if err != nil {
		return s.refuseInFlow(ctx, form, err)
	}
	var e SignedIn
	var a auth.Account
	err = s.cfg.DB.Write(ctx, in.Tenant, func(tx *store.Tx) (err error) {
		if a, e, err = s.proveEmail(tx, in, form); err != nil || e.Session.ID == "" || !newDevice {
			return err
		}
		return notifyNewDevice(tx, a, in.Browser.Actor)
	})
	if err != nil {
		return s.refuseInFlow(ctx, form, err)
	}
	refund()
	return s.continueSignedIn(ctx, form, a, e)
}

// emailGuess is a code that was entered instead of a password in a flow.
type emailGuess struct {
	flow  auth.FlowID
	code  string
	actor auth.Actor
}

// countEmailGuess counts a guess of a mailed code with the passwords of its account, before it is compared.
// It reports whether the right code comes from a new device. After a wrong one nothing depends on whether
// the account exists.
func (s *Service) countEmailGuess(ctx context.Context, tenant auth.TenantID, g emailGuess) (newDevice bool, refund func(), err error) {
	var a auth.Account // zero unless the code is right
	var code mailedCode
	err = s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) error {
		u := codeUse{auth.ProofEmailLink, g.flow}
		v, c, live, err := u.read(tx)
		code = c
		switch {
		case err != nil:
			return err
		case !live && v.UsedAt.IsZero():
			return errInvalidCode()
		case !u.match(s.codeText(tx, u, v.Account, c.Nonce), g.code) || !live || v.Account == "":
			return nil
		}
		if a, err = tx.Account(v.Account); errors.Is(err, auth.ErrNotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		return false, nil, fmt.Errorf("read mailed code: %w", err)
	}
	known, err := s.cfg.Sessions.VerifyKnownBrowser(ctx, tenant, code.Login, g.actor.Known)
	if err != nil {
		return false, nil, err
	}
	guess := limit.Attempt{Rule: "login", Account: string(tenant) + "|" + code.Login, KnownBrowser: known, Addr: g.actor.Addr()}
	buckets := guess.GuessBuckets(s.cfg.Rates["login.account"])
	if _, err := limit.TakeAll(ctx, s.cfg.Limiter, buckets...); err != nil {
		return false, nil, err
	}
	if a.ID != "" {
		if err := s.countSuccess(ctx, tenant, a.ID); err != nil {
			return false, nil, err
		}
		if newDevice, err = s.isNewDevice(ctx, tenant, a, g.actor); err != nil {
			return false, nil, err
		}
	}
	return newDevice, func() { limit.RefundAll(ctx, s.cfg.Limiter, s.cfg.Log, buckets...) }, nil
}

// proveEmail compares the code, and begins the session if that is enough. Otherwise it keeps the proof for
// the second factor.
func (s *Service) proveEmail(tx *store.Tx, in EmailForm, form PasswordForm) (auth.Account, SignedIn, error) {
	f, err := s.cfg.Flows.Resume(tx, in.FormRef)
	if err != nil {
		return auth.Account{}, SignedIn{}, err
	}
	if a, e, ok, err := s.repeatEmail(tx, f, in, form); ok || err != nil {
		return a, e, err
	}
	a, err := s.useSignInCode(tx, emailGuess{f.ID, in.Code, in.Browser.Actor})
	if err != nil {
		return a, SignedIn{}, err
	}
	p, actor := auth.Proof{Method: auth.ProofEmailLink, Account: a.ID, At: tx.Now}, in.Browser.Actor
	params, need, trusted, err := s.checkInBrowser(tx, a, []auth.Proof{p}, actor)
	if isRefusal(err) {
		return a, SignedIn{}, refuseSignIn(tx, actor, a.ID, string(p.Method), ReasonRefused, err)
	}
	if err != nil {
		return a, SignedIn{}, err
	}
	if need != auth.NeedNothing {
		f, err := s.keepProof(tx, form, p)
		if err != nil {
			return a, SignedIn{}, err
		}
		return a, SignedIn{Step: flow.Step{Flow: f}}, recordFirstFactor(tx, p, need, actor)
	}
	e, err := s.startInBrowser(tx, a, params, form)
	if err != nil {
		return a, SignedIn{}, err
	}
	e.Trusted = trusted
	return a, e, recordFactorSignIn(tx, e.Session, p, actor)
}

// useSignInCode uses up the code that was mailed for a flow, and returns its account. Wrong codes are recorded.
func (s *Service) useSignInCode(tx *store.Tx, g emailGuess) (auth.Account, error) {
	u := codeUse{auth.ProofEmailLink, g.flow}
	v, code, live, err := u.read(tx)
	if err != nil {
		return auth.Account{}, err
	}
	tenant, err := tx.CurrentTenant()
	if err != nil {
		return auth.Account{}, err
	}
	if !live || !tenant.Settings.EmailSignIn {
		return auth.Account{}, refuseSignIn(tx, g.actor, v.Account, string(auth.ProofEmailLink), ReasonCode, errInvalidCode())
	}
	right := u.match(s.codeText(tx, u, v.Account, code.Nonce), g.code)
	a, err := tx.Account(v.Account)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return a, err
	}
	if !right || a.ID == "" || a.Disabled() || a.Email.Login != code.Login {
		code.Guesses++
		if err := putMailedCode(tx, v, code); err != nil {
			return a, err
		}
		return a, refuseSignIn(tx, g.actor, v.Account, string(auth.ProofEmailLink), ReasonCode, errInvalidCode())
	}
	_, err = tx.Consume(auth.UseMailedCode, v.Digest)
	return a, err
}
