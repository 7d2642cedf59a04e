package flow

import (
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
)

// BrowserPrefix is the prefix of the secret in a browser's cookie.
const BrowserPrefix = "wwb_"

// Browser is what a browser sent to identify itself.
type Browser struct {
	Secret   string             // of the browser cookie; empty when there is none
	Sessions []session.SignedIn // the live ones, the current one first
	Allowed  string             // the cookie that lists clients that got a code in this browser
	Actor    auth.Actor         // the origin, for audit lines
}

// EnsureSecret gives a browser without a cookie a secret, and returns the secret if it is new.
func (b *Browser) EnsureSecret() secret.Text {
	if secret.Valid(BrowserPrefix, b.Secret) {
		return ""
	}
	fresh := secret.New(BrowserPrefix)
	b.Secret = fresh.Reveal()
	return fresh
}

func (b Browser) owns(f auth.Flow) bool {
	return secret.Valid(BrowserPrefix, b.Secret) && secret.Equal(secret.Digest(b.Secret), f.Browser)
}

// mayContinue reports whether the flow is live and belongs to this browser, or to none yet.
func (b Browser) mayContinue(f auth.Flow, at time.Time) bool {
	return f.Live(at) && (f.Browser == "" || b.owns(f))
}

// CSRF returns the token of a form about the subject, for one browser. It depends on that browser's cookie,
// so a form of another site, or of another browser's page, does not have it. Each kind of form has its own
// first word of the subject.
func (s *Service) CSRF(tenant auth.TenantID, browser Browser, subject ...string) string {
	parts := [][]byte{[]byte(tenant), []byte(browser.Secret)}
	for _, part := range subject {
		parts = append(parts, []byte(part))
	}
	return secret.Encode(secret.MAC(secret.Derive(s.cfg.Root, "csrf"), parts...))
}

// CSRFValid reports whether the token is that of a form about the subject in this browser.
func (s *Service) CSRFValid(tenant auth.TenantID, browser Browser, csrf string, subject ...string) bool {
	return secret.Valid(BrowserPrefix, browser.Secret) && secret.Equal(csrf, s.CSRF(tenant, browser, subject...))
}

// csrfValid reports whether a form of a flow came from this server's page in this browser. On a consent page
// the question follows the token.
func (s *Service) csrfValid(form FormRef) bool {
	csrf, _, _ := strings.Cut(form.CSRF, ".")
	return s.CSRFValid(form.Tenant, form.Browser, csrf, "flow", string(form.Flow))
}

// QuestionCSRF returns the token of a flow's page that asks the user to allow something. It also
// covers the question, so that the answer allows only what the page showed.
func (s *Service) QuestionCSRF(id auth.FlowID, state auth.FlowState, next auth.Step, browser Browser) string {
	tenant, r := state.Tenant.ID, state.Flow.Request.WithoutWithheld(state.Of(next))
	question := s.CSRF(tenant, browser, "question", string(id), string(next.Kind), string(next.Session), string(r.Client), state.Flow.Device,
		r.ConsentScope().String(), strings.Join(r.Resources, " "))
	return s.CSRF(tenant, browser, "flow", string(id)) + "." + question
}
