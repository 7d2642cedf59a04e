package auth

import (
	"slices"
	"time"
)

// StepKind is what happens next in a flow: a page, or its end.
type StepKind string

// The steps of flows.
const (
	StepLogin         StepKind = "login"          // prove who you are
	StepRegister      StepKind = "register"       // make an account
	StepChoose        StepKind = "choose"         // say which of the accounts in this browser
	StepConsent       StepKind = "consent"        // allow the client what it asks for, or not
	StepVerifyEmail   StepKind = "verify_email"   // confirm the address first
	StepAnswer        StepKind = "answer"         // back to the client, with a code or an error
	StepContinue      StepKind = "continue"       // the same question again, with the cookies that a form of another site does not carry
	StepDeviceCode    StepKind = "device_code"    // type the code that the device shows
	StepDeviceConfirm StepKind = "device_confirm" // allow the device, or not
	StepDone          StepKind = "done"           // nothing is left to do
)

// The values of prompt (OpenID Connect Core §3.1.2.1, Initiating User Registration §4).
const (
	PromptNone    = "none"
	PromptLogin   = "login"
	PromptConsent = "consent"
	PromptSelect  = "select_account"
	PromptCreate  = "create"
)

// ACRPassword is the authentication context of a sign-in by password alone.
const ACRPassword = "1"

// ACRs are the authentication contexts that a sign-in here can reach.
var ACRs = []string{ACRPassword}

// AddAccount, as the session of a flow, says that the person means none of the
// accounts in the browser and wants to sign in with another. No session has that id.
const AddAccount SessionID = "another"

// Step is the next step of a flow.
type Step struct {
	Kind StepKind
	// Session is the browser's session of whose account the step is; empty when nobody
	// is chosen yet.
	Session SessionID
	// Error is the code of the answer when there is no authorization code to give, and
	// Desc says it for the client's developer.
	Error, Desc string
}

// SignedInAccount is an account that is signed in in the browser.
type SignedInAccount struct {
	Session Session
	Account Account
	Subject string  // how the client knows the account
	Consent Consent // what the account has allowed the client; zero for nothing
	// Withheld are those scopes of the request that the account cannot give: permissions
	// that it does not have.
	Withheld Scope
}

// FlowState is everything on which the next step of a flow depends.
type FlowState struct {
	Flow    Flow
	Tenant  Tenant
	Client  Client
	Browser []SignedInAccount // the current account first
	Now     time.Time
	Local   bool // the server is for development: its own address is on loopback
}

// Of is the account that a step is about.
func (n FlowState) Of(s Step) SignedInAccount {
	for _, p := range n.Browser {
		if p.Session.ID == s.Session {
			return p
		}
	}
	return SignedInAccount{}
}

// Next says what happens next. It is worked out anew each time from the facts, so
// there is no state that could be skipped, repeated or forged: a page that a person
// reaches by its address is shown only where these facts lead to it.
func Next(n FlowState) Step {
	switch n.Flow.Kind {
	case FlowAuthorize:
		return n.authorize()
	case FlowDevice:
		return n.device()
	}
	return n.account()
}

// authorize leads to an answer to the client. With prompt=none no page may be shown, so
// that whatever page comes next is an error instead (OpenID Connect Core §3.1.2.6).
func (n FlowState) authorize() Step {
	if n.Flow.Denied {
		return refused("access_denied", "the person has not allowed it")
	}
	if acr := n.Flow.Request.Claims.ACR; len(acr) > 0 && !overlap(acr, ACRs) {
		return refused("unmet_authentication_requirements", "no authentication here reaches that acr")
	}
	step := n.interact()
	if step.Kind == StepAnswer || !n.prompts(PromptNone) {
		return step
	}
	switch step.Kind {
	case StepLogin:
		return refused("login_required", "the person has to sign in")
	case StepChoose:
		return refused("account_selection_required", "the person has to choose an account")
	case StepConsent:
		return refused("consent_required", "the person has to allow it")
	}
	return refused("interaction_required", "the person has something else to do first")
}

// interact is the way through the pages.
func (n FlowState) interact() Step {
	p, ok := n.person()
	switch {
	case n.prompts(PromptCreate) && n.Flow.ProvedAt.IsZero():
		return Step{Kind: StepRegister}
	case !ok:
		return n.identify()
	case !n.wanted(p): // only a choice or a sign-in of this flow leads here
		return refused("login_required", "another person than the one asked for has signed in")
	case n.stale(p):
		return Step{Kind: StepLogin, Session: p.Session.ID}
	case !p.Account.Verified() && !n.Tenant.Settings.AllowUnverified:
		return Step{Kind: StepVerifyEmail, Session: p.Session.ID}
	case len(n.Flow.Request.Scope) > 0 && len(n.Flow.Request.Of(p).Scope) == 0:
		return refused("access_denied", "the person has nothing of that scope to give")
	case n.asks(p):
		return Step{Kind: StepConsent, Session: p.Session.ID}
	}
	return Step{Kind: StepAnswer, Session: p.Session.ID}
}

// device asks for the code first, then who it is, then for a clear yes (RFC 8628 §5.4).
func (n FlowState) device() Step {
	if n.Flow.Device == "" {
		return Step{Kind: StepDeviceCode}
	}
	if n.Flow.Denied || n.Flow.Allowed != nil {
		return Step{Kind: StepDone, Session: n.Flow.Session}
	}
	p, ok := n.person()
	switch {
	case !ok:
		return n.identify()
	case !p.Account.Verified() && !n.Tenant.Settings.AllowUnverified:
		return Step{Kind: StepVerifyEmail, Session: p.Session.ID}
	}
	return Step{Kind: StepDeviceConfirm, Session: p.Session.ID}
}

