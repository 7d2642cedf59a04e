package token_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
	"github.com/watchword-auth/watchword/internal/token"
)

const (
	base  = "https://id.example.test"
	grace = 10 * time.Second
	retry = 24 * time.Hour
	other = auth.ClientID("other")
)

// node is one server on a database.
type node struct {
	db       *store.DB
	keys     *keys.Ring
	tokens   *token.Service
	mu       sync.Mutex
	verdicts map[string]int
}

// fixture is a database with the account alice, and the nodes that use it.
type fixture struct {
	*node
	t     testing.TB
	clock *storetest.Clock
	cfg   store.Config
	root  []byte
	grace time.Duration
	retry time.Duration
	alice auth.AccountID
}

func newFixture(t testing.TB, cfg store.Config) *fixture {
	h := &fixture{t: t, clock: storetest.NewClock(), root: secret.Bytes(32), grace: grace, retry: retry}
	cfg.Now = h.clock.Now
	h.cfg = cfg
	storetest.Open(t, cfg).Close()
	h.node = h.join()
	h.alice = h.insertAccount("alice@example.test")
	h.write(func(tx *store.Tx) error {
		return tx.InsertClient(auth.Client{ID: other, Name: "Other", Type: auth.ClientNative, CreatedAt: tx.Now, UpdatedAt: tx.Now})
	})
	return h
}

// join starts another node on the same database.
func (h *fixture) join() *node {
	h.t.Helper()
	db, err := store.Open(h.t.Context(), h.cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { db.Close() })
	n := &node{db: db, keys: keys.New(keys.Config{DB: db, Now: h.clock.Now, Algorithm: keys.ES256, RotateEvery: 90 * 24 * time.Hour, PublishAhead: 24 * time.Hour, Lifetimes: storetest.Lifetimes()}), verdicts: map[string]int{}}
	n.tokens = token.New(token.Config{Lifetimes: storetest.Lifetimes(), DB: db, Keys: n.keys, Base: base, Now: h.clock.Now, Grace: h.grace, Retry: h.retry, Root: h.root,
		Resources: []string{"https://api.test", strange},
		ObserveRefresh: func(v string) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.verdicts[v]++
		}})
	return n
}

func (h *fixture) write(fn func(tx *store.Tx) error) {
	h.t.Helper()
	if err := h.db.Write(h.t.Context(), auth.DefaultTenant, fn); err != nil {
		h.t.Fatal(err)
	}
}

func (h *fixture) insertAccount(email string) auth.AccountID {
	h.t.Helper()
	return storetest.InsertAccount(h.t, h.db, auth.DefaultTenant, email, func(a *auth.Account) { a.Name = "A" }).ID
}

// signIn stores a session of alice and issues tokens for it.
func (h *fixture) signIn() auth.Tokens {
	h.t.Helper()
	return h.issue(auth.Grant{Account: h.alice, Client: auth.FirstParty, Scope: auth.LoginScope, ACR: "1", AMR: []string{"pwd"}})
}

func (h *fixture) issue(g auth.Grant) auth.Tokens {
	h.t.Helper()
	var d token.Draft
	h.write(func(tx *store.Tx) (err error) {
		if g.Account != "" {
			g.Session, g.AuthAt = auth.SessionID(secret.NewID(tx.Now)), tx.Now
			err = tx.InsertSession(auth.Session{ID: g.Session, Account: g.Account, Client: g.Client, AuthAt: tx.Now, ACR: g.ACR, AMR: g.AMR,
				CreatedAt: tx.Now, SeenAt: tx.Now, IdleAt: tx.Now.Add(365 * 24 * time.Hour), ExpiresAt: tx.Now.Add(365 * 24 * time.Hour)})
			if err != nil {
				return err
			}
		}
		d, err = h.tokens.Start(tx, g)
		return err
	})
	ts, err := h.tokens.Finish(h.t.Context(), d)
	if err != nil {
		h.t.Fatal(err)
	}
	return ts
}

func (n *node) refresh(ctx context.Context, raw string) (auth.Tokens, error) {
	return n.tokens.Refresh(ctx, newRefreshRequest(auth.FirstParty, raw, nil))
}

// requireRefresh refreshes and fails the test on an error.
func (h *fixture) requireRefresh(raw string) auth.Tokens {
	h.t.Helper()
	ts, err := h.refresh(h.t.Context(), raw)
	if err != nil {
		h.t.Fatalf("refresh: %v", err)
	}
	return ts
}

// requireRefused refreshes and expects the code.
func (h *fixture) requireRefused(raw, code string) {
	h.t.Helper()
	ts, err := h.refresh(h.t.Context(), raw)
	if ts.AccessToken != "" || ts.RefreshToken != "" {
		h.t.Error("a refusal came with tokens")
	}
	wantCode(h.t, err, code)
}

func wantCode(t testing.TB, err error, code string) {
	t.Helper()
	if got := codeOf(err); got != code {
		t.Errorf("refused with %q (%v), want %q", got, err, code)
	}
}

func codeOf(err error) string {
	if err == nil {
		return ""
	}
	code, _, _ := strings.Cut(err.Error(), ":")
	return code
}

func (h *fixture) verify(access string) error {
	_, err := h.tokens.Verify(h.t.Context(), auth.DefaultTenant, access)
	return err
}

// events returns the audit events of a kind, newest first.
func (h *fixture) events(kind auth.EventKind) []auth.Event {
	h.t.Helper()
	return storetest.Events(h.t, h.db, auth.DefaultTenant, kind)
}

func (h *fixture) waitingMails() int64 {
	h.t.Helper()
	var n int64
	err := h.db.ReadSystem(h.t.Context(), func(tx *store.SystemTx) (err error) {
		n, _, err = tx.OutboxBacklog()
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// family reads the family of a refresh token.
func (h *fixture) family(raw string) auth.Family {
	h.t.Helper()
	id, ok := h.tokens.RefreshFamily(auth.DefaultTenant, raw)
	if !ok {
		h.t.Fatal("not a refresh token")
	}
	var f auth.Family
	err := h.db.Read(h.t.Context(), auth.DefaultTenant, func(tx *store.Tx) (err error) {
		f, err = tx.Family(id)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return f
}

// each runs the test with a new fixture on each database.
func each(t *testing.T, fn func(t *testing.T, h *fixture)) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) { fn(t, newFixture(t, cfg)) })
}

// newRefreshRequest returns a request with the refresh token for the default tenant.
func newRefreshRequest(client auth.ClientID, raw string, scope auth.Scope) token.RefreshRequest {
	return token.RefreshRequest{Tenant: auth.DefaultTenant, Client: client, Token: raw, Scope: scope, Actor: auth.Actor{IP: "192.0.2.1"}}
}
