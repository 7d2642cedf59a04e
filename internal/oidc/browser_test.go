package oidc_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

const (
	callback  = "https://app.example.test/cb"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636 appendix B
)

// browser is a browser at the authorization endpoint.
type browser struct {
	h *fixture
	b flow.Browser
}

func (h *fixture) newBrowser() *browser {
	return &browser{h: h, b: flow.Browser{Actor: auth.Actor{IP: "192.0.2.7"}}}
}

// signIn gives the browser a session of the account, which becomes the current one.
func (v *browser) signIn(id auth.AccountID) auth.SessionID {
	v.h.t.Helper()
	var s session.SignedIn
	v.h.write(func(tx *store.Tx) (err error) {
		var cookie secret.Text
		s.Session, cookie, err = session.New(session.Config{Lifetimes: storetest.Lifetimes()}).Start(tx, session.Params{Account: id, Client: auth.FirstParty, ACR: "1", AMR: []string{"pwd"}, Cookie: true})
		if err != nil {
			return err
		}
		s.Secret = cookie.Reveal()
		s.Account, err = tx.Account(id)
		return err
	})
	v.b.Sessions = append([]session.SignedIn{s}, slices.DeleteFunc(v.b.Sessions, func(o session.SignedIn) bool { return o.Account.ID == id })...)
	return s.Session.ID
}

// authorize sends the request and stores the cookie of the response.
func (v *browser) authorize(pairs ...string) (flow.Step, error) {
	return v.authorizeByMethod(false, pairs...)
}

func (v *browser) authorizeByMethod(posted bool, pairs ...string) (flow.Step, error) {
	v.h.t.Helper()
	f, err := oauth.ParseAuthorizeForm(encodePairs(pairs...))
	v.h.requireOK(err)
	step, err := v.h.Authorize(v.h.t.Context(), oidc.AuthorizeInput{Tenant: auth.Tenant{ID: tenant}, Form: f, Posted: posted, Browser: v.b})
	v.keepCookie(step)
	return step, err
}

// encodePairs encodes names and values as a query.
func encodePairs(pairs ...string) string {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return values.Encode()
}

func (v *browser) keepCookie(step flow.Step) {
	if step.NewBrowser != "" {
		v.b.Secret = step.NewBrowser.Reveal()
	}
}

func (v *browser) continueFlow(step flow.Step) flow.Step {
	v.h.t.Helper()
	step, err := v.h.flows.Continue(v.h.t.Context(), tenant, step.Flow.ID, v.b)
	v.h.requireOK(err)
	v.keepCookie(step)
	return step
}

// login signs in on the page of the step.
func (v *browser) login(step flow.Step, id auth.AccountID) flow.Step {
	v.h.t.Helper()
	v.h.requireStep(step, auth.StepLogin)
	_, err := v.h.flows.CheckForm(v.h.t.Context(), newFormRef(step.Flow.ID, v.b, step.CSRF))
	v.h.requireOK(err)
	sid := v.signIn(id)
	step, err = v.h.completeSignIn(newFormRef(step.Flow.ID, v.b, step.CSRF), sid)
	v.h.requireOK(err)
	return step
}

func (v *browser) consent(step flow.Step, allow bool) flow.Step {
	v.h.t.Helper()
	v.h.requireStep(step, auth.StepConsent)
	step, err := v.h.Consent(v.h.t.Context(), newFormRef(step.Flow.ID, v.b, step.CSRF), allow)
	v.h.requireOK(err)
	return step
}

// authorizationPairs returns a valid authorization request of the client, with changes in pairs: an
// empty value leaves the parameter out.
func authorizationPairs(c auth.Client, changes ...string) []string {
	good := []string{"client_id", string(c.ID), "redirect_uri", callback, "response_type", "code", "scope", "openid", "state", "s t&=é",
		"code_challenge", challenge, "code_challenge_method", "S256"}
	for i := 0; i < len(changes); i += 2 {
		for j := 0; j < len(good); j += 2 {
			if good[j] == changes[i] {
				good = slices.Delete(good, j, j+2)
				break
			}
		}
		if changes[i+1] != "" {
			good = append(good, changes[i], changes[i+1])
		}
	}
	return good
}

