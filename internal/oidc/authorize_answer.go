package oidc

import (
	"cmp"
	"context"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
)

// responseMode returns the response mode of such a request, for error responses as well. Responses
// of types that carry tokens are sent in the fragment (OAuth 2.0 Multiple Response Types §5). An
// unknown mode counts as none.
func responseMode(responseType, requested string) string {
	mode, signed := requested, ""
	if requested == modeSigned {
		mode, signed = "", signedSuffix
	} else if bare, ok := strings.CutSuffix(requested, signedSuffix); ok {
		mode, signed = bare, signedSuffix
	}
	carriesTokens := strings.Contains(responseType, "token")
	switch {
	case mode == auth.ModeFormPost:
	case mode == auth.ModeFragment || carriesTokens:
		mode = auth.ModeFragment
	case mode == auth.ModeQuery || mode == "":
		mode = auth.ModeQuery
	default:
		mode, signed = auth.ModeQuery, ""
	}
	return mode + signed
}

// response makes the response to a client's request, signed if the request says so.
func (s *Service) response(ctx context.Context, tenant auth.TenantID, c auth.Client, r auth.AuthorizationRequest, params ...[2]string) (*auth.AuthorizationResponse, error) {
	if r.State != "" {
		params = append(params, [2]string{"state", r.State})
	}
	params = append(params, [2]string{"iss", tenant.Issuer(s.cfg.Base)})
	mode, signed := strings.CutSuffix(r.ResponseMode, signedSuffix)
	if signed {
		jwt, err := s.signResponse(ctx, tenant, c, params)
		if err != nil {
			return nil, err
		}
		params = [][2]string{{"response", jwt}}
	}
	return &auth.AuthorizationResponse{RedirectURI: r.RedirectURI, Mode: cmp.Or(mode, auth.ModeQuery), Params: params}, nil
}

// errorResponse makes a response with an error. The description must repeat nothing of the request.
func (s *Service) errorResponse(ctx context.Context, tenant auth.TenantID, c auth.Client, r auth.AuthorizationRequest, code, desc string) (*auth.AuthorizationResponse, error) {
	return s.response(ctx, tenant, c, r, [2]string{"error", code}, [2]string{"error_description", desc})
}

func displayError(code oauth.Code, desc string) *auth.DisplayError {
	return auth.Display(string(code), desc)
}
