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
	Sessions []session.SignedIn // valid ones, the current one first
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
func (s *Service) CSRF(tenant auth.TenantID, b Browser, subject ...string) string {
	parts := [][]byte{[]byte(tenant), []byte(b.Secret)}
	for _, part := range subject {
		parts = append(parts, []byte(part))
	}
	return secret.Encode(secret.MAC(secret.Derive(s.cfg.Root, "csrf"), parts...))
}

// CSRFValid reports whether the token is that of a form about the subject in this browser.
func (s *Service) CSRFValid(tenant auth.TenantID, b Browser, csrf string, subject ...string) bool {
	return secret.Valid(BrowserPrefix, b.Secret) && secret.Equal(csrf, s.CSRF(tenant, b, subject...))
}

// csrfValid reports whether a form of a flow came from this server's page in this browser. On a consent page
// the question follows the token.
func (s *Service) csrfValid(in FormRef) bool {
	csrf, _, _ := strings.Cut(in.CSRF, ".")
	return s.CSRFValid(in.Tenant, in.Browser, csrf, "flow", string(in.Flow))
}

// QuestionCSRF is the token of a flow's page that asks the user to allow something. It names the
// question as well, so that the answer allows only what the page showed.
func (s *Service) QuestionCSRF(id auth.FlowID, n auth.FlowState, next auth.Step, b Browser) string {
	tenant, r := n.Tenant.ID, n.Flow.Request.WithoutWithheld(n.Of(next))
	question := s.CSRF(tenant, b, "question", string(id), string(next.Kind), string(next.Session), string(r.Client), n.Flow.Device,
		r.ConsentScope().String(), strings.Join(r.Resources, " "))
	return s.CSRF(tenant, b, "flow", string(id)) + "." + question
}
