package oidc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/secret"
)

// authorizeRequest is an authorization request while it is being checked.
type authorizeRequest struct {
	tenant auth.Tenant
	client auth.Client
	form   oauth.Form // the parameters that are in effect
	// params are the checked parameters. RedirectURI stays empty until it is known to be registered.
	params auth.AuthorizationRequest
}

const (
	maxState     = 4096
	maxNonce     = 1024
	maxLoginHint = 320
	maxLocales   = 10
)

// readRequest reads and checks the parameters of the form, of a request object or of a pushed
// request. A refusal is an *oauth.Error. It may be sent to params.RedirectURI if that is set, and
// otherwise is only shown to the user.
func (s *Service) readRequest(ctx context.Context, req *authorizeRequest) error {
	resolveResponseTarget(req)
	request, uri := req.form.Get("request"), req.form.Get("request_uri")
	if err := req.form.CheckRepeats(); err != nil {
		return err
	}
	switch {
	case request != "" && uri != "":
		return oauth.Refuse(oauth.InvalidRequest, "request, request_uri: at most one of them")
	case strings.HasPrefix(uri, pushedPrefix):
		return s.readPushed(ctx, req, uri)
	case req.client.Settings.RequirePushed:
		return errPushRequired()
	}
	return s.readParameters(ctx, req)
}

// readParameters is readRequest for requests that were not pushed or are being pushed.
func (s *Service) readParameters(ctx context.Context, req *authorizeRequest) error {
	if uri := req.form.Get("request_uri"); uri != "" {
		object, err := s.fetchObject(ctx, req.client, uri)
		if err != nil {
			return err
		}
		if err := s.openObject(ctx, req, object); err != nil {
			return err
		}
	} else if object := req.form.Get("request"); object != "" {
		if err := s.openObject(ctx, req, object); err != nil {
			return err
		}
	} else if req.client.Settings.RequireSignedRequest {
		return errSignatureRequired()
	}
	if req.params.RedirectURI == "" {
		return oauth.Refuse(oauth.InvalidRequest, "redirect_uri: exactly one of those registered for the client")
	}
	return s.checkParameters(ctx, req)
}

// resolveResponseTarget reads redirect_uri, state and response mode before all other parameters, so
// that every later refusal reaches the client (RFC 6749 §4.1.2.1).
func resolveResponseTarget(req *authorizeRequest) {
	f := req.form
	req.params = auth.AuthorizationRequest{Client: req.client.ID}
	if uri := f.Get("redirect_uri"); uri != "" && !f.Repeated("redirect_uri") && !f.Repeated("client_id") && req.client.MatchRedirectURI(uri) {
		req.params.RedirectURI = uri
	}
	if state := f.Get("state"); len(state) <= maxState && !f.Repeated("state") {
		req.params.State = state
	}
	req.params.ResponseMode = responseMode(f.Get("response_type"), f.Get("response_mode"))
}

// checkParameters checks the parameters one after the other; the first refusal is the response.
func (s *Service) checkParameters(ctx context.Context, req *authorizeRequest) error {
	for _, f := range []func(*authorizeRequest) error{
		checkType, s.checkChallenge, s.checkResources, s.checkScope, checkValues, checkPrompt, checkMaxAge, checkClaims, checkHints,
	} {
		if err := f(req); err != nil {
			return err
		}
	}
	return s.checkIDTokenHint(ctx, req)
}

func checkType(req *authorizeRequest) error {
	t, mode := req.form.Get("response_type"), req.form.Get("response_mode")
	switch {
	case t == "":
		return oauth.Refuse(oauth.InvalidRequest, "response_type: required")
	case t != "code" && strings.Contains(t, "token") && strings.TrimSuffix(mode, signedSuffix) == auth.ModeQuery:
		return oauth.Refuse(oauth.InvalidRequest, "response_type: only code is supported, and tokens are never sent in a query")
	case t != "code":
		return oauth.Refuse(oauth.UnsupportedResponseType, "response_type: only code is supported")
	case mode != "" && !slices.Contains(ResponseModes, mode):
		return oauth.Refuse(oauth.InvalidRequest, "response_mode: query, fragment or form_post, jwt, or one of the three with .jwt")
	case !req.client.Allows(auth.GrantAuthorizationCode):
		return oauth.Refuse(oauth.UnauthorizedClient, "response_type: not allowed for this client")
	case req.form.Get("registration") != "":
		return oauth.Refuse(oauth.RegistrationNotSupported, "registration: not supported")
	}
	return nil
}

// ResponseModes are the supported values of response_mode.
var ResponseModes = []string{auth.ModeQuery, auth.ModeFragment, auth.ModeFormPost,
	modeSigned, auth.ModeQuery + signedSuffix, auth.ModeFragment + signedSuffix, auth.ModeFormPost + signedSuffix}

