package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/token"
)

var (
	callLogin = call{pattern: "POST /api/v1/login", id: "login", topic: "sign in", also: []int{http.StatusNoContent}, errors: []int{http.StatusUnauthorized},
		summary: "Sign in with a password",
		doc:     `Answers with tokens, or, with "session": "cookie", with 204 and the session cookie for browser applications on the same site. invalid_credentials never says which of the two was wrong; email_not_verified comes only after the right password.`}
	callRefresh = call{pattern: "POST /api/v1/refresh", id: "refresh", topic: "sign in", errors: []int{http.StatusUnauthorized},
		summary: "Exchange a refresh token for new tokens",
		doc:     "Each refresh token works once. Using a spent one later than a few seconds after it was spent ends the session and every token of the family: refresh_token_reused."}
	callLogout = call{pattern: "POST /api/v1/logout", id: "logout", topic: "sign in", status: http.StatusNoContent,
		summary: "Sign out",
		doc:     "The session ends, and with it its refresh tokens. A refresh token in the body ends its own session too."}
)

// Credentials are what one signs in with.
type Credentials struct {
	Email    string `json:"email" example:"alice@example.com"`
	Password string `json:"password" writeOnly:"true" example:"correct horse battery staple"`
	Session  string `json:"session,omitempty" enum:"token,cookie" doc:"What is wanted: tokens in the answer (the default), or a cookie."`
}

// Tokens is the answer to a sign-in or refresh, in the words of RFC 6749 §5.1.
type Tokens struct {
	AccessToken      string `json:"access_token" doc:"A JWT (RFC 9068) for the Authorization header."`
	TokenType        string `json:"token_type" example:"Bearer"`
	ExpiresIn        int64  `json:"expires_in" doc:"Seconds until the access token is worth nothing." example:"900"`
	RefreshToken     string `json:"refresh_token,omitempty" doc:"Works once, at /api/v1/refresh."`
	RefreshExpiresIn int64  `json:"refresh_expires_in,omitempty" doc:"Seconds until the refresh token is worth nothing." example:"1209600"`
	Scope            string `json:"scope" example:"openid profile email offline_access"`
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

func (s *Server) login(ctx context.Context, in *struct{ Body Credentials }) (*tokensOut, error) {
	ex := exchangeOf(ctx)
	cookie := in.Body.Session == "cookie"
	by := ex.by()
	if cookie {
		by.Session = ex.formerSession(ctx)
	}
	res, err := s.cfg.Logins.Password(ctx, ex.tenant.ID, login.Request{Email: in.Body.Email, Password: in.Body.Password, Cookie: cookie, Actor: by})
	if err != nil {
		return nil, err
	}
	ex.actor = auth.Actor{Kind: auth.ActorAccount, ID: string(res.Session.Account), Session: res.Session.ID, Client: res.Session.Client}
	if cookie {
		ex.setCookie(res.Cookie)
		ex.setKnown(res.Known)
		return &tokensOut{Status: http.StatusNoContent}, nil
	}
	return tokens(res.Tokens), nil
}

// formerSession is the session whose cookie the new one replaces, if there is one:
// it ends with the sign-in, so that no copy of the old cookie lives on.
func (ex *exchange) formerSession(ctx context.Context) auth.SessionID {
	secret := ex.currentSession()
	if secret == "" {
		return ""
	}
	v, _, err := ex.server.cfg.Sessions.Find(ctx, ex.server.cfg.DB, ex.tenant.ID, secret)
	if err != nil {
		return "" // dead already
	}
	return v.ID
}

// RefreshToken is what a refresh spends.
type RefreshToken struct {
	RefreshToken string `json:"refresh_token" writeOnly:"true" example:"wwr_…"`
}

func (s *Server) refresh(ctx context.Context, in *struct{ Body RefreshToken }) (*tokensOut, error) {
	ex := exchangeOf(ctx)
	family, known := s.cfg.Tokens.Family(ex.tenant.ID, in.Body.RefreshToken)
	if known {
		if err := ex.take(countFamily, string(family)); err != nil {
			return nil, err
		}
	}
	t, err := s.cfg.Tokens.Refresh(ctx, token.Refreshment{Tenant: ex.tenant.ID, Client: auth.FirstParty, Token: in.Body.RefreshToken, Actor: ex.by()})
	if known && errors.Is(err, token.ErrOtherKey) { // whoever stole it without the key
		ex.refund(countFamily, string(family))
	}
	if err != nil {
		return nil, err
	}
	ex.actor = auth.Actor{Kind: auth.ActorAccount, ID: string(t.Account), Session: t.Session, Client: auth.FirstParty}
	return tokens(t), nil
}

// Logout says what else to end.
type Logout struct {
	RefreshToken string `json:"refresh_token,omitempty" writeOnly:"true" doc:"A refresh token to end as well."`
}

func (s *Server) logout(ctx context.Context, in *struct {
	Body *Logout
}) (*nothing, error) {
	ex := exchangeOf(ctx)
	var refresh string
	if in.Body != nil {
		refresh = in.Body.RefreshToken
	}
	by := ex.by()
	if err := s.cfg.Logins.Logout(ctx, ex.tenant.ID, by.Session, by.Account(), refresh, by); err != nil {
		return nil, err
	}
	if !ex.cookie {
		return nil, nil
	}
	// The cookie goes, so nobody else who is signed in in it may be left behind.
	others, err := s.cfg.Sessions.FindAll(ctx, s.cfg.DB, ex.tenant.ID, ex.sessionCookie())
	if err == nil {
		_, err = s.cfg.Logins.Leave(ctx, ex.tenant.ID, others, "", by)
	}
	ex.dropCookie()
	return nil, err
}
