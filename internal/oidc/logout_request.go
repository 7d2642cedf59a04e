package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
)

// resumeParam is the parameter of the redirect that repeats a posted request. It holds a sealed and
// already checked logoutRequest.
const resumeParam = "request"

// maxLogoutState keeps the address that holds a sealed logoutRequest short enough.
const maxLogoutState = 2048

// logoutRequestLifetime is how long the confirmation page may stay open.
const logoutRequestLifetime = time.Hour

// logoutRequest is a checked logout request. The browser carries it under a MAC, so a visit stores
// nothing in the database.
type logoutRequest struct {
	Client   auth.ClientID `json:"client,omitempty"`
	Subject  string        `json:"sub,omitempty"` // of the hint, as issued to the client
	Redirect string        `json:"redirect,omitempty"`
	State    []byte        `json:"state,omitempty"` // as bytes: JSON would write some of them six times as long
	Until    time.Time     `json:"until"`
	Confirm  bool          `json:"asks,omitempty"` // whether to ask before the browser goes to Redirect
}

// finalStep returns the step that follows the logout.
func (req logoutRequest) finalStep(step LogoutStep) LogoutStep {
	step.Kind = LogoutDone
	if req.Redirect == "" {
		return step
	}
	step.Kind, step.Location = LogoutRedirect, req.Redirect
	if req.Confirm {
		step.Kind = LogoutLeave
	}
	if len(req.State) > 0 {
		step.Location = auth.AuthorizationResponse{RedirectURI: req.Redirect, Mode: auth.ModeQuery, Params: [][2]string{{"state", string(req.State)}}}.Location()
	}
	return step
}

// readLogoutRequest reads a request and checks that:
//   - no parameter is repeated,
//   - client_id is the audience of the hint, if that is an ID Token of this issuer, even an expired one,
//   - the redirect is exactly one of those registered for that client.
//
// A redirect without a client is dropped, since no registration allows it.
func (s *Service) readLogoutRequest(ctx context.Context, in LogoutInput) (logoutRequest, auth.Client, error) {
	if err := in.Form.CheckRepeats(); err != nil {
		return logoutRequest{}, auth.Client{}, logoutPage(err.Desc)
	}
	if raw := in.Form.Get(resumeParam); raw != "" {
		req, ok := s.openLogoutRequest(in.Tenant, raw)
		if !ok {
			return req, auth.Client{}, logoutPage("request: unknown or expired")
		}
		if req.Client == "" {
			return req, auth.Client{}, nil
		}
		c, err := s.logoutClient(ctx, in.Tenant, req.Client)
		return req, c, err
	}
	req := logoutRequest{Client: auth.ClientID(in.Form.Get("client_id")), Until: s.cfg.Now().Add(logoutRequestLifetime)}
	if raw := in.Form.Get("id_token_hint"); raw != "" {
		if err := s.readLogoutHint(ctx, in.Tenant, raw, &req); err != nil {
			return req, auth.Client{}, err
		}
	}
	if req.Client == "" {
		return req, auth.Client{}, nil
	}
	c, err := s.logoutClient(ctx, in.Tenant, req.Client)
	if err != nil {
		return req, c, err
	}
	req.Redirect, req.State = in.Form.Get("post_logout_redirect_uri"), []byte(in.Form.Get("state"))
	if len(req.State) > maxLogoutState {
		return req, c, logoutPage("state: at most 2048 bytes")
	}
	if req.Redirect != "" && !c.MatchPostLogoutURI(req.Redirect) {
		return req, c, logoutPage("post_logout_redirect_uri: one that is registered for this client")
	}
	return req, c, nil
}

// readLogoutHint reads subject and client of an id_token_hint.
func (s *Service) readLogoutHint(ctx context.Context, tenant auth.TenantID, raw string, req *logoutRequest) error {
	hint, err := s.readHint(ctx, tenant, raw)
	switch {
	case errors.Is(err, errForeignHint):
		return nil // treated as absent: the user is asked
	case err != nil:
		return err
	case req.Client == "" && len(hint.Audience) == 1:
		req.Client = auth.ClientID(hint.Audience[0])
	case !slices.Contains(hint.Audience, string(req.Client)):
		return logoutPage("id_token_hint: one that was issued to this client")
	}
	req.Subject = hint.Subject
	return nil
}

// sealLogoutRequest encodes a logoutRequest with its MAC.
func (s *Service) sealLogoutRequest(tenant auth.TenantID, req logoutRequest) string {
	b, err := json.Marshal(req)
	if err != nil {
		panic("oidc: a logout request does not encode: " + err.Error()) // a fixed type
	}
	body := secret.Encode(b)
	return body + "." + s.logoutRequestMAC(tenant, body)
}

// openLogoutRequest verifies and decodes what sealLogoutRequest returned.
func (s *Service) openLogoutRequest(tenant auth.TenantID, sealed string) (logoutRequest, bool) {
	body, mac, ok := strings.Cut(sealed, ".")
	if !ok || !secret.Equal(mac, s.logoutRequestMAC(tenant, body)) {
		return logoutRequest{}, false
	}
	var req logoutRequest
	b, err := secret.Decode(body)
	if err != nil || json.Unmarshal(b, &req) != nil || !s.cfg.Now().Before(req.Until) {
		return logoutRequest{}, false
	}
	return req, true
}

func (s *Service) logoutRequestMAC(tenant auth.TenantID, body string) string {
	return secret.Encode(secret.MAC(secret.Derive(s.cfg.Root, "logout request"), []byte(tenant), []byte(body)))
}
