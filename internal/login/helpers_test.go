package login_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/passkey"
	"github.com/watchword-auth/watchword/internal/password"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
	"github.com/watchword-auth/watchword/internal/token"
)

const (
	tenant  = auth.DefaultTenant
	good    = "violet-harbour-52-kettle"
	another = "marble-osprey-77-lantern"
)

var browserActor = auth.Actor{Kind: auth.ActorAnonymous, IP: "192.0.2.1", UserAgent: "a browser", RequestID: "r1"}

// fixture is the package over a real database.
type fixture struct {
	*login.Service
	t        *testing.T
	clock    *storetest.Clock
	db       *store.DB
	hasher   *password.Hasher
	sessions *session.Service
	flows    *flow.Service
	tokens   *token.Service
	cfg      login.Config
	limiter  *countedLimiter
}

// countedLimiter counts its calls: with Redis each is a round trip.
type countedLimiter struct {
	limit.Limiter
	calls atomic.Int64
}

func (l *countedLimiter) Take(ctx context.Context, key string, r limit.Rate, n int) (limit.Decision, error) {
	l.calls.Add(1)
	return l.Limiter.Take(ctx, key, r, n)
}

func (l *countedLimiter) TakeAll(ctx context.Context, buckets []limit.Bucket) (limit.Decision, error) {
	l.calls.Add(1)
	return l.Limiter.TakeAll(ctx, buckets)
}

func (l *countedLimiter) RefundAll(ctx context.Context, buckets []limit.Bucket) error {
	l.calls.Add(1)
	return l.Limiter.RefundAll(ctx, buckets)
}

func each(t *testing.T, fn func(t *testing.T, h *fixture), with ...func(*login.Config)) {
	t.Helper()
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		c := storetest.NewClock()
		cfg.Now = c.Now
		fn(t, newFixture(t, storetest.Open(t, cfg), c, with...))
	})
}

