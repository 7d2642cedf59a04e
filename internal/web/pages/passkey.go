package pages

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// passkeyForm returns the form of a page for a passkey. It is empty where there are none.
func (s *Handlers) passkeyForm(ex *router.Exchange, st flow.Step, use login.PasskeyUse, account auth.AccountID) (ui.Passkey, error) {
	options, err := s.logins.PasskeyOptions(ex.Request.Context(), ex.Tenant.ID, st.Flow, use, account)
	return ui.Passkey{Form: stepForm(ex, st, PathPasskey), Use: string(use), Options: string(options)}, err
}

// renderLogin renders the sign-in page, with a passkey where there are any.
func (s *Handlers) renderLogin(ex *router.Exchange, status int, st flow.Step, p ui.Login) (err error) {
	signals := p.Passkey.Signals
	if p.Passkey, err = s.passkeyForm(ex, st, login.PasskeySignIn, ""); err != nil {
		return err
	}
	p.Passkey.Button, p.Passkey.Background, p.Passkey.Signals = ui.UsePasskey, true, signals
	return render(ex, status, p)
}

// PasskeyForm signs a user in with a passkey within a flow, or proves one as second factor.
func (s *Handlers) PasskeyForm(ex *router.Exchange, r *http.Request) error {
	in, err := s.flowForm(ex, r)
	if err != nil {
		return err
	}
	form := login.PasskeyForm{FormRef: in, Use: login.PasskeySignIn, Response: r.PostForm.Get("credential"), Remember: r.PostForm.Get("remember") == "on", RememberMe: ex.RememberCookie(), Trust: r.PostForm.Get("trust") == "on", Signals: r.PostForm.Get("signals") == "yes"}
	if r.PostForm.Get("use") == string(login.PasskeyFactor) {
		form.Use = login.PasskeyFactor
	}
	signedIn, err := s.logins.SignInPasskey(r.Context(), form)
	setSignedIn(ex, signedIn)
	if err != nil {
		return s.passkeyRefused(ex, form, signedIn.Step, err)
	}
	if signedIn.Signals != nil {
		ex.Signals = signals(signedIn.Signals)
	}
	return dispatch(ex, signedIn.Step)
}

// passkeyRefused shows the page of the form again with the reason.
func (s *Handlers) passkeyRefused(ex *router.Exchange, form login.PasskeyForm, st flow.Step, refusal error) error {
	e, ok := errors.AsType[*auth.Error](refusal)
	switch {
	case !ok || st.Kind == "":
		return refusal
	case st.Kind == auth.StepFactor && form.Use == login.PasskeyFactor:
		return s.showFactorPasskey(ex, st, http.StatusBadRequest, newPage(ex).Say(ui.BadPasskey))
	case !allowedAt(ex, PathLogin, st.Kind): // the flow has gone on meanwhile
		return dispatch(ex, st)
	}
	status, p := http.StatusBadRequest, s.loginOf(ex, st)
	p.Notice, p.Ticked = "", form.Remember
	switch {
	case e.Kind == auth.KindThrottled:
		ex.Explain(e).SetHeaders(ex.Header())
		status, p.Bad = http.StatusTooManyRequests, p.Say(ui.LoginWait, p.Wait(e.RetryAfter))
	case e.Code == auth.CodePasskeyUnknown:
		p.Bad = p.Say(ui.UnknownPasskey)
		p.Passkey.Signals = signals(map[string][]byte{"signalUnknownCredential": s.logins.UnknownPasskeySignal(form.Response)})
	case e.Code == auth.CodeSessionInvalid:
		p.Bad = p.Say(ui.FactorOver)
	default:
		p.Bad = p.Say(ui.BadPasskey)
	}
	return s.renderLogin(ex, status, st, p)
}

// signals encodes the options of methods that tell authenticators about passkeys.
func signals(list map[string][]byte) string {
	out := map[string]json.RawMessage{}
	for method, options := range list {
		if options != nil {
			out[method] = options
		}
	}
	text, _ := json.Marshal(out) // options are JSON already
	return string(text)
}

