package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/access"
	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/password"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
	"github.com/watchword-auth/watchword/internal/tenant"
	"github.com/watchword-auth/watchword/internal/token"
	"github.com/watchword-auth/watchword/internal/web/api"
	"github.com/watchword-auth/watchword/internal/web/router"
)

const (
	base   = "https://auth.example.test"
	origin = "https://app.example.test"
	pass   = "correct horse battery staple"
)

var generous = limit.Rate{Count: 1_000_000, Per: time.Second}

// fixture is a complete server with a real database and a clock that only advance moves.
type fixture struct {
	testing.TB
	*Server
	db     *store.DB
	hasher *password.Hasher
	log    *syncBuffer

	mu  sync.Mutex
	now time.Time
}

type option func(*Config)

func newFixture(t testing.TB, options ...option) *fixture {
	t.Helper()
	return newFixtureOn(t, storetest.SQLiteConfig(t), options...)
}

func newFixtureOn(t testing.TB, sc store.Config, options ...option) *fixture {
	t.Helper()
	h := &fixture{TB: t, log: &syncBuffer{}, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	clock := func() time.Time { h.mu.Lock(); defer h.mu.Unlock(); return h.now }
	sc.Now = clock
	db, err := store.Open(t.Context(), sc)
	h.requireOK(err)
	t.Cleanup(func() { db.Close() })
	h.db = db
	h.hasher, err = password.New(password.Config{Params: password.Params{Memory: 64, Time: 1, Parallelism: 1}, MaxMemory: 128 << 10, QueueLimit: 1000, MaxWait: time.Minute, Now: clock})
	h.requireOK(err)
	log := slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	limiter := limit.NewMemory(1<<13, clock)
	metrics := router.NewMetrics()
	ring := keys.New(keys.Config{DB: db, Now: clock, Algorithm: keys.ES256, RSAKey: storetest.RSAKeys(), RotateEvery: 90 * 24 * time.Hour, PublishAhead: 24 * time.Hour, Lifetimes: storetest.Lifetimes()})
	root := secret.Bytes(32)
	tokens := token.New(token.Config{Lifetimes: storetest.Lifetimes(), DB: db, Keys: ring, Base: base, Now: clock, Grace: 10 * time.Second, Root: root, ObserveRefresh: metrics.Refresh, Log: log})
	sessions := session.New(session.Config{DB: db, Lifetimes: storetest.Lifetimes()})
	flows := flow.New(flow.Config{DB: db, Tokens: tokens, Root: root, Base: base})
	clients := client.New(client.Config{DB: db, Grants: oidc.Grants(), Tokens: tokens, Limiter: limiter, Base: base, Now: clock, Log: log, Rates: generousRates()})
	cfg := Config{
		DB: db, Keys: ring, Tokens: tokens, Sessions: sessions,
		Accounts: account.New(account.Config{VerifyLifetime: 24 * time.Hour, ResetLifetime: time.Hour, DB: db, Hasher: h.hasher, Policy: password.DefaultPolicy(), Sessions: sessions, Limiter: limiter, Now: clock, RegistrationOpen: true, Log: log,
			Rates: generousRates()}),
		Logins:     login.New(login.Config{DB: db, Flows: flows, Hasher: h.hasher, Tokens: tokens, Sessions: sessions, Limiter: limiter, Now: clock, Observe: metrics.Login, Log: log, Rates: generousRates()}),
		JWKSMaxAge: 15 * time.Minute,
		Access:     access.New(db),
		Clients:    clients,
		Flows:      flows,
		OIDC: oidc.New(oidc.Config{CodeLifetime: time.Minute, PushedLifetime: time.Minute, DeviceLifetime: 10 * time.Minute, DB: db, Clients: clients, Flows: flows, Tokens: tokens, Limiter: limiter, Base: base, Now: clock, Log: log, Observe: metrics.Grant,
			Rates: generousRates()}),
		Config: router.Config{Tenants: tenant.New(tenant.Config{DB: db, Keys: ring, Now: clock}), Limiter: limiter, Base: base, Origins: []string{origin}, AccessLog: true, Metrics: metrics, Now: clock, Log: log, BodyJSON: 1 << 20, BodyForm: 64 << 10,
			Rates: generousRates()},
	}
	h.requireOK(cfg.Tenants.EnsureDefault(t.Context()))
	for _, o := range options {
		o(&cfg)
	}
	h.Server, err = New(cfg)
	h.requireOK(err)
	return h
}

func (h *fixture) requireOK(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *fixture) advance(d time.Duration) { h.mu.Lock(); h.now = h.now.Add(d); h.mu.Unlock() }

// generousRates are limits that no test reaches unintentionally.
func generousRates() limit.Rates {
	all := limit.Rates{}
	for name := range config.Default().Limits.Rates.All() {
		all[name] = generous
	}
	return all
}

// reply is a response with its body.
type reply struct {
	*http.Response
	body []byte
}

func (r reply) json(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(r.body, &v); err != nil {
		t.Fatalf("%d %s: %v in %q", r.StatusCode, r.Header.Get("Content-Type"), err, r.body)
	}
	return v
}

// code returns the problem's code, or empty if the response is not a problem.
func (r reply) code() string {
	var v struct{ Code string }
	if r.Header.Get("Content-Type") == "application/problem+json" {
		json.Unmarshal(r.body, &v)
	}
	return v.Code
}

func (h *fixture) do(r *http.Request) reply {
	h.Helper()
	return serve(h.Public(), r)
}

func serve(h http.Handler, r *http.Request) reply {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	res := w.Result()
	b, _ := io.ReadAll(res.Body)
	return reply{res, b}
}

// request builds a JSON request; headers are "Name: value".
func request(method, path, body string, headers ...string) *http.Request {
	var rd io.Reader
	if body != "" {
		rd = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, path, rd)
	r.RemoteAddr = "192.0.2.7:1234"
	r.Host = "auth.example.test"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Content-Type" {
			r.Header.Set(name, value)
		} else {
			r.Header.Add(name, value)
		}
	}
	return r
}

