package api

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/token"
	"github.com/watchword-auth/watchword/internal/web/router"
)

var OpLoginFactor = operation{id: "login-mfa", topic: "sign in", also: []int{http.StatusNoContent}, errors: []int{http.StatusUnauthorized},
	summary: "Complete a sign-in with a second factor",
	doc:     "Returns what the first call of the sign-in requested: tokens, or 204 and the session cookie. mfa_token is that of the response mfa_required; it works for ten minutes, once, and nowhere else: with the cookie of the browser or a DPoP proof of the key that the first request had. Each code works once."}

var OpLoginCode = operation{id: "login-mfa-email-code", topic: "sign in", status: http.StatusNoContent, errors: []int{http.StatusUnauthorized, http.StatusConflict},
	summary: "Mail the code of a second factor again",
	doc:     "For a sign-in whose factors are email_code. /api/v1/login has mailed the first one. A code works for ten minutes and five guesses, with its mfa_token only; while half of its life is left, the same code is mailed again."}

// MFAToken continues a sign-in whose first factor was right.
type MFAToken struct {
	MFAToken string `json:"mfa_token" writeOnly:"true" maxLength:"128" example:"wwf_…"`
}

// LoginCode mails the code of a second factor.
func (s *Handlers) LoginCode(ctx context.Context, in *struct{ Body MFAToken }) (*nothing, error) {
	ex := exchangeOf(ctx)
	actor, err := s.holder(ex)
	if err != nil {
		return nil, err
	}
	return nil, s.logins.MailPendingCode(ctx, ex.Tenant.ID, in.Body.MFAToken, actor)
}

// holder returns the actor of a request that begins or continues a sign-in, with what binds its token to the caller:
// the cookie of the browser, and the key of a DPoP proof.
func (s *Handlers) holder(ex *router.Exchange) (actor auth.Actor, err error) {
	actor = ex.RequestActor()
	actor.Browser = ex.BrowserCookie()
	ex.OfferNonce()
	r := ex.Request
	actor.JKT, err = s.clients.Proof(r.Context(), client.Request{Tenant: ex.Tenant.ID, Proof: r.Header["Dpop"], Method: r.Method, URL: ex.EndpointURL()})
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		e.Scheme = token.TypeDPoP // the challenge offers a nonce
	}
	return actor, err
}

// FactorCode is a second factor for a sign-in whose first factor was right.
type FactorCode struct {
	MFAToken string `json:"mfa_token" writeOnly:"true" maxLength:"128" example:"wwf_…"`
	Factor   string `json:"factor" enum:"totp,recovery_code,email_code" doc:"One of the factors of the response mfa_required."`
	Code     string `json:"code" writeOnly:"true" maxLength:"64" doc:"The code that the authenticator app shows, a recovery code or a mailed code." example:"492039"`
}

// LoginFactor completes a sign-in with a second factor.
func (s *Handlers) LoginFactor(ctx context.Context, in *struct{ Body FactorCode }) (*tokensOut, error) {
	ex := exchangeOf(ctx)
	by, err := s.holder(ex)
	if err != nil {
		return nil, err
	}
	by.Session = s.formerSession(ctx, ex)
	res, err := s.logins.Factor(ctx, ex.Tenant.ID, login.FactorRequest{
		Token: in.Body.MFAToken, Method: auth.ProofMethod(in.Body.Factor), Code: in.Body.Code, Actor: by,
	})
	if err != nil {
		return nil, err
	}
	return s.loginResult(ex, res)
}

// loginResult is the response to a sign-in: tokens, a cookie, or what it lacks.
func (s *Handlers) loginResult(ex *router.Exchange, res login.Result) (*tokensOut, error) {
	if res.Pending.Token != "" {
		ex.SetBrowser(res.Pending.Browser)
		return nil, mfaRequired(res.Pending)
	}
	ex.Actor = ex.Actor.AsSession(res.Session)
	if res.Cookie != "" {
		ex.SetCurrentSession(res.Cookie)
		ex.SetKnown(res.Known)
		return &tokensOut{Status: http.StatusNoContent}, nil
	}
	return tokens(res.Tokens), nil
}

// mfaRequired refuses a sign-in whose first factor was right until a second factor is proved.
func mfaRequired(pending login.Pending) error {
	p := router.NewProblem(http.StatusUnauthorized, auth.CodeMFARequired, "one factor is proved; send mfa_token with a code to /api/v1/login/mfa, or with a passkey to /api/v1/passkeys/begin, within ten minutes")
	if slices.Contains(pending.Methods, auth.ProofEmailCode) {
		p.Detail = "one factor is proved; a code was mailed: send it with mfa_token to /api/v1/login/mfa within ten minutes"
	}
	if pending.Need == auth.NeedEnrolment {
		p.Detail = "one factor is proved; the account must add a second factor first, on the page /account"
	}
	p.MFAToken = pending.Token.Reveal()
	for _, m := range pending.Methods {
		p.Factors = append(p.Factors, string(m))
	}
	return p
}
