package oidc_test

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/outbound"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// relyingParty is an HTTPS server of clients, one for each path.
type relyingParty struct {
	*httptest.Server
	mu     sync.Mutex
	status map[string]int      // by path; 200 when missing
	got    map[string][]string // logout tokens
	hang   chan struct{}       // /hang answers when it is closed
}

func newRelyingParty(t *testing.T) *relyingParty {
	t.Helper()
	r := &relyingParty{status: map[string]int{}, got: map[string][]string{}, hang: make(chan struct{})}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/hang" {
			<-r.hang
			return
		}
		body, _ := io.ReadAll(q.Body)
		form, err := url.ParseQuery(string(body))
		if err != nil || q.Method != http.MethodPost || q.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || len(form) != 1 {
			t.Errorf("%s %s: %q", q.Method, q.Header.Get("Content-Type"), body)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got[q.URL.Path] = append(r.got[q.URL.Path], form.Get("logout_token"))
		if s := r.status[q.URL.Path]; s != 0 {
			w.WriteHeader(s)
		}
	}))
	t.Cleanup(r.Close)
	t.Cleanup(func() { close(r.hang) })
	return r
}

// setStatus makes the client at a path answer with a status from now on.
func (r *relyingParty) setStatus(path string, status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status[path] = status
}

func (r *relyingParty) logoutTokens(path string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got[path])
}

// withTimeout makes the provider trust the relying party's server and wait for it no longer than this.
func (r *relyingParty) withTimeout(timeout time.Duration) func(*settings) {
	return func(c *settings) {
		c.Out = outbound.New(outbound.Config{Timeout: timeout, InsecureAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Transport: func(t *http.Transport) {
			t.TLSClientConfig = &tls.Config{RootCAs: r.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
		}})
	}
}

func (r *relyingParty) newNotifiedClient(h *fixture, path string, change ...func(*auth.Client)) auth.Client {
	h.t.Helper()
	c, _ := h.newWebClient()
	return h.changeClient(c, func(c *auth.Client) {
		c.Settings.BackchannelURI = r.URL + path
		for _, f := range change {
			f(c)
		}
	})
}

// logoutNotices removes the notices to clients from the outbox.
func (h *fixture) logoutNotices() []auth.Message {
	h.t.Helper()
	return storetest.TakeMessages(h.t, h.db, "logout.")
}

// EP-19: each client is notified once, by a token that no endpoint accepts as anything else; one that
// hangs delays neither the user nor other clients.
func TestAttack_EP_19_BackChannel(t *testing.T) {
	r := newRelyingParty(t)
	each(t, func(t *testing.T, h *fixture) {
		hangs := r.newNotifiedClient(h, "/hang")
		one := r.newNotifiedClient(h, "/"+string(hangs.ID)+"/one")
		two := r.newNotifiedClient(h, "/"+string(hangs.ID)+"/two", func(c *auth.Client) {
			c.Settings.IDTokenAlgorithm, c.Settings.SubjectType, c.Settings.Sector = "ES256", "pairwise", "app.example.test"
		})
		deaf, _ := h.newWebClient()
		v := h.newBrowser()
		v.signIn(h.alice)
		sids := map[auth.ClientID]auth.SessionID{}
		for _, c := range []auth.Client{hangs, one, two, deaf} {
			s, _ := v.signInClient(c, auth.Scope{"openid"})
			sids[c.ID] = s.ID
		}
		start := time.Now()
		if _, err := v.logout("id_token_hint", h.signIDToken(one, h.alice)); err != nil {
			t.Fatal(err)
		}
		list := h.logoutNotices()
		if len(list) != 3 {
			t.Fatalf("%d messages: %+v", len(list), list)
		}
		var wg sync.WaitGroup
		for _, m := range list {
			if m.Logout.Session != sids[m.Logout.Client] || m.Logout.Account != h.alice {
				t.Errorf("%+v", m.Logout)
			}
			wg.Go(func() {
				err := h.DeliverLogout(t.Context(), m)
				if hung := m.Logout.Client == hangs.ID; hung != (err != nil) || errors.Is(err, oidc.ErrGivenUp) {
					t.Errorf("%s: %v", m.Logout.URI, err)
				}
			})
		}
		wg.Wait()
		if d := time.Since(start); d > 30*time.Second {
			t.Errorf("it took %s", d)
		}
		for _, c := range []auth.Client{one, two} {
			got := r.logoutTokens(c.Settings.BackchannelURI[len(r.URL):])
			if len(got) != 1 {
				t.Fatalf("%s was notified %d times", c.ID, len(got))
			}
			h.requireLogoutToken(t, got[0], c, sids[c.ID])
		}
	}, r.withTimeout(time.Second))
}

// requireLogoutToken checks every claim of a logout token (OpenID Connect Back-Channel Logout §2.4).
func (h *fixture) requireLogoutToken(t *testing.T, raw string, c auth.Client, sid auth.SessionID) {
	t.Helper()
	alg := jose.RS256
	if c.Settings.IDTokenAlgorithm != "" {
		alg = jose.SignatureAlgorithm(c.Settings.IDTokenAlgorithm)
	}
	parsed, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{alg})
	h.requireOK(err)
	if typ := parsed.Headers[0].ExtraHeaders[jose.HeaderType]; typ != "logout+jwt" {
		t.Errorf("typ %v", typ)
	}
	encoded, err := h.keys.CurrentJWKS(t.Context(), tenant)
	h.requireOK(err)
	var set jose.JSONWebKeySet
	h.requireOK(json.Unmarshal(encoded, &set))
	var got map[string]any
	h.requireOK(parsed.Claims(set.Key(parsed.Headers[0].KeyID)[0].Key, &got))
	now := float64(h.clock.Now().Unix())
	want := map[string]any{"iss": base, "aud": string(c.ID), "sub": h.tokens.Subject(c, h.alice), "sid": string(sid), "iat": now, "exp": now + 120}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %v, want %v", name, got[name], value)
		}
	}
	if events, _ := got["events"].(map[string]any); len(events) != 1 || events["http://schemas.openid.net/event/backchannel-logout"] == nil {
		t.Errorf("events %v", got["events"])
	}
	if jti, _ := got["jti"].(string); jti == "" || len(got) != len(want)+2 {
		t.Errorf("claims %v", got)
	}
	// No endpoint may accept it as another token.
	if _, err := h.tokens.VerifyAudience(t.Context(), tenant, raw, string(c.ID)); err == nil {
		t.Error("it passes for an access token")
	}
}

