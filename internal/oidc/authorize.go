package oidc

import (
	"context"
	"errors"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
)

// AuthorizePath is the authorization endpoint, below the tenant's issuer.
const AuthorizePath = "/oauth2/authorize"

// AuthorizeInput is a request to the authorization endpoint.
type AuthorizeInput struct {
	Tenant  auth.Tenant
	Form    oauth.Form // of ParseAuthorizeForm: the query, or the body of a POST
	Posted  bool
	Browser Browser
}

// Step is what happens next, with what its page needs.
type Step struct {
	Kind auth.StepKind
	Flow auth.Flow
	// NewBrowser, if set, becomes the browser's cookie with the answer to this request.
	NewBrowser secret.Text
	// Allowed, if set, becomes the browser's cookie of that name with an answer.
	Allowed string
	// CSRF goes into every form of the flow, as "csrf", beside "flow".
	CSRF     string
	Client   auth.Client
	Answer   *Answer            // StepAnswer
	Consent  *ConsentView       // StepConsent
	Accounts []session.SignedIn // those to choose from; of the other steps, the one they are about
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

// Authorize is the authorization endpoint (RFC 6749 §3.1, OpenID Connect Core §3.1.2).
//
// An error of type *PageError is for the person and is never sent anywhere. Every other
// refusal is a Step with an Answer for the client. Where the person has something to
// do first, the Step says what; where not, it is the answer at once, and nothing was
// stored but the code.
//
// A request that was posted may come from a form of another site, without the cookies
// of this one; it leads to a flow that belongs to no browser yet and to StepContinue,
// and whichever browser follows that gets it. That is no more than a link to this
// endpoint does.
func (s *Service) Authorize(ctx context.Context, in AuthorizeInput) (Step, error) {
	q, err := s.named(ctx, in)
	if err != nil {
		return Step{}, err
	}
	if err := s.readRequest(ctx, q); err != nil {
		e, ok := errors.AsType[*oauth.Error](err)
		switch {
		case !ok:
			return Step{}, err
		case q.r.RedirectURI == "":
			return Step{}, page(e.Code, e.Desc)
		}
		answer, err := s.refusal(ctx, q.tenant.ID, q.client, q.r, string(e.Code), e.Desc)
		if err != nil {
			return Step{}, err
		}
		answer.Asks, err = s.asksToLeave(ctx, q.tenant.ID, q.client, q.r.RedirectURI, in.Browser)
		return Step{Kind: auth.StepAnswer, Client: q.client, Answer: answer}, err
	}
	flow := auth.Flow{Kind: auth.FlowAuthorize, Request: q.r}
	if in.Posted {
		return s.postpone(ctx, q, flow)
	}
	return s.advance(ctx, q.tenant.ID, flow, in.Browser)
}

// named finds the client that the request names.
func (s *Service) named(ctx context.Context, in AuthorizeInput) (*asked, error) {
	id := in.Form.Get("client_id")
	if id == "" || in.Form.Repeated("client_id") {
		return nil, page(oauth.InvalidRequest, "client_id is missing, or sent more than once")
	}
	c, t, err := s.cfg.Clients.Resolve(ctx, in.Tenant.ID, auth.ClientID(id), in.Browser.Actor)
	if wrong, ok := errors.AsType[*oauth.Error](err); ok && errors.Is(err, auth.ErrNotFound) {
		return nil, page(oauth.InvalidRequest, "client_id: the document there cannot be used: "+wrong.Desc)
	} else if errors.Is(err, auth.ErrNotFound) {
		return nil, page(oauth.InvalidRequest, "there is no such client")
	} else if err != nil {
		return nil, err
	}
	return &asked{tenant: t, client: c, form: in.Form}, nil
}