// checkChallenge enforces PKCE with S256. Only a confidential client may omit it, and only if the server
// allows that (RFC 7636 §4.4.1, RFC 9700 §2.1.1).
func (s *Service) checkChallenge(req *authorizeRequest) error {
	// Some libraries leave the padding at the end of their base64url (RFC 7636 §3 has none).
	challenge, method := strings.TrimSuffix(req.form.Get("code_challenge"), "="), req.form.Get("code_challenge_method")
	switch {
	case challenge == "" && method == "" && s.challengeOptional(req.tenant, req.client):
		return nil
	case challenge == "":
		return errChallengeRequired()
	case method != "S256":
		return oauth.Refuse(oauth.InvalidRequest, "code_challenge_method: S256; the default would be plain")
	}
	if !isSHA256(challenge) {
		return oauth.Refuse(oauth.InvalidRequest, "code_challenge: the base64url of a SHA-256, 43 characters")
	}
	req.params.Challenge = challenge
	return nil
}

func (s *Service) challengeOptional(t auth.Tenant, c auth.Client) bool {
	return !c.Public() && !c.Strict() && (c.Settings.PKCEOptional || t.Settings.PKCEOptional || s.cfg.PKCEOptional)
}

// checkRequirements checks a stored request against what its client must send now. An operator may
// have required more since the request was read.
func (s *Service) checkRequirements(t auth.Tenant, c auth.Client, r auth.AuthorizationRequest) *oauth.Error {
	switch {
	case c.Settings.RequirePushed && r.Pushed == "":
		return errPushRequired()
	case c.Settings.RequireSignedRequest && !r.Signed:
		return errSignatureRequired()
	case r.Challenge == "" && !s.challengeOptional(t, c):
		return errChallengeRequired()
	}
	return nil
}

func errPushRequired() *oauth.Error {
	return oauth.Refuse(oauth.InvalidRequest, "request_uri: this client must push its authorization requests (RFC 9126)")
}

func errSignatureRequired() *oauth.Error {
	return oauth.Refuse(oauth.InvalidRequest, "request: this client must sign its authorization requests (RFC 9101)")
}

func errChallengeRequired() *oauth.Error {
	return oauth.Refuse(oauth.InvalidRequest, "code_challenge: required (RFC 7636)")
}

func isSHA256(s string) bool {
	b, err := secret.Decode(s)
	return err == nil && len(b) == 32
}

func (s *Service) checkScope(req *authorizeRequest) (err error) {
	req.params.Scope, err = s.userScope(req.client, req.params.Resources, req.form.Get("scope"))
	return err
}

// userScope returns the part of the sent scope that the client may have for a user: what it is
// registered for, and what belongs to the resources. The token response names the granted scope
// (RFC 6749 §3.3). Without a scope it is a plain OAuth request. That gets the registered scope,
// except for openid, offline_access and the scopes of Watchword's own API.
func (s *Service) userScope(c auth.Client, resources []string, sent string) (auth.Scope, error) {
	allowed := s.cfg.Tokens.UserScope(c, resources)
	if strings.Trim(sent, " ") == "" {
		allowed = c.UserScope()
		return slices.DeleteFunc(allowed, func(t string) bool { return t == auth.ScopeOpenID || t == auth.ScopeOffline || auth.Reserved(t) }), nil
	}
	scope, err := auth.ParseScope(sent)
	if err != nil {
		return nil, &oauth.Error{Code: oauth.InvalidScope, Desc: "scope: a list of scope tokens", Err: err}
	}
	scope = slices.DeleteFunc(scope, func(t string) bool { return !allowed.Has(t) })
	if len(scope) == 0 {
		return nil, oauth.Refuse(oauth.InvalidScope, "scope: none of the requested scopes is allowed for this client")
	}
	return scope, nil
}

// currentlyAllowedScope returns the part of a granted scope that the client may still have. An
// operator may have withdrawn the rest since.
func (s *Service) currentlyAllowedScope(c auth.Client, granted auth.Scope, resources []string) auth.Scope {
	allowed := s.cfg.Tokens.UserScope(c, resources)
	return slices.DeleteFunc(slices.Clone(granted), func(t string) bool { return !allowed.Has(t) })
}

