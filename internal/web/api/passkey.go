package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/watchword-auth/watchword/internal/login"
)

var (
	OpPasskeyBegin = operation{id: "begin-passkey", topic: "sign in", errors: []int{http.StatusUnauthorized, http.StatusConflict},
		summary: "Begin to sign in with a passkey",
		doc: `Returns the options for navigator.credentials.get, or for the passkey API of a phone. Without mfa_token any passkey of the user signs in, without a password. With the mfa_token of the response mfa_required the passkey is the second factor.

The options work once, for five minutes. Pages and applications on other origins need passkeys.origins.`}
	OpPasskeyFinish = operation{id: "finish-passkey", topic: "sign in", also: []int{http.StatusNoContent}, errors: []int{http.StatusUnauthorized, http.StatusConflict},
		summary: "Finish to sign in with a passkey",
		doc:     "Takes the response to the options, in its JSON form, and returns what /api/v1/login returns: tokens, or 204 and the session cookie. passkey_unknown says that the passkey was removed from its account: an application may then call signalUnknownCredential."}
)

// PasskeyBegin says for what a passkey is used.
type PasskeyBegin struct {
	MFAToken string `json:"mfa_token,omitempty" writeOnly:"true" maxLength:"128" doc:"Of the response mfa_required; none to sign in without a password." example:"wwf_…"`
}

type passkeyOptions struct {
	Body PasskeyOptions
}

// PasskeyOptions are the options of a passkey ceremony.
type PasskeyOptions struct {
	PublicKey json.RawMessage `json:"publicKey" doc:"PublicKeyCredentialRequestOptionsJSON or PublicKeyCredentialCreationOptionsJSON of WebAuthn."`
}

// PasskeyBegin begins to sign in with a passkey.
func (s *Handlers) PasskeyBegin(ctx context.Context, in *struct{ Body PasskeyBegin }) (*passkeyOptions, error) {
	ex := exchangeOf(ctx)
	actor, err := s.holder(ex)
	if err != nil {
		return nil, err
	}
	options, err := s.logins.BeginPasskeySignIn(ctx, ex.Tenant.ID, in.Body.MFAToken, actor)
	if err != nil {
		return nil, err
	}
	return &passkeyOptions{PasskeyOptions{PublicKey: options}}, nil
}

// PasskeyFinish is the response of an authenticator, and what the sign-in results in.
type PasskeyFinish struct {
	Credential json.RawMessage `json:"credential" doc:"AuthenticationResponseJSON of WebAuthn."`
	MFAToken   string          `json:"mfa_token,omitempty" writeOnly:"true" maxLength:"128" doc:"That of begin. The other members are then those of the sign-in with the password, and are ignored here." example:"wwf_…"`
	Session    string          `json:"session,omitempty" enum:"token,cookie" doc:"Whether to return tokens (the default) or set a cookie."`
	Scope      string          `json:"scope,omitempty" maxLength:"4096" doc:"As of /api/v1/login." example:"watchword:admin"`
	Resource   string          `json:"resource,omitempty" maxLength:"2048" doc:"As of /api/v1/login." example:"https://api.example.com"`
}

// PasskeyFinish signs in with a passkey.
func (s *Handlers) PasskeyFinish(ctx context.Context, in *struct{ Body PasskeyFinish }) (*tokensOut, error) {
	ex := exchangeOf(ctx)
	cookie := in.Body.Session == "cookie"
	scope, err := Credentials{Scope: in.Body.Scope, Resource: in.Body.Resource}.tokenScope(cookie)
	if err != nil {
		return nil, err
	}
	actor, err := s.holder(ex)
	if err != nil {
		return nil, err
	}
	if cookie || in.Body.MFAToken != "" {
		actor.Session = s.formerSession(ctx, ex)
	}
	res, err := s.logins.Passkey(ctx, ex.Tenant.ID, login.PasskeyRequest{
		Request: login.Request{Cookie: cookie, Scope: scope, Resource: in.Body.Resource, Actor: actor},
		Token:   in.Body.MFAToken, Response: in.Body.Credential,
	})
	if err != nil {
		return nil, err
	}
	return s.loginResult(ex, res)
}
