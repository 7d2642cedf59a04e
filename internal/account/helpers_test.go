package account_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/password"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// fixture is the service over a real database.
type fixture struct {
	*account.Service
	t        *testing.T
	clock    *storetest.Clock
	db       *store.DB
	hasher   *password.Hasher
	sessions *session.Service
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

// The passwords of the tests meet every policy.
const (
	good    = "violet-harbour-52-kettle"
	another = "marble-osprey-77-lantern"
	third   = "copper-thicket-31-window"
)

const (
	verifyLifetime = 24 * time.Hour
	resetLifetime  = time.Hour
)

var (
	alice = auth.Actor{Kind: auth.ActorAnonymous, IP: "192.0.2.1", UserAgent: "alice's browser", RequestID: "r1"}
	eve   = auth.Actor{Kind: auth.ActorAnonymous, IP: "198.51.100.66", UserAgent: "eve's browser", RequestID: "r2"}
	admin = auth.Actor{Kind: auth.ActorOperator, ID: "root"}
)

const tenant = auth.DefaultTenant

func actorOf(a auth.Account) auth.Actor {
	return auth.Actor{Kind: auth.ActorAccount, ID: string(a.ID), IP: "192.0.2.1"}
}

// each runs the test on every database.
func each(t *testing.T, fn func(t *testing.T, h *fixture), with ...func(*account.Config)) {
	t.Helper()
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		c := storetest.NewClock()
		cfg.Now = c.Now
		fn(t, newFixture(t, storetest.Open(t, cfg), c, with...))
	})
}

