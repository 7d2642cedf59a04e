package oidc_test

import (
	"errors"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
	"github.com/watchword-auth/watchword/internal/token"
)

const (
	base   = "https://id.example.test"
	tenant = auth.DefaultTenant
)

var operator = auth.Actor{Kind: auth.ActorOperator, ID: "root"}

// fixture is the provider over a real database.
type fixture struct {
	*oidc.Service
	t       testing.TB
	clock   *storetest.Clock
	db      *store.DB
	keys    *keys.Ring
	tokens  *token.Service
	clients *client.Service
	flows   *flow.Service
	alice   auth.AccountID
}

// settings are those of the provider and of its clients.
type settings struct {
	oidc.Config
	client client.Config
}

func newFixture(t testing.TB, cfg store.Config, with ...func(*settings)) *fixture {
	h := &fixture{t: t, clock: storetest.NewClock()}
	cfg.Now = h.clock.Now
	h.db = storetest.Open(t, cfg)
	h.keys = keys.New(keys.Config{DB: h.db, Now: h.clock.Now, Algorithm: keys.ES256, RSAKey: storetest.RSAKeys(), RotateEvery: 90 * 24 * time.Hour, PublishAhead: 24 * time.Hour, Lifetimes: storetest.Lifetimes()})
	limiter := limit.NewMemory(1024, h.clock.Now)
	many := limit.Rate{Count: 100_000, Per: time.Second}
	c := settings{
		oidc.Config{CodeLifetime: time.Minute, PushedLifetime: time.Minute, DeviceLifetime: 10 * time.Minute, DB: h.db, Limiter: limiter, Base: base, Now: h.clock.Now, Keys: h.keys, Sessions: session.New(session.Config{DB: h.db, Lifetimes: storetest.Lifetimes()}), Root: secret.Bytes(32),
			Rates: limit.Rates{"refresh.credential": many}},
		client.Config{DB: h.db, Grants: oidc.Grants(), Limiter: limiter, Base: base, Now: h.clock.Now, Root: secret.Bytes(32), Rates: limit.Rates{"client.credential": many, "public_client.ip": {Count: 120, Per: time.Minute, Burst: 240}}},
	}
	for _, f := range with {
		f(&c)
	}
	h.tokens = token.New(token.Config{Lifetimes: storetest.Lifetimes(), DB: h.db, Keys: h.keys, Base: base, Now: h.clock.Now, Grace: 10 * time.Second, Root: secret.Bytes(32),
		Resources: c.Resources, ResourceScopes: c.client.ResourceScopes})
	c.Tokens, c.client.Tokens, c.client.Out = h.tokens, h.tokens, c.Out
	h.clients = client.New(c.client)
	c.Clients = h.clients
	h.flows = flow.New(flow.Config{DB: h.db, Tokens: h.tokens, Root: c.Root, Base: base})
	c.Flows = h.flows
	h.Service = oidc.New(c.Config)
	h.alice = storetest.InsertAccount(t, h.db, tenant, "alice@example.test").ID
	return h
}

// each runs the test with a new fixture on each database.
func each(t *testing.T, fn func(t *testing.T, h *fixture), with ...func(*settings)) {
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

func (h *fixture) write(fn func(tx *store.Tx) error) {
	h.t.Helper()
	h.requireOK(h.db.Write(h.t.Context(), tenant, fn))
}

// newMachineClient registers a machine and returns it with its secret.
func (h *fixture) newMachineClient(change ...func(*client.Registration)) (auth.Client, string) {
	h.t.Helper()
	return h.newClient(client.Registration{Name: "Job", Type: auth.ClientMachine, Scopes: []string{"read", "write"}}, change...)
}

func (h *fixture) newClient(r client.Registration, change ...func(*client.Registration)) (auth.Client, string) {
	h.t.Helper()
	for _, f := range change {
		f(&r)
	}
	if r.Type != auth.ClientMachine && r.Grants == nil && r.RedirectURIs == nil {
		r.RedirectURIs = []string{"https://app.example.test/cb"}
	}
	c, s, err := h.clients.Create(h.t.Context(), tenant, r, operator)
	h.requireOK(err)
	return c, s.Reveal()
}

func (h *fixture) requireRefused(err error, code oauth.Code) {
	h.t.Helper()
	if e, ok := errors.AsType[*oauth.Error](err); !ok || e.Code != code {
		h.t.Errorf("got %v, want %s", err, code)
	}
}

// signIn gives alice a session and tokens that belong to the client.
func (h *fixture) signIn(c auth.ClientID, scope auth.Scope) auth.Tokens {
	h.t.Helper()
	var d token.Draft
	h.write(func(tx *store.Tx) (err error) {
		g := auth.Grant{Account: h.alice, Client: c, Scope: scope, Session: auth.SessionID(secret.NewID(tx.Now)), AuthAt: tx.Now}
		err = tx.InsertSession(auth.Session{ID: g.Session, Account: h.alice, Client: c, AuthAt: tx.Now, CreatedAt: tx.Now, SeenAt: tx.Now,
			IdleAt: tx.Now.Add(1000 * time.Hour), ExpiresAt: tx.Now.Add(1000 * time.Hour)})
		if err != nil {
			return err
		}
		d, err = h.tokens.Start(tx, g)
		return err
	})
	ts, err := h.tokens.Finish(h.t.Context(), d)
	h.requireOK(err)
	return ts
}

// events lists the audit events of a kind, newest first.
func (h *fixture) events(kind auth.EventKind) []auth.Event {
	h.t.Helper()
	return storetest.Events(h.t, h.db, tenant, kind)
}