func checkValues(req *authorizeRequest) error {
	if len(req.form.Get("state")) > maxState {
		return oauth.Refuse(oauth.InvalidRequest, "state: at most 4096 bytes")
	}
	if req.params.Nonce = req.form.Get("nonce"); len(req.params.Nonce) > maxNonce {
		return oauth.Refuse(oauth.InvalidRequest, "nonce: at most 1024 bytes")
	}
	if req.params.JKT = req.form.Get("dpop_jkt"); req.params.JKT != "" && !isSHA256(req.params.JKT) {
		return oauth.Refuse(oauth.InvalidRequest, "dpop_jkt: the thumbprint of a key (RFC 9449)")
	}
	return nil
}

// prompts are the supported values of prompt.
var prompts = []string{auth.PromptNone, auth.PromptLogin, auth.PromptConsent, auth.PromptSelect, auth.PromptCreate}

func checkPrompt(req *authorizeRequest) error {
	for v := range strings.FieldsSeq(req.form.Get("prompt")) {
		if !slices.Contains(prompts, v) {
			return oauth.Refuse(oauth.InvalidRequest, "prompt: none, login, consent, select_account or create")
		}
		if !slices.Contains(req.params.Prompt, v) {
			req.params.Prompt = append(req.params.Prompt, v)
		}
	}
	if len(req.params.Prompt) > 1 && slices.Contains(req.params.Prompt, auth.PromptNone) {
		return oauth.Refuse(oauth.InvalidRequest, "prompt: none must be the only value")
	}
	return nil
}

func checkMaxAge(req *authorizeRequest) error {
	req.params.MaxAge = req.client.Settings.DefaultMaxAge
	if sent := req.form.Get("max_age"); sent != "" {
		age, err := strconv.ParseInt(sent, 10, 64)
		if err != nil || age < 0 || sent[0] == '+' {
			return oauth.Refuse(oauth.InvalidRequest, "max_age: a number of seconds")
		}
		req.params.MaxAge = &age
	}
	return nil
}

func (s *Service) checkResources(req *authorizeRequest) (err error) {
	req.params.Resources, err = s.audience(tokenRequest{Caller: client.Caller{Client: req.client, Tenant: req.tenant}, form: req.form})
	return err
}

func checkClaims(req *authorizeRequest) error {
	// acr_values is voluntary, so unsupported values are dropped and not stored.
	req.params.ACR = slices.DeleteFunc(strings.Fields(req.form.Get("acr_values")), func(v string) bool { return !slices.Contains(auth.ACRs, v) })
	if len(req.params.ACR) == 0 {
		req.params.ACR = req.client.Settings.DefaultACR
	}
	if raw := req.form.Get("claims"); raw != "" {
		var err error
		if req.params.Claims, err = parseClaims(raw); err != nil {
			return &oauth.Error{Code: oauth.InvalidRequest, Desc: "claims: the JSON of OpenID Connect Core 5.5, at most 8 KiB", Err: err}
		}
		req.params.Claims.UserInfo, req.params.Claims.IDToken = req.client.AllowedClaims(req.params.Claims.UserInfo), req.client.AllowedClaims(req.params.Claims.IDToken)
	}
	return nil
}

// checkHints reads login_hint and ui_locales; it refuses no value of them.
func checkHints(req *authorizeRequest) error {
	req.params.LoginHint = loginHint(req.form.Get("login_hint"))
	for tag := range strings.FieldsSeq(req.form.Get("ui_locales")) {
		if len(tag) <= 35 && len(req.params.Locales) < maxLocales { // RFC 5646 §4.4.1
			req.params.Locales = append(req.params.Locales, auth.Clip(tag, 35))
		}
	}
	return nil
}

// loginHint returns the hint that the client intended. A plus in an address that was not encoded
// arrives as a space.
func loginHint(sent string) string {
	hint := strings.TrimSpace(auth.Clip(sent, maxLoginHint))
	if _, err := auth.ParseEmail(hint); err != nil && strings.Contains(hint, " ") {
		plus := strings.ReplaceAll(hint, " ", "+")
		if _, err := auth.ParseEmail(plus); err == nil {
			return plus
		}
	}
	return hint
}

// checkIDTokenHint reads the requested user from an ID Token of this issuer for this client, even
// an expired one (OpenID Connect Core §3.1.2.1).
func (s *Service) checkIDTokenHint(ctx context.Context, req *authorizeRequest) error {
	raw := req.form.Get("id_token_hint")
	if raw == "" {
		return nil
	}
	hint, err := s.readHint(ctx, req.tenant.ID, raw)
	switch {
	case errors.Is(err, errForeignHint), err == nil && !slices.Contains(hint.Audience, string(req.client.ID)):
		return &oauth.Error{Code: oauth.InvalidRequest, Desc: "id_token_hint: an ID Token of this issuer for this client", Err: err}
	case err != nil:
		return fmt.Errorf("read id_token_hint: %w", err)
	}
	req.params.Hint = hint.Subject
	return nil
}
