package oidc

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// LogoutPath is the endpoint to which clients send users to log out, below the issuer.
const LogoutPath = "/oauth2/logout"

// LogoutInput is a request to the logout endpoint (OpenID Connect RP-Initiated Logout §2).
type LogoutInput struct {
	Tenant  auth.TenantID
	Form    oauth.Form
	Posted  bool // possibly by a form of another site, without SameSite cookies
	Browser flow.Browser
	Actor   auth.Actor
}

// LogoutKind is the kind of response that the browser gets.
type LogoutKind string

// The kinds of responses to a logout request.
const (
	LogoutConfirm  LogoutKind = "confirm"  // the confirmation page; it posts Pending and CSRF to ConfirmLogout
	LogoutDone     LogoutKind = "done"     // the page that reports the logout
	LogoutRedirect LogoutKind = "redirect" // 303 to Location
	LogoutLeave    LogoutKind = "leave"    // the page that reports the logout and asks whether to go on to Location
)

// LogoutStep is the response to a logout request.
type LogoutStep struct {
	Kind     LogoutKind
	Location string             // LogoutRedirect, LogoutLeave
	Pending  string             // LogoutConfirm: hidden field "logout"
	CSRF     string             // LogoutConfirm: hidden field "csrf"
	Client   auth.Client        // the requesting client, if known
	Accounts []session.SignedIn // LogoutConfirm: the accounts that would be logged out
	// NewBrowser, if set, is the new value of the browser cookie.
	NewBrowser secret.Text
	// Ended reports that sessions have ended. The session cookie becomes Cookie, or is deleted when that
	// is empty. The remember-me cookie is deleted.
	Ended  bool
	Cookie string
}

// Logout handles a client's logout request. Without a valid id_token_hint for a user who is signed in
// in this browser, the user is asked first, so that no other site can log them out. An
// *auth.DisplayError is shown as a page and never redirects.
func (s *Service) Logout(ctx context.Context, in LogoutInput) (LogoutStep, error) {
	req, c, err := s.readLogoutRequest(ctx, in)
	if err != nil {
		return LogoutStep{}, err
	}
	if req.Confirm, err = s.mustConfirmLeaving(ctx, in.Tenant, c, req.Redirect, in.Browser); err != nil {
		return LogoutStep{}, err
	}
	if in.Posted && len(in.Browser.Sessions) == 0 {
		// The cookies do not come with another site's form. They come with a redirect.
		return LogoutStep{Kind: LogoutRedirect, Client: c,
			Location: in.Tenant.Issuer(s.cfg.Base) + LogoutPath + "?" + resumeParam + "=" + s.sealLogoutRequest(in.Tenant, req)}, nil
	}
	if len(in.Browser.Sessions) == 0 {
		return req.finalStep(LogoutStep{Client: c}), nil
	}
	if hinted, ok := s.hintedSession(req, c, in.Browser); ok {
		return s.logOut(ctx, in, req, c, hinted)
	}
	pending, newSecret := s.sealLogoutRequest(in.Tenant, req), in.Browser.EnsureSecret()
	return LogoutStep{Kind: LogoutConfirm, Pending: pending, CSRF: s.cfg.Flows.CSRF(in.Tenant, in.Browser, logoutSubject(in.Browser, pending)...),
		NewBrowser: newSecret, Client: c, Accounts: in.Browser.Sessions}, nil
}

// LogoutAnswer is the form of the confirmation page.
type LogoutAnswer struct {
	Tenant        auth.TenantID
	Pending, CSRF string
	Browser       flow.Browser
	Actor         auth.Actor
}

// ConfirmLogout ends all sessions of the browser after the user has confirmed it. A missing or wrong
// CSRF is refused as Forbidden cross_site. A page that was open for too long logs the user out, without
// a redirect to the client.
func (s *Service) ConfirmLogout(ctx context.Context, in LogoutAnswer) (LogoutStep, error) {
	req, valid := s.openLogoutRequest(in.Tenant, in.Pending)
	if len(in.Browser.Sessions) == 0 { // ended in another tab meanwhile
		return req.finalStep(LogoutStep{}), nil
	}
	if !s.cfg.Flows.CSRFValid(in.Tenant, in.Browser, in.CSRF, logoutSubject(in.Browser, in.Pending)...) {
		return LogoutStep{}, auth.Refuse(auth.KindForbidden, auth.CodeCrossSite, "the form does not come from a page of this server in this browser; go back and try again")
	}
	if !valid {
		req = logoutRequest{}
	}
	return s.logOut(ctx, LogoutInput{Tenant: in.Tenant, Browser: in.Browser, Actor: in.Actor}, req, auth.Client{ID: req.Client}, "")
}

// hintedSession returns the session in this browser that belongs to the subject of the hint.
func (s *Service) hintedSession(req logoutRequest, c auth.Client, b flow.Browser) (auth.SessionID, bool) {
	if req.Subject == "" {
		return "", false
	}
	i := slices.IndexFunc(b.Sessions, func(v session.SignedIn) bool {
		return secret.Equal(s.cfg.Tokens.Subject(c, v.Account.ID), req.Subject)
	})
	if i < 0 {
		return "", false
	}
	return b.Sessions[i].Session.ID, true
}

// logOut ends one session of the browser, or all sessions when which is empty.
func (s *Service) logOut(ctx context.Context, in LogoutInput, req logoutRequest, c auth.Client, which auth.SessionID) (LogoutStep, error) {
	step := LogoutStep{Client: c, Ended: true}
	err := s.cfg.DB.Write(ctx, in.Tenant, func(tx *store.Tx) error {
		ended, left, err := s.cfg.Sessions.SignOut(tx, in.Browser.Sessions, which)
		if err != nil {
			return err
		}
		step.Cookie = session.FormatCookie(left)
		for _, v := range ended {
			detail := map[string]string{"session": string(v.Session.ID)}
			if req.Client != "" {
				detail["client"] = string(req.Client)
			}
			if err := tx.Record(auth.Event{Kind: auth.EventLogout, Actor: in.Actor, Account: v.Account.ID, Detail: detail}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return LogoutStep{}, fmt.Errorf("log out: %w", err)
	}
	return req.finalStep(step), nil
}

// logoutSubject is what the CSRF token of the confirmation page is bound to: the request and the
// current session.
func logoutSubject(b flow.Browser, pending string) []string {
	return []string{"logout", string(b.Sessions[0].Session.ID), pending}
}

// logoutClient reads the client of a request.
func (s *Service) logoutClient(ctx context.Context, tenant auth.TenantID, id auth.ClientID) (c auth.Client, err error) {
	if _, err := auth.ParseClientID(string(id)); err != nil {
		return c, logoutPage("client_id: the client is unknown or disabled")
	}
	err = s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) (err error) {
		c, err = tx.Client(id)
		return err
	})
	switch {
	case errors.Is(err, auth.ErrNotFound) || err == nil && c.Disabled():
		return auth.Client{}, logoutPage("client_id: the client is unknown or disabled")
	case err != nil:
		return auth.Client{}, fmt.Errorf("read client: %w", err)
	}
	return c, nil
}

// logoutPage returns a refusal that is shown as a page.
func logoutPage(desc string) *auth.DisplayError { return displayError(oauth.InvalidRequest, desc) }
