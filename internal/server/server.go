// Package server assembles the server from one configuration: it opens the database, creates
// every service with the values it needs, and runs the listeners and the background work until
// its context is done.
//
// New assembles; the fields of a Server are the services, for the command line and
// for tests. Run serves. The package decides nothing about accounts or tokens.
package server

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

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
	"github.com/watchword-auth/watchword/internal/outbox"
	"github.com/watchword-auth/watchword/internal/password"
	"github.com/watchword-auth/watchword/internal/place"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/tenant"
	"github.com/watchword-auth/watchword/internal/timer"
	"github.com/watchword-auth/watchword/internal/token"
	"github.com/watchword-auth/watchword/internal/web"
	"github.com/watchword-auth/watchword/internal/web/router"
)

// Options are values that are not in the configuration.
type Options struct {
	// Dev stores mails in a mailbox that anyone can read in the browser, unless the configuration
	// has a mail server.
	Dev bool
	// InsecureCookies omits the Secure attribute when the issuer is http. Some browsers, such as
	// Safari, drop Secure cookies over http.
	InsecureCookies bool
	// Now is the clock. It is required.
	Now func() time.Time
	// Timers wake background work.
	Timers timer.Source
	// Log is the logger; nothing is logged when nil.
	Log *slog.Logger
	// RSAKey generates RSA signing keys, if set.
	RSAKey func() (*rsa.PrivateKey, error)
	// Version is the version of the server in its log and metrics.
	Version string
	// Public and Manage, if set, replace the listeners of the configured addresses. Run closes
	// them.
	Public, Manage net.Listener
}

// Server is the assembled server. Its services can be used without Run.
type Server struct {
	DB       *store.DB
	Keys     *keys.Ring
	Tokens   *token.Service
	Sessions *session.Service
	Accounts *account.Service
	Logins   *login.Service
	Access   *access.Service
	Tenants  *tenant.Service
	Clients  *client.Service
	Flows    *flow.Service
	OIDC     *oidc.Service
	Hasher   *password.Hasher
	Limiter  limit.Limiter
	Metrics  *router.Metrics
	Web      *web.Server
	Outbox   *outbox.Outbox
	Mailer   *outbox.Mailer  // nil without a mail server
	Mailbox  *outbox.Mailbox // nil unless in development without a mail server

	cfg  *config.Config
	opts Options
	now  func() time.Time
	log  *slog.Logger

	policy    password.Policy
	places    *place.Database                // nil unless configured
	delivered func(auth.MessageKind, string) // counts an attempt of the outbox
	clockSkew prometheus.Gauge               // against the database's clock
	closers   []func() error                 // in the order of opening
	closing   sync.Once
	closed    error
	draining  atomic.Bool
}

// New opens and migrates the database, ensures that the default tenant exists, and assembles the
// services. It does not validate the configuration: see Config.Validate. The caller closes the
// server, unless Run does.
func New(ctx context.Context, cfg *config.Config, opts Options) (*Server, error) {
	s := &Server{cfg: cfg, opts: opts, now: opts.Now, log: opts.Log}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	for _, step := range []func(context.Context) error{s.openStore, s.openPasswords, s.openPlaces, s.openLimits, s.openServices, s.openMail, s.openWeb} {
		if err := step(ctx); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// Close closes what New opened. It may be called twice.
func (s *Server) Close() error {
	s.closing.Do(func() {
		for i := len(s.closers) - 1; i >= 0; i-- {
			s.closed = errors.Join(s.closed, s.closers[i]())
		}
	})
	return s.closed
}

func (s *Server) onClose(c io.Closer) { s.closers = append(s.closers, c.Close) }

func (s *Server) openStore(ctx context.Context) error {
	if s.cfg.MasterKey.IsZero() {
		return errors.New("master_key is missing: set it to 32 random bytes (openssl rand -base64 32)")
	}
	var previous [][]byte
	if !s.cfg.MasterKeyPrevious.IsZero() {
		previous = append(previous, s.cfg.MasterKeyPrevious.Bytes())
	}
	ring, err := secret.NewKeyring(s.cfg.MasterKey.Bytes(), previous...)
	if err != nil {
		return fmt.Errorf("master key: %w", err)
	}
	s.DB, err = store.Open(ctx, store.Config{URL: s.cfg.DatabaseURL(), Keyring: ring, Now: s.now, Timers: s.opts.Timers, Log: s.log})
	if err != nil {
		return err
	}
	s.onClose(s.DB)
	return nil
}

// OtherMasterKey returns the predicate of a message about a database that the configured master keys
// do not open, with a remedy.
func OtherMasterKey(cfg *config.Config) string {
	if _, err := os.Stat(cfg.DevKeyFile()); err == nil {
		return fmt.Sprintf("belongs to another master key, probably %s of \"watchword dev\"; set data (WATCHWORD_DATA) to another directory in production", cfg.DevKeyFile())
	}
	return "belongs to another master key; set master_key to the right one, or master_key_previous if it has been replaced"
}

// readRoot returns the root secret that all nodes share, and creates it when it is missing.
func (s *Server) readRoot(ctx context.Context) (root []byte, err error) {
	fresh := secret.Bytes(32)
	err = s.DB.WriteSystem(ctx, func(tx *store.SystemTx) (err error) {
		root, err = tx.EnsureSecret("root", fresh)
		return err
	})
	if errors.Is(err, secret.ErrSealed) {
		return nil, fmt.Errorf("this database %s: %w", OtherMasterKey(s.cfg), err)
	}
	if err != nil {
		return nil, fmt.Errorf("read the root secret: %w", err)
	}
	return root, nil
}
