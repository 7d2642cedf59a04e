package pages

import (
	"net/http"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// ChoosePage asks with which account of this browser to continue.
func (s *Handlers) ChoosePage(ex *router.Exchange, st flow.Step) error {
	p := ui.Choose{Page: stepPage(ex, st), Form: stepForm(ex, st, PathChoose), Client: clientName(st)}
	for _, v := range ex.SignedIn {
		p.Accounts = append(p.Accounts, ui.Account{Session: string(v.Session.ID), Email: v.Account.Email.Address, Name: v.Account.Name})
	}
	return render(ex, http.StatusOK, p)
}

// ChooseForm continues the flow with the chosen account; an empty choice means another account.
func (s *Handlers) ChooseForm(ex *router.Exchange, r *http.Request) error {
	in, err := s.flowForm(ex, r)
	if err != nil {
		return err
	}
	chosen := auth.SessionID(r.PostForm.Get("session"))
	st, err := s.flows.Choose(r.Context(), in, chosen)
	if err != nil {
		return err
	}
	if chosen == "" && st.Kind != auth.StepAnswer {
		return redirect(ex, flowURL(ex, PathLogin, st.Flow.ID)+"&other")
	}
	setCurrent(ex, chosen)
	return dispatch(ex, st)
}

// setCurrent makes an account of this browser the current one.
func setCurrent(ex *router.Exchange, id auth.SessionID) {
	i := slices.IndexFunc(ex.SignedIn, func(v session.SignedIn) bool { return v.Session.ID == id })
	if i > 0 {
		front := append([]session.SignedIn{ex.SignedIn[i]}, slices.Delete(slices.Clone(ex.SignedIn), i, i+1)...)
		ex.SetSessions(session.FormatCookie(front))
	}
}
