package oidc

import (
	"context"
	"errors"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/session"
)

// LogoutPath is where clients send people to log out, below the issuer.
const LogoutPath = "/oauth2/logout"

// LogoutInput is a request to the log-out endpoint (OpenID Connect RP-Initiated
// Logout §2).
type LogoutInput struct {
	Tenant  auth.TenantID
	Form    Form
	Posted  bool // by a form of any site: SameSite cookies did not come along
	Browser Browser
	Actor   auth.Actor
}

// LogoutKind says what the browser is shown next.
type LogoutKind string

// What follows a request to log out.
const (
	LogoutConfirm  LogoutKind = "confirm"  // the page that asks; it posts Pending and CSRF to ConfirmLogout
	LogoutDone     LogoutKind = "done"     // the page that says so
	LogoutRedirect LogoutKind = "redirect" // 303 to Location
)

// LogoutStep is the answer to it.
type LogoutStep struct {
	Kind     LogoutKind
	Location string           // LogoutRedirect
	Pending  string           // LogoutConfirm: hidden field "logout"
	CSRF     string           // LogoutConfirm: hidden field "csrf"
	Client   auth.Client      // who asks, if known
	Accounts []session.Signed // LogoutConfirm: who would be logged out
	// Ended says that sessions have ended: the session cookie becomes Cookie (is dropped
	// when that is empty), and the keep cookie is dropped.
	Ended  bool
	Cookie string
}

// Logout answers a client's wish that a person be logged out. Without a genuine
// id_token_hint of somebody who is signed in in this browser, the person is asked
// first. A *PageError is shown as a page and never redirects.
func (s *Service) Logout(ctx context.Context, in LogoutInput) (LogoutStep, error) {
	return LogoutStep{}, errors.ErrUnsupported
}

// LogoutAnswer is what a person said on the page that asks.
type LogoutAnswer struct {
	Tenant        auth.TenantID
	Pending, CSRF string
	Browser       Browser
	Actor         auth.Actor
}

// ConfirmLogout logs everybody in the browser out, after the person's yes. A missing
// or wrong CSRF is refused as Forbidden cross_site.
func (s *Service) ConfirmLogout(ctx context.Context, in LogoutAnswer) (LogoutStep, error) {
	return LogoutStep{}, errors.ErrUnsupported
}