// account is done when somebody is signed in.
func (n FlowState) account() Step {
	live := n.live()
	if len(live) == 0 || n.Flow.Session == AddAccount {
		return Step{Kind: StepLogin}
	}
	p := live[0]
	if i := slices.IndexFunc(live, func(p SignedInAccount) bool { return p.Session.ID == n.Flow.Session }); i >= 0 {
		p = live[i]
	}
	if !p.Account.Verified() && !n.Tenant.Settings.AllowUnverified {
		return Step{Kind: StepVerifyEmail, Session: p.Session.ID}
	}
	return Step{Kind: StepDone, Session: p.Session.ID}
}

// person is whose flow it is: whoever was chosen or signed in within it; else the one
// whom the client asks for; else the only one there is. Of several, the client's
// login_hint picks one; where it does not, the person is asked, so that nobody is
// signed in somewhere with the account they did not mean.
func (n FlowState) person() (SignedInAccount, bool) {
	if n.Flow.Session == AddAccount {
		return SignedInAccount{}, false
	}
	live := n.live()
	for _, p := range live {
		if p.Session.ID == n.Flow.Session {
			return p, true
		}
	}
	if n.asksFor() {
		i := slices.IndexFunc(live, n.wanted)
		if i < 0 {
			return SignedInAccount{}, false
		}
		return live[i], true
	}
	if n.prompts(PromptSelect) {
		return SignedInAccount{}, false
	}
	if len(live) == 1 {
		return live[0], true
	}
	for _, p := range live {
		if hint := n.Flow.Request.LoginHint; hint != "" && (p.Account.Email.Address == hint || p.Account.Email.Login == hint) {
			return p, true
		}
	}
	return SignedInAccount{}, false
}

// identify asks who it is.
func (n FlowState) identify() Step {
	if len(n.live()) == 0 || n.asksFor() || n.Flow.Session == AddAccount {
		return Step{Kind: StepLogin}
	}
	return Step{Kind: StepChoose}
}

func (n FlowState) live() []SignedInAccount {
	return slices.DeleteFunc(slices.Clone(n.Browser), func(p SignedInAccount) bool { return !p.Session.Live(n.Now) || p.Account.Disabled() })
}

// asksFor reports whether the client names the one person it wants (id_token_hint, or
// sub in the claims parameter).
func (n FlowState) asksFor() bool {
	return n.Flow.Request.Hint != "" || n.Flow.Request.Claims.Subject != ""
}

func (n FlowState) wanted(p SignedInAccount) bool {
	hint, sub := n.Flow.Request.Hint, n.Flow.Request.Claims.Subject
	return (hint == "" || hint == p.Subject) && (sub == "" || sub == p.Subject)
}

// stale reports whether the person has to prove again who they are. What was proved
// within the flow is fresh enough for it, however long the consent page was open.
func (n FlowState) stale(p SignedInAccount) bool {
	r := n.Flow.Request
	if !n.Flow.ProvedAt.IsZero() && n.Flow.Session == p.Session.ID {
		return false
	}
	if n.prompts(PromptLogin) || len(r.Claims.ACR) > 0 && !slices.Contains(r.Claims.ACR, p.Session.ACR) {
		return true
	}
	// max_age=0 is prompt=login in other words.
	return r.MaxAge != nil && (*r.MaxAge == 0 || n.Now.Sub(p.Session.AuthAt).Seconds() > float64(*r.MaxAge))
}

// assured reports whether the answer reaches the client and nobody else. On a server for
// development everything is on one machine, and a page served there stands for the one
// that will have an address of its own on the web. It has to be the registered one: on
// another port may be somebody else's.
func (n FlowState) assured() bool {
	to := n.Flow.Request.RedirectURI
	return n.Client.Assured(to) || n.Local && n.Client.Type == ClientSPA && slices.Contains(n.Client.RedirectURIs, to)
}

// asks reports whether the person has to be asked what the client may do. A client that
// anybody could pretend to be is asked about each time, whatever was allowed before
// (RFC 6749 §10.2, RFC 8252 §8.6). The operator's own are asked about in that case alone,
// and not when the person has just signed in for it: that is interaction enough.
func (n FlowState) asks(p SignedInAccount) bool {
	r, here := n.Flow.Request.Of(p), n.Flow.Session == p.Session.ID
	switch {
	case n.Flow.Allowed != nil && here && r.ConsentScope().Within(n.Flow.Allowed):
		return false
	case n.Client.FirstParty:
		return !n.assured() && (n.Flow.ProvedAt.IsZero() || !here)
	case n.prompts(PromptConsent) || !n.Client.Assured(r.RedirectURI):
		return true
	}
	return p.Consent.Client == "" || !r.ConsentScope().Within(p.Consent.Scope) || !Scope(r.Resources).Within(p.Consent.Audience)
}

func (n FlowState) prompts(value string) bool { return slices.Contains(n.Flow.Request.Prompt, value) }

func refused(code, desc string) Step { return Step{Kind: StepAnswer, Error: code, Desc: desc} }

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(v string) bool { return slices.Contains(b, v) })
}