// showFactorPasskey asks for a passkey as second factor.
func (s *Handlers) showFactorPasskey(ex *router.Exchange, st flow.Step, status int, bad string) (err error) {
	p := ui.FactorPasskey{
		Page: stepPage(ex, st), Client: clientName(st), Account: st.Proving.Account.Email.Address, Bad: bad,
		NotYou: flowURL(ex, PathLogin, st.Flow.ID) + "&other",
	}
	if p.Passkey, err = s.passkeyForm(ex, st, login.PasskeyFactor, st.Proving.Account.ID); err != nil {
		return err
	}
	p.Passkey.Button, p.Passkey.TrustDays = ui.ProvePasskey, trustDays(st)
	if hasFactor(st, auth.ProofTOTP) {
		p.App = flowURL(ex, PathFactor, st.Flow.ID) + "&app"
	}
	if hasFactor(st, auth.ProofRecoveryCode) {
		p.Recovery = flowURL(ex, PathFactor, st.Flow.ID) + "&recovery"
	}
	if mailsCode(st) {
		p.Mailed = flowURL(ex, PathFactor, st.Flow.ID) + "&mail"
	}
	return render(ex, status, p)
}

// AddPasskeyPage creates a passkey in a flow: as the second factor that the account must have, or as an
// offer after the sign-in.
func (s *Handlers) AddPasskeyPage(ex *router.Exchange, st flow.Step) error {
	return s.showAddPasskey(ex, st, http.StatusOK, "")
}

func (s *Handlers) showAddPasskey(ex *router.Exchange, st flow.Step, status int, bad string) (err error) {
	p := ui.PasskeyAdd{Page: stepPage(ex, st), Form: stepForm(ex, st, PathAddPasskey), Client: clientName(st), Bad: bad, Offer: st.Kind == auth.StepOffer}
	account := st.Proving.Account
	if p.Offer {
		account = st.Accounts[0].Account
	} else {
		p.NotYou, p.Lead = flowURL(ex, PathLogin, st.Flow.ID)+"&other", p.Say(ui.PasskeyRequired)
		if st.Required < auth.AssurancePhishingResistant {
			p.App, p.Lead = flowURL(ex, PathEnrol, st.Flow.ID), ""
		}
	}
	p.Account = account.Email.Address
	if p.Passkey, err = s.passkeyForm(ex, st, login.PasskeyCreate, account.ID); err != nil {
		return err
	}
	p.Passkey.Action, p.Passkey.Button, p.Passkey.TrustDays = p.Action, ui.CreatePasskey, trustDays(st)
	if p.Offer {
		p.Passkey.Use, p.Passkey.Answer, p.Passkey.Background = "", string(login.OfferAccepted), bad == ""
	}
	return render(ex, status, p)
}

// AddPasskeyForm creates the passkey, or takes the answer to the offer of one.
func (s *Handlers) AddPasskeyForm(ex *router.Exchange, r *http.Request) error {
	in, err := s.flowForm(ex, r)
	if err != nil {
		return err
	}
	form := login.PasskeyForm{FormRef: in, Use: login.PasskeyCreate, Response: r.PostForm.Get("credential"), RememberMe: ex.RememberCookie(), Trust: r.PostForm.Get("trust") == "on"}
	var signedIn login.SignedIn
	if answer := login.OfferAnswer(r.PostForm.Get("answer")); answer != "" {
		signedIn, err = s.logins.AnswerOffer(r.Context(), form, answer)
	} else {
		signedIn, err = s.logins.SignInPasskey(r.Context(), form)
	}
	setSignedIn(ex, signedIn)
	st := signedIn.Step
	if err == nil {
		return dispatch(ex, st)
	}
	if _, ok := errors.AsType[*auth.Error](err); !ok || st.Kind == "" {
		return err
	}
	if !allowedAt(ex, PathAddPasskey, st.Kind) {
		return dispatch(ex, st)
	}
	return s.showAddPasskey(ex, st, http.StatusBadRequest, newPage(ex).Say(ui.PasskeyRefused))
}