func newHasher(t *testing.T, p password.Params, observe func(time.Duration)) *password.Hasher {
	t.Helper()
	h, err := password.New(password.Config{Params: p, MaxMemory: 128 << 10, QueueLimit: 1000, MaxWait: time.Minute, Now: time.Now, Observe: observe})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

var cheap = password.Params{Memory: 64, Time: 1, Parallelism: 1}

func newFixture(t *testing.T, db *store.DB, c *storetest.Clock, with ...func(*login.Config)) *fixture {
	t.Helper()
	h := &fixture{t: t, clock: c, db: db, hasher: newHasher(t, cheap, nil), sessions: session.New(session.Config{DB: db, Retry: 24 * time.Hour, Lifetimes: storetest.Lifetimes()})}
	ring := keys.New(keys.Config{DB: db, Now: c.Now, Algorithm: keys.ES256, RSAKey: storetest.RSAKeys(), RotateEvery: 90 * 24 * time.Hour, PublishAhead: 24 * time.Hour, Lifetimes: storetest.Lifetimes()})
	h.tokens = token.New(token.Config{Lifetimes: storetest.Lifetimes(), DB: db, Keys: ring, Base: "https://auth.example.test", Now: c.Now, Root: secret.Bytes(32)})
	h.flows = flow.New(flow.Config{DB: db, Tokens: h.tokens, Root: secret.Bytes(32), Base: "https://auth.example.test"})
	h.cfg = login.Config{
		DB: db, Flows: h.flows, Hasher: h.hasher, Tokens: h.tokens, Sessions: h.sessions, Limiter: limit.NewMemory(1024, c.Now),
		Rates: limit.Rates{"login.account": {Count: 1000, Per: time.Hour}, "login.success": {Count: 600, Per: time.Hour}, "factor.account": {Count: 10, Per: 15 * time.Minute}, "email_code.account": {Count: 20, Per: time.Hour}, "factor.day": {Count: 1000, Per: 24 * time.Hour}}, Now: c.Now, Root: secret.Bytes(32),
	}
	var err error
	h.cfg.Passkeys, err = passkey.NewRelyingParty("auth.example.test", []string{"https://auth.example.test"})
	h.requireOK(err)
	h.cfg.OfferPasskeys = true
	for _, f := range with {
		f(&h.cfg)
	}
	h.limiter = &countedLimiter{Limiter: h.cfg.Limiter}
	h.hasher, h.cfg.Limiter = h.cfg.Hasher, h.limiter
	h.Service = login.New(h.cfg)
	return h
}

func (h *fixture) requireOK(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *fixture) requireRefused(err error, code string) *auth.Error {
	h.t.Helper()
	e, ok := errors.AsType[*auth.Error](err)
	if !ok || string(e.Code) != code {
		h.t.Fatalf("got %v, want %s", err, code)
	}
	return e
}

// insertAccount inserts an account; an empty password inserts it without one.
func (h *fixture) insertAccount(email, pw string, change ...func(*auth.Account)) auth.Account {
	h.t.Helper()
	hash := ""
	if pw != "" {
		var err error
		hash, err = h.hasher.Hash(h.t.Context(), pw)
		h.requireOK(err)
	}
	return h.insertAccountWithHash(email, hash, change...)
}

// insertAccountWithHash inserts an account with a given hash.
func (h *fixture) insertAccountWithHash(email, hash string, change ...func(*auth.Account)) auth.Account {
	h.t.Helper()
	address, err := auth.ParseEmail(email)
	h.requireOK(err)
	var a auth.Account
	h.requireOK(h.db.Write(h.t.Context(), tenant, func(tx *store.Tx) error {
		a = auth.Account{ID: auth.AccountID(secret.NewID(tx.Now)), Email: address, EmailVerifiedAt: tx.Now, CreatedAt: tx.Now, UpdatedAt: tx.Now}
		for _, f := range change {
			f(&a)
		}
		if err := tx.InsertAccount(a); err != nil || hash == "" {
			return err
		}
		return tx.SetPassword(a.ID, hash)
	}))
	return a
}

func (h *fixture) passwordHash(a auth.Account) string {
	h.t.Helper()
	var hash string
	h.requireOK(h.db.Read(h.t.Context(), tenant, func(tx *store.Tx) (err error) {
		hash, err = tx.PasswordHash(a.ID)
		return err
	}))
	return hash
}

func (h *fixture) signInPassword(email, pw string) error {
	_, err := h.Password(h.t.Context(), tenant, login.Request{Email: email, Password: pw, Actor: browserActor})
	return err
}

func (h *fixture) events(kind auth.EventKind) []auth.Event {
	h.t.Helper()
	return storetest.Events(h.t, h.db, tenant, kind)
}

// response is everything about an attempt that an attacker could see or count.
type response struct {
	Kind       auth.Kind
	Code, Text string
	Field      string
	Reasons    int
	RetryAfter time.Duration
	Hashes     uint64
	Audit      int
	Limits     int64 // calls of the limiter
}

func (h *fixture) observeRefusal(email, pw string) response {
	h.t.Helper()
	hashes, audit, limits := h.hasher.Stats().Done, len(h.events("")), h.limiter.calls.Load()
	e, ok := errors.AsType[*auth.Error](h.signInPassword(email, pw))
	if !ok {
		h.t.Fatalf("%s: not refused", email)
	}
	return response{e.Kind, string(e.Code), e.Error(), e.Field, len(e.Reasons), e.RetryAfter, h.hasher.Stats().Done - hashes, len(h.events("")) - audit, h.limiter.calls.Load() - limits}
}

// browser is a browser with its two cookies.
type browser struct {
	h                  *fixture
	cookie, rememberMe string
}

func (v *browser) sessions() []session.SignedIn {
	v.h.t.Helper()
	list, err := v.h.sessions.FindAll(v.h.t.Context(), tenant, v.cookie)
	v.h.requireOK(err)
	return list
}

func (v *browser) signIn(email, pw string, remember bool) (login.SignedIn, error) {
	v.h.t.Helper()
	b := flow.Browser{Sessions: v.sessions(), Actor: browserActor}
	e, err := v.h.SignInBrowser(v.h.t.Context(), login.PasswordForm{FormRef: v.h.newSignInForm(b), Email: email, Password: pw, Remember: remember, RememberMe: v.rememberMe})
	v.keepCookies(e)
	return e, err
}

// newSignInForm starts a flow and returns the reference of its sign-in form.
func (h *fixture) newSignInForm(b flow.Browser) flow.FormRef {
	h.t.Helper()
	b.EnsureSecret()
	step, err := h.flows.Start(h.t.Context(), tenant, auth.FlowAccount, b)
	h.requireOK(err)
	return flow.FormRef{Tenant: tenant, Flow: step.Flow.ID, CSRF: step.CSRF, Browser: b}
}

func (v *browser) requireSignIn(email string, remember bool) auth.Session {
	v.h.t.Helper()
	e, err := v.signIn(email, good, remember)
	v.h.requireOK(err)
	return e.Session
}

func (v *browser) keepCookies(e login.SignedIn) {
	if e.Cookie != "" {
		v.cookie = e.Cookie
	}
	if e.RememberMe != "" {
		v.rememberMe = e.RememberMe.Reveal()
	}
}

func (v *browser) resume() (login.SignedIn, error) {
	v.h.t.Helper()
	e, err := v.h.Resume(v.h.t.Context(), tenant, v.rememberMe, v.sessions(), browserActor)
	v.keepCookies(e)
	return e, err
}

// reopen returns the browser after it was closed: only the remember-me cookie is left.
func (v *browser) reopen() *browser { return &browser{h: v.h, rememberMe: v.rememberMe} }

func (v *browser) accounts() (names []auth.AccountID) {
	v.h.t.Helper()
	for _, s := range v.sessions() {
		names = append(names, s.Account.ID)
	}
	return names
}

func (h *fixture) endAllSessions(id auth.AccountID, except auth.SessionID) error {
	return h.db.Write(h.t.Context(), tenant, func(tx *store.Tx) error {
		_, err := h.sessions.EndAll(tx, id, except, auth.EndPassword)
		return err
	})
}
