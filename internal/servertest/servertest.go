// Package servertest runs a whole server inside a test: real database, real HTTP on loopback, real background
// work. Two things differ from production: the clock is frozen until the test moves it, and mail is caught.
//
//	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
//		tokens := s.SignUp(t, "alice@example.test")
//		s.Do(t, "GET", "/api/v1/me", nil, servertest.Bearer(tokens.AccessToken)).Want(t, 200)
//	})
//
// New starts one server on SQLite; Each runs a test on SQLite and on PostgreSQL; Join starts one more node on
// the same database. Password hashing is cheap and rate limits are high unless a test asks for the real ones.
package servertest

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/server"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// Server is a running server. All its services can be used directly, besides over HTTP.
type Server struct {
	*server.Server
	URL    string // of the public listener; for the first node also the issuer
	Issuer string
	Manage string // address of the management listener
	Clock  *Clock
	Config *config.Config
	Client *http.Client // follows no redirects and keeps no cookies

	rsaKey func() (*rsa.PrivateKey, error)
	stop   context.CancelFunc
	ended  chan struct{}
	err    error // set by the goroutine of Run before ended is closed

	mu   sync.Mutex
	read map[string]map[int]bool // guarded by mu: mails to an address that WaitMail has returned
}

// Option changes the configuration of a test server.
type Option func(*options)

type options struct {
	database   string
	masterKey  []byte
	issuer     string
	clock      *Clock
	rsaKey     func() (*rsa.PrivateKey, error)
	log        *slog.Logger
	production bool
	host       string
	configure  []func(*config.Config)
}

// Database sets the database, instead of a new SQLite file.
func Database(url string) Option { return func(o *options) { o.database = url } }

// Configure changes the configuration before the server starts.
func Configure(fn func(*config.Config)) Option {
	return func(o *options) { o.configure = append(o.configure, fn) }
}

// Log shows the server's log.
func Log(l *slog.Logger) Option { return func(o *options) { o.log = l } }

// SMTP sends mail to a real server, instead of catching it. WaitMail does not see such mail.
func SMTP(url string) Option {
	return Configure(func(c *config.Config) {
		must(c.SMTP.URL.UnmarshalText([]byte(url)))
		c.SMTP.From = "Watchword <no-reply@example.test>"
	})
}

// Production leaves out the parts that only development has: the mailbox and its pages.
func Production() Option { return func(o *options) { o.production = true } }

// RealLimits keeps the default rate limits.
func RealLimits() Option {
	return Configure(func(c *config.Config) { c.Limits = config.Default().Limits; c.Limits.Keys = limitKeys })
}

// Limits changes the rate limits, which are otherwise high.
func Limits(fn func(*config.Limits)) Option {
	return Configure(func(c *config.Config) { fn(&c.Limits) })
}

// Domain gives the server a domain name, localhost, instead of an address, so that it has passkeys.
func Domain() Option { return func(o *options) { o.host = "localhost" } }

// New starts a server that ends with the test.
func New(t testing.TB, opts ...Option) *Server {
	t.Helper()
	o := options{masterKey: secret.Bytes(32), clock: NewClock(), rsaKey: storetest.RSAKeys()}
	for _, opt := range opts {
		opt(&o)
	}
	if o.database == "" {
		o.database = storetest.SQLite(t)
	}
	return start(t, o)
}

// Each runs the test once on SQLite and once on PostgreSQL, in parallel.
func Each(t *testing.T, fn func(t *testing.T, s *Server), opts ...Option) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		fn(t, New(t, append([]Option{Database(storetest.SQLite(t))}, opts...)...))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		fn(t, New(t, append([]Option{Database(storetest.Postgres(t))}, opts...)...))
	})
}

// Join starts another node: the same database, master key, issuer and clock, its
// own listeners, memory and mailbox.
func (s *Server) Join(t testing.TB, opts ...Option) *Server {
	t.Helper()
	o := options{masterKey: s.Config.MasterKey.Bytes(), clock: s.Clock, rsaKey: s.rsaKey, database: s.Config.DatabaseURL(), issuer: s.Issuer}
	for _, opt := range opts {
		opt(&o)
	}
	return start(t, o)
}

// Nodes starts n nodes on one new PostgreSQL database.
func Nodes(t testing.TB, n int, opts ...Option) []*Server {
	t.Helper()
	nodes := []*Server{New(t, append([]Option{Database(storetest.Postgres(t))}, opts...)...)}
	for len(nodes) < n {
		nodes = append(nodes, nodes[0].Join(t, opts...))
	}
	return nodes
}

func start(t testing.TB, o options) *Server {
	t.Helper()
	public, manage := listen(t), listen(t)
	url := "http://" + public.Addr().String()
	if o.host != "" {
		url = "http://" + o.host + ":" + strconv.Itoa(public.Addr().(*net.TCPAddr).Port)
	}
	if o.issuer == "" {
		o.issuer = url
	}
	s := &Server{
		URL: url, Issuer: o.issuer, Manage: "http://" + manage.Addr().String(), Clock: o.clock, rsaKey: o.rsaKey, Config: newConfig(t, o, public, manage),
		ended: make(chan struct{}), read: map[string]map[int]bool{}, Client: newClient(t),
	}
	var err error
	s.Server, err = server.New(t.Context(), s.Config, server.Options{
		Dev: !o.production, Now: o.clock.Now, RSAKey: o.rsaKey, Log: o.log, Version: "test", Public: public, Manage: manage,
	})
	if err != nil {
		public.Close()
		manage.Close()
		t.Fatal(err)
	}
	s.run(t)
	return s
}

// run serves until Stop or the end of the test.
func (s *Server) run(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	ready := make(chan struct{})
	go func() {
		defer close(s.ended)
		s.err = s.Run(ctx, func(string, string) { close(ready) })
	}()
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Errorf("the server ended with: %v", err)
		}
		s.Server = nil // testing holds this function, and what it refers to, until the last test ends
	})
	select {
	case <-ready:
	case <-s.ended:
		t.Fatal(s.err)
	}
}

// Stop stops the server as SIGTERM does, and returns the error of the process.
func (s *Server) Stop() error {
	s.Client.CloseIdleConnections()
	s.stop()
	<-s.ended
	return s.err
}

func newConfig(t testing.TB, o options, public, manage net.Listener) *config.Config {
	t.Helper()
	c := config.Default()
	c.Listen, c.Manage, c.Issuer = public.Addr().String(), manage.Addr().String(), o.issuer
	c.Data = t.TempDir()
	c.AccessLog = o.log != nil
	must(c.Database.UnmarshalText([]byte(o.database)))
	must(c.MasterKey.UnmarshalText([]byte(base64.StdEncoding.EncodeToString(o.masterKey))))
	c.Password.Memory, c.Password.Time = 64<<10, 1
	c.Password.MaxWait = 20 * time.Second
	c.Limits = highLimits()
	for _, fn := range o.configure {
		fn(c)
	}
	return c
}

// limitKeys is how many callers the limits of a test count separately. The default takes megabytes for each
// server.
const limitKeys = 1 << 13

// highLimits allows a test to do in a moment what users do in a day. The limits of an account on itself stay.
func highLimits() config.Limits {
	l := config.Default().Limits
	l.Keys = limitKeys
	for name := range l.Rates.All() {
		if !strings.HasPrefix(name, "self.") {
			*l.Rate(name) = config.Rate{Count: 1_000_000, Per: time.Minute}
		}
	}
	return l
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