// newFixture returns a service over an open database.
func newFixture(t *testing.T, db *store.DB, c *storetest.Clock, with ...func(*account.Config)) *fixture {
	t.Helper()
	hasher, err := password.New(password.Config{Params: password.Params{Memory: 64, Time: 1, Parallelism: 1}, MaxMemory: 128 << 10, QueueLimit: 1000, MaxWait: time.Minute, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	h := &fixture{t: t, clock: c, db: db, hasher: hasher, sessions: session.New(session.Config{DB: db, Lifetimes: storetest.Lifetimes()})}
	plenty := limit.Rate{Count: 1000, Per: time.Hour}
	cfg := account.Config{
		DB: db, Hasher: hasher, Policy: password.DefaultPolicy(), Sessions: h.sessions, Limiter: limit.NewMemory(1024, c.Now),
		VerifyLifetime: verifyLifetime, ResetLifetime: resetLifetime,
		Rates: limit.Rates{"register.account": plenty, "resend.account": plenty, "forgot.account": plenty, "change.account": plenty}, Now: c.Now, RegistrationOpen: true,
	}
	for _, f := range with {
		f(&cfg)
	}
	h.limiter = &countedLimiter{Limiter: cfg.Limiter}
	cfg.Limiter = h.limiter
	h.Service = account.New(cfg)
	return h
}

func (h *fixture) requireOK(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// requireRefused fails the test unless err is a refusal with the code.
func (h *fixture) requireRefused(err error, code string) *auth.Error {
	h.t.Helper()
	e, ok := errors.AsType[*auth.Error](err)
	if !ok || string(e.Code) != code {
		h.t.Fatalf("got %v, want %s", err, code)
	}
	return e
}

// takeMails removes all messages from the outbox, oldest first.
func (h *fixture) takeMails() []auth.Message {
	h.t.Helper()
	return storetest.TakeMessages(h.t, h.db, "")
}

// requireMail returns the only message of the outbox, which must have the kind and the
// address.
func (h *fixture) requireMail(kind auth.MessageKind, to string) auth.Mail {
	h.t.Helper()
	all := h.takeMails()
	if len(all) != 1 || all[0].Kind != kind || all[0].Payload.To != to {
		h.t.Fatalf("outbox: %+v, want one %s to %s", all, kind, to)
	}
	return all[0].Payload
}

// register registers an unverified account and returns the token of its link.
func (h *fixture) register(email, pw string) string {
	h.t.Helper()
	h.requireOK(h.Register(h.t.Context(), tenant, account.Registration{Email: email, Password: pw}, alice))
	return h.requireMail(auth.MailVerify, email).Token
}

// verify consumes a link as a program does, without a password.
func (h *fixture) verify(token string, actor auth.Actor) error {
	_, err := h.VerifyEmail(h.t.Context(), tenant, account.Verification{Token: token, Program: true}, actor)
	return err
}

// verifyChange consumes the link of a change of address, with the current password.
func (h *fixture) verifyChange(token, current string, actor auth.Actor) error {
	_, err := h.VerifyEmail(h.t.Context(), tenant, account.Verification{Token: token, Password: current, Program: true}, actor)
	return err
}

// requestEmailChange requests a change of address and returns the token of the mail.
func (h *fixture) requestEmailChange(a auth.Account, current, email string) string {
	h.t.Helper()
	_, err := h.Update(h.t.Context(), tenant, a.ID, account.Patch{Email: &email, CurrentPassword: current}, actorOf(a))
	h.requireOK(err)
	return h.requireMail(auth.MailChangeEmail, email).Token
}

func (h *fixture) resend(email string, actor auth.Actor) error {
	return h.Resend(h.t.Context(), tenant, account.LinkRequest{Email: email}, actor)
}

// newMember registers an account and verifies its address.
func (h *fixture) newMember(email, pw string) auth.Account {
	h.t.Helper()
	h.requireOK(h.verify(h.register(email, pw), alice))
	return h.find(email)
}

// inGerman sets the language of an account.
func (h *fixture) inGerman(a auth.Account) auth.Account {
	h.t.Helper()
	locale := "de"
	a, err := h.Update(h.t.Context(), tenant, a.ID, account.Patch{Locale: &locale}, actorOf(a))
	h.requireOK(err)
	return a
}

func (h *fixture) find(email string) auth.Account {
	h.t.Helper()
	a, err := h.Find(h.t.Context(), tenant, email)
	h.requireOK(err)
	return a
}

// passwordMatches reports whether the password is the account's.
func (h *fixture) passwordMatches(email, pw string) bool {
	h.t.Helper()
	a := h.find(email)
	var hash string
	err := h.db.Read(h.t.Context(), tenant, func(tx *store.Tx) (err error) {
		hash, err = tx.PasswordHash(a.ID)
		return err
	})
	if errors.Is(err, auth.ErrNotFound) {
		return false
	}
	h.requireOK(err)
	res, err := h.hasher.Verify(h.t.Context(), hash, pw)
	h.requireOK(err)
	return res.OK
}

// signIn starts a session with a cookie and a refresh family on it.
func (h *fixture) signIn(a auth.Account) (auth.Session, auth.FamilyID, string) {
	h.t.Helper()
	var v auth.Session
	var cookie secret.Text
	var f auth.FamilyID
	h.requireOK(h.db.Write(h.t.Context(), tenant, func(tx *store.Tx) (err error) {
		v, cookie, err = h.sessions.Start(tx, session.Params{Account: a.ID, Client: auth.FirstParty, ACR: "1", Cookie: true, Actor: actorOf(a)})
		if err != nil {
			return err
		}
		f = auth.FamilyID(secret.NewID(tx.Now))
		return tx.InsertFamily(auth.Family{ID: f, Account: a.ID, Client: auth.FirstParty, Session: v.ID, Scope: auth.DefaultScope,
			Digest: string(f), CreatedAt: tx.Now, RotatedAt: tx.Now, IdleAt: tx.Now.Add(time.Hour), ExpiresAt: tx.Now.Add(time.Hour)})
	}))
	return v, f, cookie.Reveal()
}

// sessionLive reports whether session and family are live, and fails when only one is.
func (h *fixture) sessionLive(v auth.Session, f auth.FamilyID) bool {
	h.t.Helper()
	var s, r bool
	h.requireOK(h.db.Read(h.t.Context(), tenant, func(tx *store.Tx) error {
		got, err := tx.Session(v.ID)
		if err != nil && !errors.Is(err, auth.ErrNotFound) {
			return err
		}
		s = err == nil && got.Live(tx.Now)
		fam, err := tx.Family(f)
		if err != nil && !errors.Is(err, auth.ErrNotFound) {
			return err
		}
		r = err == nil && fam.Live(tx.Now)
		return nil
	}))
	if s != r {
		h.t.Fatalf("session live: %v, its refresh family: %v", s, r)
	}
	return s
}

// changeSettings changes the tenant's settings.
func (h *fixture) changeSettings(fn func(*auth.Settings)) {
	h.t.Helper()
	h.requireOK(h.db.Write(h.t.Context(), tenant, func(tx *store.Tx) error {
		t, err := tx.CurrentTenant()
		if err != nil {
			return err
		}
		fn(&t.Settings)
		return tx.UpdateCurrentTenant(t)
	}))
}

// events lists audit lines, oldest first.
func (h *fixture) events(kind auth.EventKind) []auth.Event {
	h.t.Helper()
	out := storetest.Events(h.t, h.db, tenant, kind)
	slices.Reverse(out)
	return out
}

// traces are the countable effects of a request: rows of audit log and outbox, and hashes.
type traces struct {
	Audit, Outbox int
	Hashes        uint64
	Limits        int64 // calls of the limiter
}

// measureTraces returns the traces of one call.
func (h *fixture) measureTraces(fn func()) traces {
	h.t.Helper()
	h.takeMails()
	audit, hashes, limits := len(h.events("")), h.hasher.Stats().Done, h.limiter.calls.Load()
	fn()
	return traces{Audit: len(h.events("")) - audit, Hashes: h.hasher.Stats().Done - hashes, Limits: h.limiter.calls.Load() - limits, Outbox: len(h.takeMails())}
}

func reasonCodes(e *auth.Error) string {
	var out []string
	for _, r := range e.Reasons {
		out = append(out, r.Code)
	}
	return strings.Join(out, " ")
}
