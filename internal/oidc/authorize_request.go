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

// asked is an authorization request on its way through the checks.
type asked struct {
	tenant auth.Tenant
	client auth.Client
	form   oauth.Form // the parameters that count
	// r is what has been made of them so far. RedirectURI is set as soon as it is sure
	// where answers may go, and stays empty until then.
	r auth.AuthorizationRequest
}

const (
	maxState     = 4096
	maxNonce     = 1024
	maxLoginHint = 320
	maxLocales   = 10
)

// readRequest makes a checked request of a form, wherever the parameters are: in the
// form itself, in a request object, or pushed before. A refusal is an *Error; it may be
// sent to r.RedirectURI if that is set, and else is for the person alone.
func (s *Service) readRequest(ctx context.Context, q *asked) error {
	deliver(q)
	request, uri := q.form.Get("request"), q.form.Get("request_uri")
	switch {
	case len(q.form.Repeats()) > 0:
		return oauth.Refuse(oauth.InvalidRequest, "a parameter is sent more than once")
	case request != "" && uri != "":
		return oauth.Refuse(oauth.InvalidRequest, "send request or request_uri, not both")
	case strings.HasPrefix(uri, pushedPrefix):
		return s.readPushed(ctx, q, uri)
	case q.client.Settings.RequirePushed:
		return oauth.Refuse(oauth.InvalidRequest, "this client has to push its authorization requests (RFC 9126)")
	}
	return s.readParameters(ctx, q)
}

// readParameters is readRequest for requests that were not pushed, and for those that
// are being pushed.
func (s *Service) readParameters(ctx context.Context, q *asked) error {
	if uri := q.form.Get("request_uri"); uri != "" {
		object, err := s.fetchObject(ctx, q.client, uri)
		if err != nil {
			return err
		}
		if err := s.openObject(ctx, q, object); err != nil {
			return err
		}
	} else if object := q.form.Get("request"); object != "" {
		if err := s.openObject(ctx, q, object); err != nil {
			return err
		}
	} else if q.client.Settings.RequireSignedRequest {
		return oauth.Refuse(oauth.InvalidRequest, "this client has to sign its authorization requests (RFC 9101)")
	}
	if q.r.RedirectURI == "" {
		return oauth.Refuse(oauth.InvalidRequest, "redirect_uri is missing, or is none of those registered")
	}
	return s.check(ctx, q)
}

// deliver finds out where answers may go and how, before anything else is looked at,
// so that every later refusal reaches the client (RFC 6749 §4.1.2.1).
func deliver(q *asked) {
	f := q.form
	q.r = auth.AuthorizationRequest{Client: q.client.ID}
	if uri := f.Get("redirect_uri"); uri != "" && !f.Repeated("redirect_uri") && !f.Repeated("client_id") && q.client.MatchRedirectURI(uri) {
		q.r.RedirectURI = uri
	}
	if state := f.Get("state"); len(state) <= maxState && !f.Repeated("state") {
		q.r.State = state
	}
	q.r.ResponseMode = responseMode(f.Get("response_type"), f.Get("response_mode"))
}

// check goes through the parameters in the order in which they decide.
func (s *Service) check(ctx context.Context, q *asked) error {
	for _, f := range []func(*asked) error{
		checkType, s.checkChallenge, s.checkResources, s.checkScope, checkValues, checkPrompt, checkAge, checkClaims, checkHints,
	} {
		if err := f(q); err != nil {
			return err
		}
	}
	return s.checkHint(ctx, q)
}

func checkType(q *asked) error {
	t, mode := q.form.Get("response_type"), q.form.Get("response_mode")
	switch {
	case t == "":
		return oauth.Refuse(oauth.InvalidRequest, "response_type is missing")
	case t != "code" && strings.Contains(t, "token") && strings.TrimSuffix(mode, signedSuffix) == auth.ModeQuery:
		return oauth.Refuse(oauth.InvalidRequest, "tokens never travel in a query, and this server answers code alone")
	case t != "code":
		return oauth.Refuse(oauth.UnsupportedResponseType, "this server answers response_type=code alone")
	case mode != "" && !slices.Contains(ResponseModes, mode):
		return oauth.Refuse(oauth.InvalidRequest, "response_mode: query, fragment or form_post, jwt, or one of the three with .jwt")
	case !q.client.Allows(auth.GrantAuthorizationCode):
		return oauth.Refuse(oauth.UnauthorizedClient, "this client may not ask for authorization codes")
	case q.form.Get("registration") != "":
		return oauth.Refuse(oauth.RegistrationNotSupported, "clients are registered beforehand")
	}
	return nil
}

