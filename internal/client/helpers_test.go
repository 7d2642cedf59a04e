package client_test

import (
	"errors"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
	"github.com/watchword-auth/watchword/internal/token"
)

const (
	base     = "https://id.example.test"
	tenant   = auth.DefaultTenant
	callback = "https://app.example.test/cb"
)

var operator = auth.Actor{Kind: auth.ActorOperator, ID: "root"}

// startPublisher starts a web server of clients, and returns the setting with which the service fetches
// from it.
func startPublisher(t testing.TB) (*clienttest.Publisher, func(*client.Config)) {
	p, out := clienttest.Publish(t)
	return p, func(c *client.Config) { c.Out = out }
}

// fixture is the service over a real database.
type fixture struct {
	t       testing.TB
	clock   *storetest.Clock
	db      *store.DB
	tokens  *token.Service
	clients *client.Service
	alice   auth.AccountID
}

func newFixture(t testing.TB, cfg store.Config, with ...func(*client.Config)) *fixture {
	h := &fixture{t: t, clock: storetest.NewClock()}
	cfg.Now, cfg.MaxWait = h.clock.Now, 30*time.Second
	h.db = storetest.Open(t, cfg)
	ring := keys.New(keys.Config{DB: h.db, Now: h.clock.Now, Algorithm: keys.ES256, RSAKey: storetest.RSAKeys(), RotateEvery: 90 * 24 * time.Hour, PublishAhead: 24 * time.Hour, Lifetimes: storetest.Lifetimes()})
	c := client.Config{DB: h.db, Grants: oidc.Grants(), Limiter: limit.NewMemory(1024, h.clock.Now), Base: base, Now: h.clock.Now, Root: secret.Bytes(32),
		Rates: limit.Rates{"client.credential": {Count: 100_000, Per: time.Second}, "public_client.ip": {Count: 120, Per: time.Minute, Burst: 240}}}
	for _, f := range with {
		f(&c)
	}
	h.tokens = token.New(token.Config{Lifetimes: storetest.Lifetimes(), DB: h.db, Keys: ring, Base: base, Now: h.clock.Now, Grace: 10 * time.Second, Root: secret.Bytes(32), ResourceScopes: c.ResourceScopes})
	c.Tokens = h.tokens
	h.clients = client.New(c)
	h.alice = storetest.InsertAccount(t, h.db, tenant, "alice@example.test").ID
	return h
}

// each runs the test with a new fixture on each database.
func each(t *testing.T, fn func(t *testing.T, h *fixture), with ...func(*client.Config)) {
	t.Helper()
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) { fn(t, newFixture(t, cfg, with...)) })
}

func (h *fixture) requireOK(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *fixture) requireRefused(err error, code oauth.Code) {
	h.t.Helper()
	if e, ok := errors.AsType[*oauth.Error](err); !ok || e.Code != code {
		h.t.Errorf("got %v, want %s", err, code)
	}
}

func (h *fixture) write(fn func(tx *store.Tx) error) {
	h.t.Helper()
	h.requireOK(h.db.Write(h.t.Context(), tenant, fn))
}

// newClient registers a client and returns it with its secret.
func (h *fixture) newClient(r client.Registration, change ...func(*client.Registration)) (auth.Client, string) {
	h.t.Helper()
	for _, f := range change {
		f(&r)
	}
	if r.Type != auth.ClientMachine && r.Grants == nil && r.RedirectURIs == nil {
		r.RedirectURIs = []string{callback}
	}
	c, s, err := h.clients.Create(h.t.Context(), tenant, r, operator)
	h.requireOK(err)
	return c, s.Reveal()
}

func (h *fixture) newMachineClient(change ...func(*client.Registration)) (auth.Client, string) {
	h.t.Helper()
	return h.newClient(client.Registration{Name: "Job", Type: auth.ClientMachine, Scopes: []string{"read", "write"}}, change...)
}

func (h *fixture) assertionClaims(id auth.ClientID) clienttest.Claims {
	return clienttest.AssertionClaims(id, base, h.clock.Now())
}

// authenticate authenticates a client by an assertion.
func (h *fixture) authenticate(raw string, more ...string) error {
	h.t.Helper()
	_, err := h.clients.Authenticate(h.t.Context(), clienttest.Form(h.t, append([]string{"client_assertion_type", clienttest.AssertionType, "client_assertion", raw}, more...)...))
	return err
}

// newSession returns a session of alice at the client, for InsertSession.
func (h *fixture) newSession(c auth.ClientID) auth.Session {
	now := h.clock.Now()
	return auth.Session{ID: auth.SessionID(secret.NewID(now)), Account: h.alice, Client: c, AuthAt: now, CreatedAt: now, SeenAt: now,
		IdleAt: now.Add(1000 * time.Hour), ExpiresAt: now.Add(1000 * time.Hour)}
}

// events lists the audit events of a kind, newest first.
func (h *fixture) events(kind auth.EventKind) []auth.Event {
	h.t.Helper()
	return storetest.Events(h.t, h.db, tenant, kind)
}
