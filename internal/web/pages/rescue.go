package pages

import (
	"net/http"

	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// PathRescue is the page of the link with which a user replaces lost second factors.
const PathRescue = "/rescue"

// RescuePage is the page of the link. It does not use the link.
func (s *Handlers) RescuePage(ex *router.Exchange, r *http.Request) error {
	token := linkToken(r)
	if token == "" {
		return s.renderRescueFailed(ex, ui.LinkIncomplete)
	}
	b, err := s.browser(ex)
	if err != nil {
		return err
	}
	usable, err := s.logins.RescueUsable(r.Context(), ex.Tenant.ID, token, b)
	switch {
	case err != nil:
		return err
	case !usable:
		return s.renderRescueFailed(ex, ui.LinkUsed)
	}
	ex.SetBrowser(b.EnsureSecret()) // so that a form that is sent twice is known as such
	return render(ex, http.StatusOK, ui.Rescue{Page: newPage(ex), Action: tenantPath(ex, PathRescue), Token: token})
}

func (s *Handlers) renderRescueFailed(ex *router.Exchange, reason ui.Key) error {
	p := ui.Rescue{Page: newPage(ex), Login: tenantPath(ex, PathLogin)}
	p.Bad = p.Say(reason)
	return render(ex, http.StatusBadRequest, p)
}

// RescueForm uses the link and leads to the sign-in that adds a factor.
func (s *Handlers) RescueForm(ex *router.Exchange, r *http.Request) error {
	b, err := s.browser(ex)
	if err != nil {
		return err
	}
	st, err := s.logins.Rescue(r.Context(), ex.Tenant.ID, r.PostForm.Get("token"), b)
	if isInvalidLink(err) {
		return s.renderRescueFailed(ex, ui.LinkUsed)
	}
	if err != nil {
		return err
	}
	ex.SetBrowser(st.NewBrowser)
	return dispatch(ex, st)
}
