package pages

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// DevicePage asks for the user code. The verification_uri_complete fills it in (RFC 8628 §3.3.1); the
// user still submits it.
func (s *Handlers) DevicePage(ex *router.Exchange, st flow.Step) error {
	return render(ex, http.StatusOK, ui.DeviceCode{Page: stepPage(ex, st), Form: stepForm(ex, st, PathDevice), Code: auth.Clip(ex.Request.URL.Query().Get("user_code"), maxUserCode)})
}

const maxUserCode = 32

// userCode returns the user_code parameter of the URL for the next URL, or empty.
func userCode(r *http.Request) string {
	if code := r.URL.Query().Get("user_code"); code != "" {
		return "&user_code=" + url.QueryEscape(auth.Clip(code, maxUserCode))
	}
	return ""
}

// DeviceForm looks up the device of a user code.
func (s *Handlers) DeviceForm(ex *router.Exchange, r *http.Request) error {
	in, err := s.flowForm(ex, r)
	if err != nil {
		return err
	}
	code := auth.Clip(r.PostForm.Get("code"), maxUserCode)
	st, err := s.oidc.DeviceLookup(r.Context(), in, code)
	e, ok := errors.AsType[*auth.Error](err)
	if !ok || e.Kind != auth.KindInvalid && e.Kind != auth.KindThrottled {
		if err != nil {
			return err
		}
		return dispatch(ex, st)
	}
	p := ui.DeviceCode{Page: stepPage(ex, st), Form: stepForm(ex, st, PathDevice), Code: code}
	p.Bad = p.Say(ui.BadCode)
	refusal := ex.Explain(e)
	if e.Kind == auth.KindThrottled {
		refusal.SetHeaders(ex.Header())
		p.Bad = p.Say(ui.CodeWait, p.Wait(e.RetryAfter))
	}
	return render(ex, refusal.Status, p)
}

// ConfirmPage asks whether the device may use the account.
func (s *Handlers) ConfirmPage(ex *router.Exchange, st flow.Step) error {
	p := ui.DeviceConfirm{Page: stepPage(ex, st), Form: stepForm(ex, st, PathConfirm), Client: st.Client.DisplayName(), NotYou: flowURL(ex, PathChoose, st.Flow.ID),
		Scopes: st.Flow.Request.Scope, Resources: st.Flow.Request.Resources, From: st.Flow.Request.DeviceIP}
	if p.From != "" && ex.IP.IsValid() && ex.IP.String() != p.From {
		p.Own = ex.IP.String()
	}
	if !st.Client.FirstParty {
		p.Host = st.Client.ProvedHost()
		p.Unproved = p.Host == "" && st.Client.SelfDescribed()
	}
	if len(st.Accounts) > 0 {
		p.Account = st.Accounts[0].Account.Email.Address
	}
	return render(ex, http.StatusOK, p)
}

// ConfirmForm records the user's decision. Anything but approval denies. The flow ends with it, so the
// response itself is the page with the outcome.
func (s *Handlers) ConfirmForm(ex *router.Exchange, r *http.Request) error {
	in, err := s.flowForm(ex, r)
	if err != nil {
		return err
	}
	st, err := s.oidc.DeviceDecide(r.Context(), in, isApproved(r))
	if err != nil {
		return err
	}
	if st.Kind != auth.StepDone {
		return dispatch(ex, st)
	}
	return render(ex, http.StatusOK, ui.DeviceDone{Page: stepPage(ex, st), Client: st.Client.DisplayName(), Allowed: !st.Flow.Denied, Home: tenantPath(ex, PathAccount)})
}
