package pages

import (
	"errors"
	"net/http"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// showMailedCode asks for a mailed code, or offers to mail one.
func (s *Handlers) showMailedCode(ex *router.Exchange, st flow.Step, status int, bad string) error {
	a := st.Proving.Account
	sent, err := s.logins.CodeMailed(ex.Request.Context(), ex.Tenant.ID, st.Flow.ID, a)
	if err != nil {
		return err
	}
	p := ui.MailedCode{
		Page: stepPage(ex, st), Form: stepForm(ex, st, PathFactor), Client: clientName(st), Account: a.Email.Address,
		NotYou: flowURL(ex, PathLogin, st.Flow.ID) + "&other", Bad: bad, Sent: sent, TrustDays: trustDays(st),
	}
	if hasFactor(st, auth.ProofPasskey) {
		p.Passkey = flowURL(ex, PathFactor, st.Flow.ID)
	}
	return render(ex, status, p)
}

// sendMailedCode mails the code of a flow and shows the page that asks for it.
func (s *Handlers) sendMailedCode(ex *router.Exchange, in flow.FormRef) error {
	st, err := s.logins.MailCode(ex.Request.Context(), in)
	e, refused := errors.AsType[*auth.Error](err)
	switch {
	case err != nil && (!refused || st.Kind == ""):
		return err
	case st.Kind != auth.StepFactor || !mailsCode(st):
		return dispatch(ex, st)
	case refused && e.Kind == auth.KindThrottled:
		ex.Explain(e).SetHeaders(ex.Header())
		page := newPage(ex)
		return s.showMailedCode(ex, st, http.StatusTooManyRequests, page.Say(ui.MailWait, page.Wait(e.RetryAfter)))
	case refused:
		return err
	}
	return redirect(ex, flowURL(ex, PathFactor, st.Flow.ID)+"&mail")
}