// ResponseModes are the ways in which an answer can travel.
var ResponseModes = []string{auth.ModeQuery, auth.ModeFragment, auth.ModeFormPost,
	modeSigned, auth.ModeQuery + signedSuffix, auth.ModeFragment + signedSuffix, auth.ModeFormPost + signedSuffix}

// checkChallenge holds the rules of PKCE: S256 and nothing else, and always where it is
// not expressly left out for confidential clients (RFC 7636 §4.4.1, RFC 9700 §2.1.1).
func (s *Service) checkChallenge(q *asked) error {
	// Some libraries leave the padding at the end of their base64url (RFC 7636 §3 has none).
	challenge, method := strings.TrimSuffix(q.form.Get("code_challenge"), "="), q.form.Get("code_challenge_method")
	optional := !q.client.Public() && !q.client.Strict() && (q.client.Settings.PKCEOptional || q.tenant.Settings.PKCEOptional || s.cfg.PKCEOptional)
	switch {
	case challenge == "" && method == "" && optional:
		return nil
	case challenge == "":
		return oauth.Refuse(oauth.InvalidRequest, "code_challenge is missing (RFC 7636)")
	case method != "S256":
		return oauth.Refuse(oauth.InvalidRequest, "code_challenge_method has to be S256; without it the method would be plain")
	}
	if !isSHA256(challenge) {
		return oauth.Refuse(oauth.InvalidRequest, "code_challenge is not the base64url of a SHA-256, 43 characters")
	}
	q.r.Challenge = challenge
	return nil
}

func isSHA256(s string) bool {
	b, err := secret.Decode(s)
	return err == nil && len(b) == 32
}

func (s *Service) checkScope(q *asked) (err error) {
	q.r.Scope, err = s.personScope(q.client, q.r.Resources, q.form.Get("scope"))
	return err
}

// personScope is what a client that asks for a person may have of the scope that it has
// sent: what it is registered for, and what goes with the resources; what was granted is said in the answer to the token
// request (RFC 6749 §3.3). Without scope it is a plain OAuth request and gets what is
// registered, as long as the person is there, but for the scopes of our own API.
func (s *Service) personScope(c auth.Client, resources []string, sent string) (auth.Scope, error) {
	allowed := s.cfg.Tokens.PersonScope(c, resources)
	if strings.Trim(sent, " ") == "" {
		allowed = c.PersonScope()
		return slices.DeleteFunc(allowed, func(t string) bool { return t == auth.ScopeOpenID || t == auth.ScopeOffline || auth.Reserved(t) }), nil
	}
	scope, err := auth.ParseScope(sent)
	if err != nil {
		return nil, &oauth.Error{Code: oauth.InvalidScope, Desc: "the scope is not a list of scope tokens", Err: err}
	}
	scope = slices.DeleteFunc(scope, func(t string) bool { return !allowed.Has(t) })
	if len(scope) == 0 {
		return nil, oauth.Refuse(oauth.InvalidScope, "the client may have nothing of that scope")
	}
	return scope, nil
}

// keepScope is what the client may have of what it was granted a while ago: an operator may
// have taken some of it from it since.
func (s *Service) keepScope(c auth.Client, granted auth.Scope, resources []string) auth.Scope {
	allowed := s.cfg.Tokens.PersonScope(c, resources)
	return slices.DeleteFunc(slices.Clone(granted), func(t string) bool { return !allowed.Has(t) })
}

