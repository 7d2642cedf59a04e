package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/token"
	"github.com/watchword-auth/watchword/internal/web/router"
)

var (
	OpLogin = operation{id: "login", topic: "sign in", also: []int{http.StatusNoContent}, errors: []int{http.StatusUnauthorized},
		summary: "Sign in with a password",
		doc: `Returns tokens, or, with "session": "cookie", 204 and the session cookie for browser applications on the same site. invalid_credentials does not say which of the two is wrong; email_not_verified follows only the correct password.

Without resource the access token is for this API: send it to no other. With resource it is only for that API; /api/v1/refresh returns tokens for other APIs with the same refresh token. Calls below /api/v1/admin require "scope": "watchword:admin".`}
	OpRefresh = operation{id: "refresh", topic: "sign in", errors: []int{http.StatusUnauthorized},
		summary: "Exchange a refresh token for new tokens",
		doc:     "The access token is for the audience of the sign-in, or for the given resource. Each refresh token works once. Reuse of a used refresh token after the grace period of a few seconds ends the session and every token of the family: refresh_token_reused."}
	OpLogout = operation{id: "logout", topic: "sign in", status: http.StatusNoContent,
		summary: "Sign out",
		doc:     "Ends the session and its refresh tokens. A refresh token in the body ends its session as well."}
)

// Credentials are those of a sign-in.
type Credentials struct {
	Email    string `json:"email,omitempty" doc:"The email address, or username instead." example:"alice@example.com"`
	Username string `json:"username,omitempty" doc:"The user name, where the tenant has user names." example:"alice"`
	Password string `json:"password" writeOnly:"true" example:"correct horse battery staple"`
	Session  string `json:"session,omitempty" enum:"token,cookie" doc:"Whether to return tokens (the default) or set a cookie."`
	Scope    string `json:"scope,omitempty" maxLength:"4096" doc:"Requested scope, space-separated. The granted scope, in the response, leaves out what the user may not have. Default: openid profile email offline_access watchword:account." example:"watchword:admin"`
	ACR      string `json:"acr_values,omitempty" maxLength:"64" doc:"Requested values of acr, space-separated, the preferred first, such as those of the challenge insufficient_user_authentication. The first one that the account can reach is required." example:"2"`
	Resource string `json:"resource,omitempty" maxLength:"2048" doc:"The API the access token is for (RFC 8707): one of oauth.resources or of the audiences of the client first-party." example:"https://api.example.com"`
}

// Tokens is the response to a sign-in or refresh; its members are those of RFC 6749 §5.1.
type Tokens struct {
	AccessToken      string `json:"access_token" doc:"A JWT (RFC 9068) for the Authorization header."`
	TokenType        string `json:"token_type" example:"Bearer"`
	ExpiresIn        int64  `json:"expires_in" doc:"Seconds until the access token expires." example:"900"`
	RefreshToken     string `json:"refresh_token,omitempty" doc:"Works once, at /api/v1/refresh."`
	RefreshExpiresIn int64  `json:"refresh_expires_in,omitempty" doc:"Seconds until the refresh token expires." example:"1209600"`
	Scope            string `json:"scope" example:"openid profile email offline_access watchword:account"`
}

type tokensOut struct {
	Status int
	Body   Tokens
}

