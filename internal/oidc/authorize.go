package oidc

import (
	"context"
	"errors"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/oauth"
)

// AuthorizePath is the authorization endpoint, below the tenant's issuer.
const AuthorizePath = "/oauth2/authorize"

// AuthorizeInput is a request to the authorization endpoint.
type AuthorizeInput struct {
	Tenant  auth.Tenant
	Form    oauth.Form // of ParseAuthorizeForm: the query, or the body of a POST
	Posted  bool
	Browser flow.Browser
}

// Authorize is the authorization endpoint (RFC 6749 §3.1, OpenID Connect Core §3.1.2).
//
// A refusal of type *auth.DisplayError is shown to the user and sent nowhere. Every other refusal
// is a Step with a response for the client. If the user has to do something first, the Step says
// what. Otherwise it has the response, and only the code is stored.
//
// A posted request may come from a form of another site, without the cookies of this one. It starts
// a flow that belongs to no browser yet, and the Step is StepContinue. The first browser that
// follows it gets the flow. A link to this endpoint would have the same effect.
func (s *Service) Authorize(ctx context.Context, in AuthorizeInput) (flow.Step, error) {
	req, err := s.lookUpClient(ctx, in)
	if err != nil {
		return flow.Step{}, err
	}
	if err := s.readRequest(ctx, req); err != nil {
		e, ok := errors.AsType[*oauth.Error](err)
		switch {
		case !ok:
			return flow.Step{}, err
		case req.params.RedirectURI == "":
			return flow.Step{}, displayError(e.Code, e.Desc)
		}
		response, err := s.errorResponse(ctx, req.tenant.ID, req.client, req.params, string(e.Code), e.Desc)
		if err != nil {
			return flow.Step{}, err
		}
		response.Confirm, err = s.mustConfirmLeaving(ctx, req.tenant.ID, req.client, req.params.RedirectURI, in.Browser)
		return flow.Step{Kind: auth.StepAnswer, Client: req.client, Response: response}, err
	}
	f := auth.Flow{Kind: auth.FlowAuthorize, Request: req.params}
	if in.Posted {
		return s.cfg.Flows.Suspend(ctx, req.tenant.ID, req.client, f)
	}
	return s.cfg.Flows.Advance(ctx, req.tenant.ID, f, in.Browser)
}

// lookUpClient finds the client of the request.
func (s *Service) lookUpClient(ctx context.Context, in AuthorizeInput) (*authorizeRequest, error) {
	id := in.Form.Get("client_id")
	if id == "" || in.Form.Repeated("client_id") {
		return nil, displayError(oauth.InvalidRequest, "client_id: exactly one is required")
	}
	c, t, err := s.cfg.Clients.Resolve(ctx, in.Tenant.ID, auth.ClientID(id), in.Browser.Actor)
	if refusal, ok := errors.AsType[*oauth.Error](err); ok && errors.Is(err, auth.ErrNotFound) {
		return nil, displayError(oauth.InvalidRequest, "client_id: the metadata document cannot be used: "+refusal.Desc)
	} else if errors.Is(err, auth.ErrNotFound) {
		return nil, displayError(oauth.InvalidRequest, "client_id: the client is unknown or disabled")
	} else if err != nil {
		return nil, err
	}
	return &authorizeRequest{tenant: t, client: c, form: in.Form}, nil
}
