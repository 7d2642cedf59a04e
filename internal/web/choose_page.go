package web

import (
	"net/http"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// choosePage asks with which account of this browser to go on.
func (s *pages) choosePage(ex *exchange, st flow.Step) error {
	p := ui.Choose{Page: stepPage(ex, st), Form: stepForm(ex, st, pathChoose), Client: forWhom(st)}
	for _, v := range ex.people {
		p.Accounts = append(p.Accounts, ui.Account{Session: string(v.Session.ID), Email: v.Account.Email.Address, Name: v.Account.Name})
	}
	return render(ex, http.StatusOK, p)
}

// chooseForm takes the account with which a flow goes on; none means another one.
func (s *pages) chooseForm(ex *exchange, r *http.Request) error {
	in, err := s.flowForm(ex, r)
	if err != nil {
		return err
	}
	chosen := auth.SessionID(r.PostForm.Get("session"))
	st, err := s.flows.Choose(r.Context(), in, chosen)
	if err != nil {
		return err
	}
	if chosen == "" {
		return redirect(ex, flowURL(ex, pathLogin, st.Flow.ID)+"&other")
	}
	prefer(ex, chosen)
	return dispatch(ex, st)
}

// prefer makes an account of this browser the current one.
func prefer(ex *exchange, id auth.SessionID) {
	i := slices.IndexFunc(ex.people, func(v session.SignedIn) bool { return v.Session.ID == id })
	if i > 0 {
		front := append([]session.SignedIn{ex.people[i]}, slices.Delete(slices.Clone(ex.people), i, i+1)...)
		ex.setSessions(session.FormatCookie(front))
	}
}