func (h *fixture) post(path, body string, headers ...string) reply {
	h.Helper()
	return h.do(request("POST", path, body, headers...))
}

func (h *fixture) get(path string, headers ...string) reply {
	h.Helper()
	return h.do(request("GET", path, "", headers...))
}

// requireReply fails unless the response has the status and, if not empty, the code.
func (h *fixture) requireReply(r reply, status int, code string) reply {
	h.Helper()
	if r.StatusCode != status || (code != "" && r.code() != code) {
		h.Fatalf("got %d %q, want %d %q: %s", r.StatusCode, r.code(), status, code, r.body)
	}
	return r
}

// takeMails removes all messages from the outbox and returns their mails, oldest first.
func (h *fixture) takeMails() (list []auth.Mail) {
	h.Helper()
	for _, m := range storetest.TakeMessages(h, h.cfg.DB, "") {
		list = append(list, m.Payload)
	}
	return list
}

// link returns the token of the newest mailed link.
func (h *fixture) link() string {
	h.Helper()
	mails := h.takeMails()
	for i := len(mails) - 1; i >= 0; i-- {
		if mails[i].Token != "" {
			return mails[i].Token
		}
	}
	h.Fatal("no link was mailed")
	return ""
}

// newAccount registers an account and confirms its email address.
func (h *fixture) newAccount(email string) {
	h.Helper()
	h.requireReply(h.post("/api/v1/register", fmt.Sprintf(`{"email":%q,"password":%q,"name":"Alice"}`, email, pass)), 202, "")
	h.requireReply(h.post("/api/v1/verify-email", fmt.Sprintf(`{"token":%q}`, h.link())), 200, "")
}

// signedIn registers an account and signs in.
func (h *fixture) signedIn(email string) api.Tokens {
	h.Helper()
	h.newAccount(email)
	return h.tokens(h.login(email, pass))
}

func (h *fixture) login(email, pw string) reply {
	h.Helper()
	return h.post("/api/v1/login", fmt.Sprintf(`{"email":%q,"password":%q}`, email, pw))
}

func (h *fixture) tokens(r reply) api.Tokens {
	h.Helper()
	h.requireReply(r, 200, "")
	var tk api.Tokens
	h.requireOK(json.Unmarshal(r.body, &tk))
	return tk
}

// signInBrowser registers an account, signs in with a cookie and returns its header line.
func (h *fixture) signInBrowser(email string) string {
	h.Helper()
	h.newAccount(email)
	r := h.requireReply(h.post("/api/v1/login", fmt.Sprintf(`{"email":%q,"password":%q,"session":"cookie"}`, email, pass)), 204, "")
	cookies := r.Cookies()
	if len(cookies) != 2 || cookies[1].Name != router.CookiePrefix+"-known" {
		h.Fatalf("cookies %v", cookies)
	}
	return "Cookie: " + cookies[0].Name + "=" + cookies[0].Value
}

func bearer(tk api.Tokens) string { return "Authorization: Bearer " + tk.AccessToken }

func trusted(s string) option {
	return func(c *Config) { c.Trusted = []netip.Prefix{netip.MustParsePrefix(s)} }
}

// syncBuffer is a log that tests read.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}
func (s *syncBuffer) String() string { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }
