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

// LogoutPath is where clients send people to log out, below the issuer.
const LogoutPath = "/oauth2/logout"

// LogoutInput is a request to the log-out endpoint (OpenID Connect RP-Initiated
// Logout §2).
type LogoutInput struct {
	Tenant  auth.TenantID
	Form    oauth.Form
	Posted  bool // by a form of any site: SameSite cookies may not have come along
	Browser flow.Browser
	Actor   auth.Actor
}

// LogoutKind says what the browser is shown next.
type LogoutKind string

// What follows a request to log out.
const (
	LogoutConfirm  LogoutKind = "confirm"  // the page that asks; it posts Pending and CSRF to ConfirmLogout
	LogoutDone     LogoutKind = "done"     // the page that says so
	LogoutRedirect LogoutKind = "redirect" // 303 to Location
	LogoutLeave    LogoutKind = "leave"    // the page that says so, and asks whether to go on to Location
)

// LogoutStep is the answer to it.
type LogoutStep struct {
	Kind     LogoutKind
	Location string             // LogoutRedirect, LogoutLeave
	Pending  string             // LogoutConfirm: hidden field "logout"
	CSRF     string             // LogoutConfirm: hidden field "csrf"
	Client   auth.Client        // who asks, if known
	Accounts []session.SignedIn // LogoutConfirm: who would be logged out
	// NewBrowser, if set, becomes the browser's cookie.
	NewBrowser secret.Text
	// Ended says that sessions have ended: the session cookie becomes Cookie (is dropped
	// when that is empty), and the keep cookie is dropped.
	Ended  bool
	Cookie string
}

// Logout answers a client's wish that a person be logged out. Without a genuine
// id_token_hint of somebody who is signed in in this browser, the person is asked
// first, so that no other site can log them out. An *auth.DisplayError is shown as a page and
// never redirects.
func (s *Service) Logout(ctx context.Context, in LogoutInput) (LogoutStep, error) {
	w, c, err := s.wish(ctx, in)
	if err != nil {
		return LogoutStep{}, err
	}
	if w.Asks, err = s.mustConfirmLeaving(ctx, in.Tenant, c, w.Redirect, in.Browser); err != nil {
		return LogoutStep{}, err
	}
	if in.Posted && len(in.Browser.Sessions) == 0 {
		// Our cookies do not come with another site's form. They come with a redirect.
		return LogoutStep{Kind: LogoutRedirect, Client: c,
			Location: in.Tenant.Issuer(s.cfg.Base) + LogoutPath + "?" + relay + "=" + s.sealWish(in.Tenant, w)}, nil
	}
	if len(in.Browser.Sessions) == 0 {
		return w.end(LogoutStep{Client: c}), nil
	}
	if meant, ok := s.meant(w, c, in.Browser); ok {
		return s.logOut(ctx, in, w, c, meant)
	}
	pending, fresh := s.sealWish(in.Tenant, w), in.Browser.EnsureSecret()
	return LogoutStep{Kind: LogoutConfirm, Pending: pending, CSRF: s.cfg.Flows.CSRF(in.Tenant, in.Browser, logoutSubject(in.Browser, pending)...),
		NewBrowser: fresh, Client: c, Accounts: in.Browser.Sessions}, nil
}

// LogoutAnswer is what a person said on the page that asks.
type LogoutAnswer struct {
	Tenant        auth.TenantID
	Pending, CSRF string
	Browser       flow.Browser
	Actor         auth.Actor
}

// ConfirmLogout logs everybody in the browser out, after the person's yes. A missing
// or wrong CSRF is refused as Forbidden cross_site.
func (s *Service) ConfirmLogout(ctx context.Context, in LogoutAnswer) (LogoutStep, error) {
	w, genuine := s.openWish(in.Tenant, in.Pending)
	if len(in.Browser.Sessions) == 0 { // in another tab they were quicker
		return w.end(LogoutStep{}), nil
	}
	if !genuine || !s.cfg.Flows.CSRFValid(in.Tenant, in.Browser, in.CSRF, logoutSubject(in.Browser, in.Pending)...) {
		return LogoutStep{}, auth.Refuse(auth.KindForbidden, auth.CodeCrossSite, "this form did not come from our page in this browser; go back and try again")
	}
	return s.logOut(ctx, LogoutInput{Tenant: in.Tenant, Browser: in.Browser, Actor: in.Actor}, w, auth.Client{ID: w.Client}, "")
}

// meant is the session in this browser of which the hint speaks.
func (s *Service) meant(w wish, c auth.Client, b flow.Browser) (auth.SessionID, bool) {
	if w.Subject == "" {
		return "", false
	}
	i := slices.IndexFunc(b.Sessions, func(v session.SignedIn) bool {
		return secret.Equal(s.cfg.Tokens.Subject(c, v.Account.ID), w.Subject)
	})
	if i < 0 {
		return "", false
	}
	return b.Sessions[i].Session.ID, true
}

// logOut ends one session of the browser, or all when which is empty.
func (s *Service) logOut(ctx context.Context, in LogoutInput, w wish, c auth.Client, which auth.SessionID) (LogoutStep, error) {
	step := LogoutStep{Client: c, Ended: true}
	err := s.cfg.DB.Write(ctx, in.Tenant, func(tx *store.Tx) error {
		ended, left, err := s.cfg.Sessions.SignOut(tx, in.Browser.Sessions, which)
		if err != nil {
			return err
		}
		step.Cookie = session.FormatCookie(left)
		for _, v := range ended {
			detail := map[string]string{"session": string(v.Session.ID)}
			if w.Client != "" {
				detail["client"] = string(w.Client)
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
	return w.end(step), nil
}

// logoutSubject is what the form of the page that asks is about: the request, and the session that
// is the current one.
func logoutSubject(b flow.Browser, pending string) []string {
	return []string{"logout", string(b.Sessions[0].Session.ID), pending}
}

// logoutClient reads the client that a request speaks of.
func (s *Service) logoutClient(ctx context.Context, tenant auth.TenantID, id auth.ClientID) (c auth.Client, err error) {
	if _, err := auth.ParseClientID(string(id)); err != nil {
		return c, logoutPage("the client is not known")
	}
	err = s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) (err error) {
		c, err = tx.Client(id)
		return err
	})
	switch {
	case errors.Is(err, auth.ErrNotFound) || err == nil && c.Disabled():
		return auth.Client{}, logoutPage("the client is not known")
	case err != nil:
		return auth.Client{}, fmt.Errorf("read client: %w", err)
	}
	return c, nil
}

func logoutPage(desc string) *auth.DisplayError { return displayError(oauth.InvalidRequest, desc) }