// newWebClient registers a third-party web application.
func (h *fixture) newWebClient(change ...func(*client.Registration)) (auth.Client, string) {
	h.t.Helper()
	return h.newClient(client.Registration{Name: "App", Type: auth.ClientWeb, RedirectURIs: []string{callback}, Scopes: []string{"openid", "email", "offline_access", "files"}}, change...)
}

func withFirstParty(r *client.Registration) { r.FirstParty = true }

// changeClient changes a client in the database, without the checks of the service.
func (h *fixture) changeClient(c auth.Client, change func(*auth.Client)) auth.Client {
	h.t.Helper()
	h.write(func(tx *store.Tx) error {
		var err error
		if c, err = tx.Client(c.ID); err != nil {
			return err
		}
		change(&c)
		return tx.UpdateClient(c)
	})
	return c
}

// newAccount inserts another account.
func (h *fixture) newAccount(name string) auth.AccountID {
	h.t.Helper()
	return storetest.InsertAccount(h.t, h.db, tenant, name+"@example.test").ID
}

func (h *fixture) requireStep(step flow.Step, kind auth.StepKind) {
	h.t.Helper()
	if step.Kind != kind {
		h.t.Fatalf("at %s (%+v), want %s", step.Kind, step.Response, kind)
	}
}

// requireErrorPage checks that the refusal is shown only to the user.
func (h *fixture) requireErrorPage(step flow.Step, err error) {
	h.t.Helper()
	if e, ok := errors.AsType[*auth.DisplayError](err); !ok || e.Desc == "" {
		h.t.Errorf("got %+v, %v, want an error page", step.Response, err)
	}
}

// requireErrorRedirect checks a response without a code, and the members of every response (AZ-42).
func (h *fixture) requireErrorRedirect(step flow.Step, err error, code string) auth.AuthorizationResponse {
	h.t.Helper()
	h.requireOK(err)
	h.requireStep(step, auth.StepAnswer)
	a := *step.Response
	if a.Get("error") != code || a.Get("code") != "" || a.Get("iss") != base || a.RedirectURI != callback || step.NewBrowser != "" {
		h.t.Errorf("response %+v, want %s", a, code)
	}
	return a
}

// requireCode checks a response with a code, and reads the grant of the code.
func (h *fixture) requireCode(step flow.Step) (code string, g auth.CodeGrant, kept auth.SingleUse) {
	h.t.Helper()
	h.requireStep(step, auth.StepAnswer)
	a := *step.Response
	code = a.Get("code")
	if a.Get("iss") != base || a.Get("error") != "" || !strings.HasPrefix(code, oidc.CodePrefix) {
		h.t.Fatalf("response %+v", a)
	}
	h.write(func(tx *store.Tx) (err error) {
		kept, err = tx.SingleUse(auth.UseCode, secret.Digest(code))
		return err
	})
	h.requireOK(json.Unmarshal([]byte(kept.Data), &g))
	return code, g, kept
}

func (h *fixture) countCodes() int {
	h.t.Helper()
	return len(h.events(auth.EventCodeIssued))
}

// runSubtest runs a subtest with the same fixture.
func (h *fixture) runSubtest(t *testing.T, name string, fn func(h *fixture)) {
	t.Run(name, func(t *testing.T) {
		inner := *h
		inner.t = t
		fn(&inner)
	})
}

// newFormRef returns the values that a form of the flow's page posts.
func newFormRef(id auth.FlowID, b flow.Browser, csrf string) flow.FormRef {
	return flow.FormRef{Tenant: tenant, Flow: id, CSRF: csrf, Browser: b}
}

// completeSignIn records what login does when a user has signed in within a flow.
func (h *fixture) completeSignIn(in flow.FormRef, id auth.SessionID) (flow.Step, error) {
	h.t.Helper()
	f, err := h.flows.CheckForm(h.t.Context(), in)
	if err != nil {
		return flow.Step{}, err
	}
	h.write(func(tx *store.Tx) error {
		v, err := tx.Session(id)
		if err != nil {
			return err
		}
		return flow.CompleteSignIn(tx, f, v)
	})
	return h.flows.Advance(h.t.Context(), in.Tenant, f, in.Browser)
}