func TestBackChannelAnswers(t *testing.T) {
	r := newRelyingParty(t)
	each(t, func(t *testing.T, h *fixture) {
		path := "/" + t.Name()
		c := r.newNotifiedClient(h, path)
		m := auth.Message{Tenant: tenant, Kind: auth.LogoutBackchannel, CreatedAt: h.clock.Now(), Attempts: 1,
			Logout: auth.LogoutNotice{Client: c.ID, Account: h.alice, Session: "s1", URI: c.Settings.BackchannelURI}}
		for status, want := range map[int]string{200: "done", 204: "done", 400: "over", 404: "later", 500: "later", 503: "later", 302: "later"} {
			r.setStatus(path, status)
			err := h.DeliverLogout(t.Context(), m)
			got := "later"
			if err == nil {
				got = "done"
			} else if errors.Is(err, oidc.ErrGivenUp) {
				got = "over"
			}
			if got != want {
				t.Errorf("%d: %v", status, err)
			}
		}
		// Delivery is given up in the end.
		r.setStatus(path, 500)
		h.clock.Advance(10 * time.Minute)
		if err := h.DeliverLogout(t.Context(), m); !errors.Is(err, oidc.ErrGivenUp) {
			t.Errorf("after ten minutes: %v", err)
		}
		// Addresses that the server must not request, and deleted clients.
		h.changeClient(c, func(c *auth.Client) { c.Settings.BackchannelURI = "https://10.0.0.1/" })
		if err := h.DeliverLogout(t.Context(), m); !errors.Is(err, outbound.ErrAddress) || !errors.Is(err, oidc.ErrGivenUp) {
			t.Errorf("a private address: %v", err)
		}
		h.changeClient(c, func(c *auth.Client) { c.Settings.BackchannelURI = "" })
		h.requireOK(h.DeliverLogout(t.Context(), m))
		h.write(func(tx *store.Tx) error { return tx.DeleteClient(c.ID) })
		h.requireOK(h.DeliverLogout(t.Context(), m))
	}, r.withTimeout(5*time.Second))
}

// A client that does not answer gets no request for a while, whatever waits for it.
func TestBackChannelPatience(t *testing.T) {
	r := newRelyingParty(t)
	each(t, func(t *testing.T, h *fixture) {
		c := r.newNotifiedClient(h, "/hang")
		m := auth.Message{Tenant: tenant, CreatedAt: h.clock.Now(), Logout: auth.LogoutNotice{Client: c.ID, Account: h.alice, Session: "s1"}}
		if err := h.DeliverLogout(t.Context(), m); err == nil {
			t.Fatal("a client that hangs has answered")
		}
		start := time.Now()
		for range 100 {
			if err := h.DeliverLogout(t.Context(), m); err == nil || errors.Is(err, oidc.ErrGivenUp) {
				t.Fatal(err)
			}
		}
		if d := time.Since(start); d > time.Minute { // waiting for each takes five
			t.Errorf("a hundred messages for a client that hangs took %s", d)
		}
		h.changeClient(c, func(c *auth.Client) { c.Settings.BackchannelURI = r.URL + "/up" })
		h.requireOK(h.DeliverLogout(t.Context(), m))
	}, r.withTimeout(3*time.Second))
}
