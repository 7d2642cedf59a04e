package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/watchword-auth/watchword/internal/login"
)

var OpLoginEmail = operation{id: "login-email", topic: "sign in", status: http.StatusAccepted, errors: []int{http.StatusUnauthorized, http.StatusNotFound},
	summary: "Mail a code to sign in without a password",
	doc:     "Where the tenant has sign-in by mail (not_found elsewhere). Only the returned login_token takes the code. The response is the same whether or not the address has an account, and beyond the limit of mails to one address."}

var OpLoginEmailCode = operation{id: "login-email-code", topic: "sign in", also: []int{http.StatusNoContent}, errors: []int{http.StatusUnauthorized},
	summary: "Sign in with a mailed code",
	doc:     "Returns what the request for the mail asked for: tokens, or 204 and the session cookie; or mfa_required, as after a password. A code works for ten minutes, once, and for five guesses."}

// EmailSignIn is a request for a mail with which its receiver signs in.
type EmailSignIn struct {
	Email      string `json:"email" example:"alice@example.com"`
	LoginToken string `json:"login_token,omitempty" writeOnly:"true" maxLength:"128" doc:"Of an earlier response, to mail its code again. While half of the code's life is left, it stays the same." example:"wwf_…"`
	Session    string `json:"session,omitempty" enum:"token,cookie" doc:"Whether to return tokens (the default) or set a cookie."`
	Scope      string `json:"scope,omitempty" maxLength:"4096" doc:"As of /api/v1/login." example:"watchword:admin"`
	ACR        string `json:"acr_values,omitempty" maxLength:"64" doc:"As of /api/v1/login." example:"2"`
	Resource   string `json:"resource,omitempty" maxLength:"2048" doc:"As of /api/v1/login." example:"https://api.example.com"`
}

// LoginToken is the response to a request for a mail.
type LoginToken struct {
	LoginToken string `json:"login_token" doc:"Takes the mailed code at /api/v1/login/email/code, within an hour and once." example:"wwf_…"`
}

type loginTokenOut struct{ Body LoginToken }

// LoginEmail mails a code that signs in instead of a password.
func (s *Handlers) LoginEmail(ctx context.Context, in *struct{ Body EmailSignIn }) (*loginTokenOut, error) {
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
	r := login.Request{Email: in.Body.Email, Cookie: cookie, Scope: scope, ACR: strings.Fields(in.Body.ACR), Resource: in.Body.Resource, Actor: actor}
	pending, err := s.logins.BeginEmailSignIn(ctx, ex.Tenant.ID, in.Body.LoginToken, r)
	if err != nil {
		return nil, err
	}
	ex.SetBrowser(pending.Browser)
	return &loginTokenOut{LoginToken{pending.Token.Reveal()}}, nil
}

// EmailCode is a mailed code, with the token of the request for it.
type EmailCode struct {
	LoginToken string `json:"login_token" writeOnly:"true" maxLength:"128" example:"wwf_…"`
	Code       string `json:"code" writeOnly:"true" maxLength:"64" doc:"The code of the mail, in any spelling." example:"7KQ2-M9XD"`
}

// LoginEmailCode signs in with a mailed code.
func (s *Handlers) LoginEmailCode(ctx context.Context, in *struct{ Body EmailCode }) (*tokensOut, error) {
	ex := exchangeOf(ctx)
	actor, err := s.holder(ex)
	if err != nil {
		return nil, err
	}
	actor.Session = s.formerSession(ctx, ex)
	res, err := s.logins.Email(ctx, ex.Tenant.ID, login.EmailRequest{Token: in.Body.LoginToken, Code: in.Body.Code, Actor: actor})
	if err != nil {
		return nil, err
	}
	return s.loginResult(ex, res)
}
