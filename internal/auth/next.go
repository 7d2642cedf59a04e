package auth

import (
	"slices"
	"time"
)

// StepKind is the kind of a step: a page, or the end of the flow.
type StepKind string

// The steps of flows.
const (
	StepLogin         StepKind = "login"          // authenticate
	StepFactor        StepKind = "factor"         // prove a second factor
	StepEnrol         StepKind = "enrol"          // add a second factor
	StepOffer         StepKind = "offer"          // create a passkey, or not
	StepRegister      StepKind = "register"       // create an account
	StepChoose        StepKind = "choose"         // choose one of the accounts in the browser
	StepConsent       StepKind = "consent"        // allow or deny the client's request
	StepVerifyEmail   StepKind = "verify_email"   // verify the email address first
	StepAnswer        StepKind = "answer"         // the response to the client, with a code or an error
	StepContinue      StepKind = "continue"       // the same request again, with the cookies that a cross-site form lacks
	StepDeviceCode    StepKind = "device_code"    // enter the user code of the device
	StepDeviceConfirm StepKind = "device_confirm" // allow or deny the device
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

// The error codes of a response that depends on the user (RFC 6749 §4.1.2.1, OpenID Connect Core
// §3.1.2.6, OpenID Connect Core Unmet Authentication Requirements §2).
const (
	AccessDenied             = "access_denied" // of the token endpoint, too
	accountSelectionRequired = "account_selection_required"
	consentRequired          = "consent_required"
	interactionRequired      = "interaction_required"
	loginRequired            = "login_required"
	unmetRequirements        = "unmet_authentication_requirements"
)

// AddAccount, as the session of a flow, says that the user chose none of the accounts in the browser
// and wants to sign in with another one. No session has that id.
const AddAccount SessionID = "another"

// Step is the next step of a flow.
type Step struct {
	Kind StepKind
	// Session is the browser's session with the account of the step; empty while no account is chosen.
	Session SessionID
	// Error is the error code of a response without an authorization code. Desc describes the error
	// for the client's developer.
	Error, Desc string
}

// SignedInAccount is an account that is signed in in the browser.
type SignedInAccount struct {
	Session Session
	Account Account
	Subject string  // the account's sub for the client
	Consent Consent // what the account has allowed the client; zero for nothing
	// Roles and Factors are those of the account. They are read only when NeedsFactors says so.
	Roles   []string
	Factors []Factor
	// EmailCode says that a code can be mailed to the account as its second factor.
	EmailCode bool
	// Withheld are the scopes of the request for which the account lacks the permission.
	Withheld Scope
}

// FlowState is everything on which the next step of a flow depends.
type FlowState struct {
	Flow    Flow
	Tenant  Tenant
	Client  Client
	Browser []SignedInAccount // the current account first
	// Pending is the account that the flow's proofs are about, with its roles and factors, while it
	// has no session; zero without proofs.
	Pending SignedInAccount
	Now     time.Time
	Local   bool // the server is for development: its issuer is on loopback
}

// Of returns the account of a step.
func (n FlowState) Of(s Step) SignedInAccount {
	for _, p := range n.Browser {
		if p.Session.ID == s.Session {
			return p
		}
	}
	return SignedInAccount{}
}

// Next returns the next step of the flow. It is derived from the facts each time, so there is no
// state that could be skipped, repeated or forged. A page that a user opens by its address is shown
// only where these facts lead to it.
func Next(n FlowState) Step {
	switch n.Flow.Kind {
	case FlowAuthorize:
		return n.authorize()
	case FlowDevice:
		return n.device()
	}
	return n.account()
}

// authorize returns the next step towards a response to the client. With prompt=none no page may be
// shown, so every page becomes an error (OpenID Connect Core §3.1.2.6).
func (n FlowState) authorize() Step {
	if n.Flow.Denied {
		return refused(AccessDenied, "the user has denied the request")
	}
	if acr := n.Flow.Request.Claims.ACR; len(acr) > 0 && !slices.ContainsFunc(acr, func(v string) bool { return ParseACR(v) != AssuranceNone }) {
		return refused(unmetRequirements, "acr: this server has no authentication that reaches it")
	}
	step := n.interact()
	if step.Kind == StepEnrol && n.Tenant.Settings.Factors.strictest(n.Client) == FactorsOff {
		return refused(unmetRequirements, "acr: users here have no second factors")
	}
	if step.Kind == StepAnswer || !n.prompts(PromptNone) {
		return step
	}
	switch step.Kind {
	case StepLogin, StepFactor:
		return refused(loginRequired, "the user has to sign in")
	case StepChoose:
		return refused(accountSelectionRequired, "the user has to choose an account")
	case StepConsent:
		return refused(consentRequired, "the user has to consent")
	}
	return refused(interactionRequired, "the user has to complete another step first")
}

// interact returns the next page, or the response when no page is left.
func (n FlowState) interact() Step {
	if step, ok := n.pending(); ok {
		return step
	}
	p, ok := n.chosenAccount()
	switch {
	case n.prompts(PromptCreate) && n.Flow.ProvedAt.IsZero():
		return Step{Kind: StepRegister}
	case !ok:
		return n.signInStep()
	case !n.matchesHint(p): // possible only after a choice or a sign-in in this flow
		return refused(loginRequired, "another user than the requested one has signed in")
	case n.mustReauthenticate(p):
		return Step{Kind: StepLogin, Session: p.Session.ID}
	}
	if step, ok := n.sessionStep(p); ok {
		return step
	}
	switch {
	case len(n.Flow.Request.Scope) > 0 && len(n.Flow.Request.WithoutWithheld(p).Scope) == 0:
		return refused(AccessDenied, "scope: the user has no permission for any of it")
	case n.needsConsent(p):
		return Step{Kind: StepConsent, Session: p.Session.ID}
	}
	return Step{Kind: StepAnswer, Session: p.Session.ID}
}

// device returns the next step towards an approved device: the user code, the account, the
// confirmation (RFC 8628 §5.4).
func (n FlowState) device() Step {
	if n.Flow.Device == "" {
		return Step{Kind: StepDeviceCode}
	}
	if n.Flow.Denied || n.Flow.Allowed != nil {
		return Step{Kind: StepDone, Session: n.Flow.Session}
	}
	if step, ok := n.pending(); ok {
		return step
	}
	p, ok := n.chosenAccount()
	if !ok {
		return n.signInStep()
	}
	if step, ok := n.sessionStep(p); ok {
		return step
	}
	return Step{Kind: StepDeviceConfirm, Session: p.Session.ID}
}

// account returns the next step of a sign-in without a client.
func (n FlowState) account() Step {
	if step, ok := n.pending(); ok {
		return step
	}
	live := n.live()
	if len(live) == 0 || n.Flow.Session == AddAccount {
		return Step{Kind: StepLogin}
	}
	p := live[0]
	if i := slices.IndexFunc(live, func(p SignedInAccount) bool { return p.Session.ID == n.Flow.Session }); i >= 0 {
		p = live[i]
	}
	if age := n.Flow.Request.MaxAge; age != nil {
		need := n.SignIn(p, p.Session.Proofs()).Fresh(time.Duration(*age) * time.Second)
		if step, ok := stepsOfNeeds[need]; ok {
			return Step{Kind: step, Session: p.Session.ID}
		}
	}
	if step, ok := n.sessionStep(p); ok {
		return step
	}
	return Step{Kind: StepDone, Session: p.Session.ID}
}

// sessionStep returns the step that a session needs in flows of every kind, before what the flow is for. It reports
// false without one.
func (n FlowState) sessionStep(p SignedInAccount) (Step, bool) {
	kind := n.lacks(p)
	switch {
	case kind != "":
	case !p.Account.Verified() && !n.Tenant.Settings.AllowUnverified:
		kind = StepVerifyEmail
	case n.Flow.OfferPasskey && !n.Flow.ProvedAt.IsZero() && n.Flow.Session == p.Session.ID:
		kind = StepOffer
	}
	return Step{Kind: kind, Session: p.Session.ID}, kind != ""
}

// pending returns the step of a sign-in that has begun in the flow: the user has proved a first
// factor, and there is no session yet.
func (n FlowState) pending() (Step, bool) {
	if n.Pending.Account.ID == "" || n.Pending.Account.Disabled() {
		return Step{}, false
	}
	_, need := n.SignIn(n.Pending, n.Flow.Proofs).Decide()
	step, ok := stepsOfNeeds[need]
	return Step{Kind: step}, ok
}

// stepsOfNeeds are the steps at which a user provides what a sign-in lacks.
var stepsOfNeeds = map[Need]StepKind{NeedFirstFactor: StepLogin, NeedFactor: StepFactor, NeedEnrolment: StepEnrol}

// lacks returns the step at which the user makes the session as strong as the tenant and the client
// require; empty when it is. A factor is added only soon after a sign-in, so that a stolen session
// cannot add one.
func (n FlowState) lacks(p SignedInAccount) StepKind {
	if !n.NeedsFactors(p) {
		return ""
	}
	s := n.SignIn(p, p.Session.Proofs())
	s.Established = true
	_, need := s.Decide()
	if need != NeedNothing && s.Required() > s.reachable() && n.Now.Sub(p.Session.AuthAt) > FreshAge {
		return StepLogin // before a second factor, which alone makes the session no more recent
	}
	return stepsOfNeeds[need]
}

// NeedsFactors reports whether the next step depends on the roles and factors of an account that
// is signed in, because its session may be weaker than required.
func (n FlowState) NeedsFactors(p SignedInAccount) bool {
	has := ParseACR(p.Session.ACR)
	if n.Flow.Kind == FlowAccount && n.Flow.Request.MaxAge != nil && has < AssuranceTwoFactors {
		return true
	}
	for _, acr := range slices.Concat(n.Flow.Request.ACR, n.Flow.Request.Claims.ACR) {
		if ParseACR(acr) > has {
			return true
		}
	}
	return n.Tenant.Settings.Factors.strictest(n.Client).assurance() > has
}

// SignIn returns the sign-in of an account in the flow, as far as these proofs go.
func (n FlowState) SignIn(p SignedInAccount, proofs []Proof) SignIn {
	s := SignIn{Account: p.Account.ID, Proofs: proofs, Factors: p.Factors, EmailCode: p.EmailCode, Now: n.Now}
	s.Policy, s.Due = n.Tenant.Settings.Factors.For(p.Account, p.Roles, n.Client)
	for _, acr := range n.Flow.Request.Claims.ACR { // any of them will do
		if v := ParseACR(acr); v != AssuranceNone && (s.Requested == AssuranceNone || v < s.Requested) {
			s.Requested = v
		}
	}
	if s.Requested == AssuranceNone {
		s.Wish(n.Flow.Request.ACR)
	}
	return s
}

// Trust returns for how long the browser can be trusted after a second factor is proved; zero where the
// policy or the client asks for more than trust gives.
func (n FlowState) Trust(p SignedInAccount) time.Duration {
	s := n.SignIn(p, nil)
	if s.Requested > AssuranceOneFactor || s.Policy.assurance() > AssuranceTwoFactors {
		return 0
	}
	return n.Tenant.Settings.Factors.Trust()
}

// chosenAccount returns the account of the flow. That is the account that was chosen or signed in
// within the flow, else the one that the client asks for, else the only one in the browser. Of
// several accounts, login_hint selects one. Otherwise the user chooses, so that no client gets
// another account than the user meant.
func (n FlowState) chosenAccount() (SignedInAccount, bool) {
	if n.Flow.Session == AddAccount {
		return SignedInAccount{}, false
	}
	live := n.live()
	for _, p := range live {
		if p.Session.ID == n.Flow.Session {
			return p, true
		}
	}
	if n.hasSubjectHint() {
		i := slices.IndexFunc(live, n.matchesHint)
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
		if hint := n.Flow.Request.LoginHint; hint != "" && (p.Account.Email.Address == hint || p.Account.Has(hint)) {
			return p, true
		}
	}
	return SignedInAccount{}, false
}

// signInStep returns the step at which the user chooses or signs in with an account.
func (n FlowState) signInStep() Step {
	if len(n.live()) == 0 || n.hasSubjectHint() || n.Flow.Session == AddAccount {
		return Step{Kind: StepLogin}
	}
	return Step{Kind: StepChoose}
}

// live returns the accounts in the browser that can be used.
func (n FlowState) live() []SignedInAccount {
	return slices.DeleteFunc(slices.Clone(n.Browser), func(p SignedInAccount) bool { return !p.Session.Live(n.Now) || p.Account.Disabled() })
}

// hasSubjectHint reports whether the client asks for one user (id_token_hint, or sub in the claims
// parameter).
func (n FlowState) hasSubjectHint() bool {
	return n.Flow.Request.Hint != "" || n.Flow.Request.Claims.Subject != ""
}

// matchesHint reports whether the account is the user that the client asks for, if it names one.
func (n FlowState) matchesHint(p SignedInAccount) bool {
	hint, sub := n.Flow.Request.Hint, n.Flow.Request.Claims.Subject
	return (hint == "" || hint == p.Subject) && (sub == "" || sub == p.Subject)
}

// mustReauthenticate reports whether the user has to authenticate again. An authentication within
// the flow is recent enough for it, however long the consent page was open. A second factor alone is none.
func (n FlowState) mustReauthenticate(p SignedInAccount) bool {
	r := n.Flow.Request
	if !n.Flow.ProvedAt.IsZero() && n.Flow.Session == p.Session.ID && !p.Session.AuthAt.Before(n.Flow.CreatedAt) {
		return false
	}
	if n.prompts(PromptLogin) {
		return true
	}
	// max_age=0 means the same as prompt=login.
	return r.MaxAge != nil && (*r.MaxAge == 0 || n.Now.Sub(p.Session.AuthAt).Seconds() > float64(*r.MaxAge))
}

// reachesOnlyClient reports whether the response can reach only the client. A development server
// is on the same machine as its clients. A page there corresponds to one that has its own origin
// on the web. Only a registered address counts, since another port may belong to another program.
func (n FlowState) reachesOnlyClient() bool {
	to := n.Flow.Request.RedirectURI
	return n.Client.Assured(to) || n.Local && n.Client.Type == ClientSPA && slices.Contains(n.Client.RedirectURIs, to)
}

// needsConsent reports whether the user has to consent. A client that can be impersonated needs
// consent each time, whatever was allowed before (RFC 6749 §10.2, RFC 8252 §8.6). A first-party
// client needs it only in that case, and not when the user has just signed in for it.
func (n FlowState) needsConsent(p SignedInAccount) bool {
	r, current := n.Flow.Request.WithoutWithheld(p), n.Flow.Session == p.Session.ID
	switch {
	case n.Flow.Allowed != nil && current && r.ConsentScope().Within(n.Flow.Allowed):
		return false
	case n.Client.FirstParty:
		return !n.reachesOnlyClient() && (n.Flow.ProvedAt.IsZero() || !current)
	case n.prompts(PromptConsent) || !n.Client.Assured(r.RedirectURI):
		return true
	}
	return p.Consent.Client == "" || !r.ConsentScope().Within(p.Consent.Scope) || !Scope(r.Resources).Within(p.Consent.Audience)
}

func (n FlowState) prompts(value string) bool { return slices.Contains(n.Flow.Request.Prompt, value) }

func refused(code, desc string) Step { return Step{Kind: StepAnswer, Error: code, Desc: desc} }
