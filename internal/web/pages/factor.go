package pages

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/otp"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// FactorPage asks for a second factor.
func (s *Handlers) FactorPage(ex *router.Exchange, st flow.Step) error {
	q := ex.Request.URL.Query()
	if mailsCode(st) && (q.Has("mail") || !hasFactor(st, auth.ProofPasskey)) {
		return s.showMailedCode(ex, st, http.StatusOK, "")
	}
	if hasFactor(st, auth.ProofPasskey) && !q.Has("recovery") && !q.Has("app") {
		return s.showFactorPasskey(ex, st, http.StatusOK, "")
	}
	return render(ex, http.StatusOK, s.factorOf(ex, st, q.Has("recovery")))
}

// mailsCode reports whether a mailed code helps at the step. Beside a passkey that was offered, which may be all
// that reaches what is required, a code can be mailed, too.
func mailsCode(st flow.Step) bool {
	return st.Proving.EmailCode && (st.Required < auth.AssurancePhishingResistant || !hasFactor(st, auth.ProofPasskey))
}

// hasFactor reports whether the account of the step has a factor of the kind.
func hasFactor(st flow.Step, kind auth.FactorKind) bool {
	return slices.ContainsFunc(st.Proving.Factors, func(f auth.Factor) bool { return f.Kind == kind && f.Usable() })
}

func (s *Handlers) factorOf(ex *router.Exchange, st flow.Step, recovery bool) ui.Factor {
	p := ui.Factor{
		Page: stepPage(ex, st), Form: stepForm(ex, st, PathFactor), Client: clientName(st), Account: st.Proving.Account.Email.Address,
		NotYou: flowURL(ex, PathLogin, st.Flow.ID) + "&other", TrustDays: trustDays(st),
	}
	p.Codes = hasFactor(st, auth.ProofRecoveryCode)
	p.Recovery = hasFactor(st, auth.ProofRecoveryCode) && (recovery || !hasFactor(st, auth.ProofTOTP))
	if hasFactor(st, auth.ProofRecoveryCode) && hasFactor(st, auth.ProofTOTP) {
		p.Other = flowURL(ex, PathFactor, st.Flow.ID) + "&app"
		if !p.Recovery {
			p.Other = flowURL(ex, PathFactor, st.Flow.ID) + "&recovery"
		}
	}
	if hasFactor(st, auth.ProofPasskey) {
		p.Passkey = flowURL(ex, PathFactor, st.Flow.ID)
	}
	return p
}

// trustDays returns for how many days the user can trust the browser; zero for not at all.
func trustDays(st flow.Step) int { return int(st.Trust / (24 * time.Hour)) }

// FactorForm proves a second factor in a flow.
func (s *Handlers) FactorForm(ex *router.Exchange, r *http.Request) error {
	in, err := s.flowForm(ex, r)
	if err != nil {
		return err
	}
	if r.PostForm.Has("send") {
		return s.sendMailedCode(ex, in)
	}
	form := login.FactorForm{FormRef: in, Method: auth.ProofMethod(r.PostForm.Get("method")), Code: r.PostForm.Get("code"), RememberMe: ex.RememberCookie(), Trust: r.PostForm.Get("trust") == "on"}
	signedIn, err := s.logins.SignInFactor(r.Context(), form)
	setSignedIn(ex, signedIn)
	if err == nil {
		return dispatch(ex, signedIn.Step)
	}
	e, ok := errors.AsType[*auth.Error](err)
	if !ok || signedIn.Step.Kind == "" {
		return err
	}
	st := signedIn.Step
	if st.Kind != auth.StepFactor { // the proofs expired, or too many codes were wrong
		if !allowedAt(ex, PathLogin, st.Kind) {
			return dispatch(ex, st)
		}
		p := s.loginOf(ex, st)
		p.Bad = p.Say(ui.FactorOver)
		if e.Code == auth.CodeInvalidCode {
			p.Bad = p.Say(ui.TooManyCodes)
		}
		return s.renderLogin(ex, http.StatusBadRequest, st, p)
	}
	p := s.factorOf(ex, st, form.Method == auth.ProofRecoveryCode)
	mailed := mailsCode(st) && form.Method == auth.ProofEmailCode
	switch {
	case e.Kind == auth.KindThrottled:
		ex.Explain(e).SetHeaders(ex.Header())
		p.Bad = p.Say(ui.FactorWait, p.Wait(e.RetryAfter))
		if mailed {
			return s.showMailedCode(ex, st, http.StatusTooManyRequests, p.Bad)
		}
		return render(ex, http.StatusTooManyRequests, p)
	case e.Code != auth.CodeInvalidCode:
		return err
	case mailed:
		return s.showMailedCode(ex, st, http.StatusBadRequest, p.Say(ui.BadMailedCode))
	case p.Recovery:
		p.Bad = p.Say(ui.BadRecoveryCode)
	default:
		p.Bad = p.Say(ui.BadFactorCode)
	}
	return render(ex, http.StatusBadRequest, p)
}

