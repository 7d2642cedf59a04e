package oidc

import (
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
)

// AuthorizeInput is a request to the authorization endpoint.
type AuthorizeInput struct {
	Tenant  auth.Tenant
	Form    Form // of ParseAuthorizeForm: the query, or the body of a POST
	Posted  bool
	Browser Browser
}

// Step is what happens next, with what its page needs.
type Step struct {
	Kind auth.StepKind
	Flow auth.Flow
	// NewBrowser, if set, becomes the browser's cookie with the answer to this request.
	NewBrowser secret.Text
	// CSRF goes into every form of the flow, as "csrf", beside "flow".
	CSRF     string
	Client   auth.Client
	Answer   *Answer          // StepAnswer
	Consent  *ConsentView     // StepConsent
	Accounts []session.Signed // those to choose from; of the other steps, the one they are about
}

// ConsentView is what a person is asked to allow.
type ConsentView struct {
	Client    auth.Client
	Account   auth.Account
	Scope     auth.Scope // all that is asked for
	New       auth.Scope // the part that was not allowed before
	Resources []string   // besides the issuer's own
	Host      string     // where the answer goes, for the person to recognise
	Offline   bool       // access goes on when the person has left
}
