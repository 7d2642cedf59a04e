package pages

import (
	"errors"
	"net/http"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/web/router"
)

// replacingForms are the paths of forms that may replace or end their own session. A browser that sends one
// of them twice has not stored the cookie of the first response.
var replacingForms = map[string]func(*Handlers, *router.Exchange) error{
	PathFactorAdd:  func(s *Handlers, ex *router.Exchange) error { return s.leadToCodes(ex, PathFactors, "added") },
	PathPasskeys:   func(s *Handlers, ex *router.Exchange) error { return s.leadToCodes(ex, PathPasskeys, "passkey") },
	PathPassword:   func(_ *Handlers, ex *router.Exchange) error { return seeOther(ex, PathPassword+"?done=password") },
	PathDelete:     (*Handlers).leadFromDeleted,
	pathSecureThis: func(_ *Handlers, ex *router.Exchange) error { return seeOther(ex, PathSecure+"/done") },
}

// formDigest returns the digest of the form of the request.
func formDigest(ex *router.Exchange) string {
	return session.FormDigest(ex.BrowserCookie(), ex.Route.Path, ex.Request.PostForm.Encode())
}

// repeatForm reports whether the browser has just sent the form of the request with success. It then has
// written the same response, with a new cookie if the session lives.
func (s *Handlers) repeatForm(ex *router.Exchange) (bool, error) {
	lead := replacingForms[ex.Route.Path]
	if lead == nil || ex.Request.Method != http.MethodPost {
		return false, nil
	}
	if err := ex.ReadForm(ex.Request); err != nil {
		return false, err
	}
	v, cookie, err := s.sessions.RepeatForm(ex.Request.Context(), ex.Tenant.ID, formDigest(ex))
	if errors.Is(err, auth.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if cookie != "" {
		ex.SetCurrentSession(cookie)
		ex.Actor = ex.Actor.AsSession(v)
	}
	return true, lead(s, ex)
}