func tokens(t auth.Tokens) *tokensOut {
	return &tokensOut{Status: http.StatusOK, Body: Tokens{
		AccessToken: t.AccessToken, TokenType: "Bearer", ExpiresIn: seconds(t.ExpiresIn),
		RefreshToken: t.RefreshToken, RefreshExpiresIn: seconds(t.RefreshExpiresIn), Scope: t.Scope.String(),
	}}
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// Login signs in with a password.
func (s *Handlers) Login(ctx context.Context, in *struct{ Body Credentials }) (*tokensOut, error) {
	ex := exchangeOf(ctx)
	cookie := in.Body.Session == "cookie"
	scope, err := in.Body.tokenScope(cookie)
	if err != nil {
		return nil, err
	}
	if (in.Body.Email == "") == (in.Body.Username == "") {
		return nil, auth.Invalid(auth.CodeMemberMissing, "email", "email, username: one of the two is required")
	}
	actor, err := s.holder(ex)
	if err != nil {
		return nil, err
	}
	if cookie {
		actor.Session = s.formerSession(ctx, ex)
	}
	res, err := s.logins.Password(ctx, ex.Tenant.ID, login.Request{
		Email: cmp.Or(in.Body.Email, in.Body.Username), Password: in.Body.Password, Cookie: cookie, Scope: scope, ACR: strings.Fields(in.Body.ACR), Resource: in.Body.Resource, Actor: actor,
	})
	if err != nil {
		return nil, err
	}
	return s.loginResult(ex, res)
}

// tokenScope parses the requested scope; nil is the default scope.
func (c Credentials) tokenScope(cookie bool) (auth.Scope, error) {
	switch {
	case c.Scope == "" && c.Resource == "":
		return nil, nil
	case cookie:
		return nil, auth.Invalid(auth.CodeSessionInvalid, "session", `session: "token" where scope or resource is given, since a cookie has neither`)
	}
	return auth.ParseScope(c.Scope)
}

// formerSession returns the session whose cookie the new one replaces, or empty. Signing in ends it,
// so that no copy of the old cookie stays valid.
func (s *Handlers) formerSession(ctx context.Context, ex *router.Exchange) auth.SessionID {
	secret := ex.CurrentSession()
	if secret == "" {
		return ""
	}
	v, _, err := s.sessions.Find(ctx, ex.Tenant.ID, secret)
	if err != nil {
		return "" // it has ended
	}
	return v.ID
}

// limitFamily is the limit of a family of refresh tokens.
var limitFamily = router.Limit{Name: "refresh.credential"}

// RefreshToken is a request for new tokens.
type RefreshToken struct {
	RefreshToken string `json:"refresh_token" writeOnly:"true" example:"wwr_…"`
	Resource     string `json:"resource,omitempty" maxLength:"2048" doc:"The API the new access token is for." example:"https://api.example.com"`
}

// Refresh exchanges a refresh token for new tokens.
func (s *Handlers) Refresh(ctx context.Context, in *struct{ Body RefreshToken }) (*tokensOut, error) {
	ex := exchangeOf(ctx)
	family, known := s.tokens.RefreshFamily(ex.Tenant.ID, in.Body.RefreshToken)
	key := string(family) + "|" + string(auth.FirstParty) // not shared with requests of other clients
	if known {
		if err := ex.Take(limitFamily, key); err != nil {
			return nil, err
		}
	}
	req := token.RefreshRequest{Tenant: ex.Tenant.ID, Client: auth.FirstParty, Token: in.Body.RefreshToken, Actor: ex.RequestActor()}
	if in.Body.Resource != "" {
		req.Audience = []string{in.Body.Resource}
	}
	t, err := s.tokens.Refresh(ctx, req)
	if known && errors.Is(err, token.ErrKeyMismatch) { // a copy without the key
		ex.Refund(limitFamily, key)
	}
	if err != nil {
		return nil, err
	}
	ex.Actor = ex.Actor.AsSubject(string(t.Account), t.Session, auth.FirstParty)
	return tokens(t), nil
}

// Logout may name another session to end.
type Logout struct {
	RefreshToken string `json:"refresh_token,omitempty" writeOnly:"true" doc:"A refresh token whose session ends as well."`
}

// Logout ends the session.
func (s *Handlers) Logout(ctx context.Context, in *struct {
	Body *Logout
}) (*nothing, error) {
	ex := exchangeOf(ctx)
	r := login.LogoutRequest{Tenant: ex.Tenant.ID, Actor: ex.RequestActor()}
	if in.Body != nil {
		r.RefreshToken = in.Body.RefreshToken
	}
	if ex.ByCookie { // it is deleted, so all sessions in it end
		r.Cookie = ex.SessionCookie()
	}
	if err := s.logins.Logout(ctx, r); err != nil {
		return nil, err
	}
	if ex.ByCookie {
		ex.DropSessions()
	}
	return nil, nil
}