func checkValues(q *asked) error {
	if len(q.form.Get("state")) > maxState {
		return oauth.Refuse(oauth.InvalidRequest, "state is longer than 4096 bytes")
	}
	if q.r.Nonce = q.form.Get("nonce"); len(q.r.Nonce) > maxNonce {
		return oauth.Refuse(oauth.InvalidRequest, "nonce is longer than 1024 bytes")
	}
	if q.r.JKT = q.form.Get("dpop_jkt"); q.r.JKT != "" && !isSHA256(q.r.JKT) {
		return oauth.Refuse(oauth.InvalidRequest, "dpop_jkt is not the thumbprint of a key (RFC 9449)")
	}
	return nil
}

// prompts are the values that are understood.
var prompts = []string{auth.PromptNone, auth.PromptLogin, auth.PromptConsent, auth.PromptSelect, auth.PromptCreate}

func checkPrompt(q *asked) error {
	for v := range strings.FieldsSeq(q.form.Get("prompt")) {
		if !slices.Contains(prompts, v) {
			return oauth.Refuse(oauth.InvalidRequest, "prompt has a value that is not none, login, consent, select_account or create")
		}
		if !slices.Contains(q.r.Prompt, v) {
			q.r.Prompt = append(q.r.Prompt, v)
		}
	}
	if len(q.r.Prompt) > 1 && slices.Contains(q.r.Prompt, auth.PromptNone) {
		return oauth.Refuse(oauth.InvalidRequest, "prompt=none stands alone")
	}
	return nil
}

func checkAge(q *asked) error {
	q.r.MaxAge = q.client.Settings.DefaultMaxAge
	if sent := q.form.Get("max_age"); sent != "" {
		age, err := strconv.ParseInt(sent, 10, 64)
		if err != nil || age < 0 || sent[0] == '+' {
			return oauth.Refuse(oauth.InvalidRequest, "max_age is not a number of seconds")
		}
		q.r.MaxAge = &age
	}
	return nil
}

func (s *Service) checkResources(q *asked) (err error) {
	q.r.Resources, err = s.audience(tokenRequest{Caller: client.Caller{Client: q.client, Tenant: q.tenant}, form: q.form})
	return err
}

func checkClaims(q *asked) error {
	// They are a wish; of those that nobody reaches here there could be any number.
	q.r.ACR = slices.DeleteFunc(strings.Fields(q.form.Get("acr_values")), func(v string) bool { return !slices.Contains(auth.ACRs, v) })
	if len(q.r.ACR) == 0 {
		q.r.ACR = q.client.Settings.DefaultACR
	}
	if raw := q.form.Get("claims"); raw != "" {
		var err error
		if q.r.Claims, err = parseClaims(raw); err != nil {
			return &oauth.Error{Code: oauth.InvalidRequest, Desc: "claims is not the JSON of OpenID Connect Core 5.5, or too large", Err: err}
		}
		q.r.Claims.UserInfo, q.r.Claims.IDToken = q.client.KeepClaims(q.r.Claims.UserInfo), q.client.KeepClaims(q.r.Claims.IDToken)
	}
	return nil
}

// checkHints takes what may help the person; nothing of it is refused.
func checkHints(q *asked) error {
	q.r.LoginHint = loginHint(q.form.Get("login_hint"))
	for tag := range strings.FieldsSeq(q.form.Get("ui_locales")) {
		if len(tag) <= 35 && len(q.r.Locales) < maxLocales { // RFC 5646 §4.4.1
			q.r.Locales = append(q.r.Locales, auth.Clip(tag, 35))
		}
	}
	return nil
}

// loginHint is the hint as the client has meant it: a plus in an address that was not
// encoded has become a space.
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

// checkHint takes an ID Token of ours for this client, however old, as the name of whom
// the client means (OpenID Connect Core §3.1.2.1).
func (s *Service) checkHint(ctx context.Context, q *asked) error {
	raw := q.form.Get("id_token_hint")
	if raw == "" {
		return nil
	}
	hint, err := s.readHint(ctx, q.tenant.ID, raw)
	switch {
	case errors.Is(err, errNotOurs), err == nil && !slices.Contains(hint.Audience, string(q.client.ID)):
		return &oauth.Error{Code: oauth.InvalidRequest, Desc: "id_token_hint is no ID Token of this server for this client", Err: err}
	case err != nil:
		return fmt.Errorf("read id_token_hint: %w", err)
	}
	q.r.Hint = hint.Subject
	return nil
}
