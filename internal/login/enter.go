package login

import (
	"context"
	"errors"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
)

// EnterRequest is an attempt to sign in in a browser.
type EnterRequest struct {
	Email, Password string
	Remember        bool             // stay signed in when the browser is closed
	Browser         []session.Signed // who is signed in there already
	Series          string           // the keep cookie, if there is one
	Actor           auth.Actor
}

// Entered is what the browser gets: the session that was begun or renewed, the new
// value of the session cookie, and that of the keep cookie when it changes.
type Entered struct {
	Session auth.Session
	Cookie  string // whole
	Keep    secret.Text
}

// Enter signs in with e-mail address and password in a browser. An account that is
// signed in there already gets its session renewed under another secret; any other
// account is put in front of those that are there. Refusals are those of Password.
func (s *Service) Enter(ctx context.Context, tenant auth.TenantID, r EnterRequest) (Entered, error) {
	return Entered{}, errors.ErrUnsupported
}

// Resume begins a session for the owner of a keep cookie, which is spent for a new
// one. Refused as Unauthenticated session_invalid when it is worth nothing, upon which
// the browser should forget it.
func (s *Service) Resume(ctx context.Context, tenant auth.TenantID, keep string, browser []session.Signed, actor auth.Actor) (Entered, error) {
	return Entered{}, errors.ErrUnsupported
}

// Leave signs one account of the browser out, or all of them when which is empty, and
// returns the new value of the session cookie, empty when nobody is left. The keep
// cookie is worth nothing any more.
func (s *Service) Leave(ctx context.Context, tenant auth.TenantID, browser []session.Signed, which auth.SessionID, actor auth.Actor) (string, error) {
	return "", errors.ErrUnsupported
}