// EnrolPage asks an account without a second factor to add an authenticator app, or a passkey where only
// that is enough.
func (s *Handlers) EnrolPage(ex *router.Exchange, st flow.Step) error {
	switch {
	case st.Required < auth.AssurancePhishingResistant:
	case !s.logins.HasPasskeys(): // an app would be asked for again and again
		return auth.Refuse(auth.KindConflict, auth.CodePasskeysOff, "a passkey is required, and this server has none")
	default:
		return redirect(ex, flowURL(ex, PathAddPasskey, st.Flow.ID))
	}
	return s.showEnrolment(ex, st, http.StatusOK, "")
}

func (s *Handlers) showEnrolment(ex *router.Exchange, st flow.Step, status int, bad string) error {
	app, err := s.logins.ContinueTOTP(ex.Request.Context(), ex.Tenant.ID, st.Proving.Account.ID, st.Flow.ID)
	if err != nil {
		return err
	}
	p, err := factorAdd(ex, stepPage(ex, st), app)
	if err != nil {
		return err
	}
	p.Form, p.Client, p.Account, p.Bad = stepForm(ex, st, PathEnrol), clientName(st), st.Proving.Account.Email.Address, bad
	p.NotYou, p.Lead = flowURL(ex, PathLogin, st.Flow.ID)+"&other", p.Say(ui.FactorRequired)
	p.TrustDays = trustDays(st)
	if s.logins.HasPasskeys() {
		p.Passkey = flowURL(ex, PathAddPasskey, st.Flow.ID)
	}
	return render(ex, status, p)
}

// factorAdd returns the page that shows the secret of a new authenticator app.
func factorAdd(ex *router.Exchange, p ui.Page, app login.TOTPEnrolment) (ui.FactorAdd, error) {
	path, size, err := otp.QR(app.URI.Reveal())
	return ui.FactorAdd{Page: p, Factor: string(app.ID), Secret: app.Secret.Reveal(), URI: app.URI.Reveal(), QR: path, Size: size}, err
}

// EnrolForm adds an authenticator app in a flow, which continues as with a second factor.
func (s *Handlers) EnrolForm(ex *router.Exchange, r *http.Request) error {
	in, err := s.flowForm(ex, r)
	if err != nil {
		return err
	}
	form := login.FactorForm{FormRef: in, Enrol: auth.FactorID(r.PostForm.Get("factor")), Method: auth.ProofTOTP, Code: r.PostForm.Get("code"), RememberMe: ex.RememberCookie(), Trust: r.PostForm.Get("trust") == "on"}
	signedIn, err := s.logins.SignInFactor(r.Context(), form)
	setSignedIn(ex, signedIn)
	if err == nil {
		return dispatch(ex, signedIn.Step)
	}
	e, ok := errors.AsType[*auth.Error](err)
	st := signedIn.Step
	if !ok || st.Kind == "" {
		return err
	}
	if st.Kind != auth.StepEnrol || e.Code == auth.CodeFactorUnknown { // another tab shows another secret
		return dispatch(ex, st)
	}
	page := newPage(ex)
	if e.Kind == auth.KindThrottled {
		ex.Explain(e).SetHeaders(ex.Header())
		return s.showEnrolment(ex, st, http.StatusTooManyRequests, page.Say(ui.FactorWait, page.Wait(e.RetryAfter)))
	}
	return s.showEnrolment(ex, st, http.StatusBadRequest, page.Say(ui.BadFirstCode))
}

// setSignedIn sets the cookies of a sign-in, also when what follows it has failed: the session has begun.
func setSignedIn(ex *router.Exchange, signedIn login.SignedIn) {
	if signedIn.Cookie == "" {
		return
	}
	ex.Actor, ex.SignedIn = ex.Actor.AsSession(signedIn.Session), signedIn.Accounts
	ex.SetSessions(signedIn.Cookie)
	ex.SetRemember(signedIn.RememberMe)
	ex.SetKnown(signedIn.Known)
	ex.SetTrusted(signedIn.Trusted)
}
