// Package account manages user accounts: it registers them, verifies their addresses,
// recovers, changes and deletes them.
//
// Every method is one transaction, which also writes the audit line and the mail.
// Passwords are hashed before the transaction begins. Register, Resend and Forgot do the
// same work and return the same result whether the address has an account or not; only
// the owner of the mailbox sees the difference.
//
// The package does not sign users in (login does), does not send mail (outbox does) and
// knows no HTTP. It enforces limits by email address and by account; web enforces limits
// by IP address.
package account

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/password"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// Config configures a Service. All fields except Log and RegistrationOpen
// are required.
type Config struct {
	DB       *store.DB
	Hasher   *password.Hasher
	Policy   password.Policy // a tenant may add rules
	Sessions *session.Service
	Limiter  limit.Limiter
	Rates    limit.Rates // those whose names end in .account
	Now      func() time.Time
	// RegistrationOpen is the default for tenants without the setting.
	RegistrationOpen bool
	VerifyLifetime   time.Duration // of the link that confirms an address
	ResetLifetime    time.Duration // of the link that sets a password
	Log              *slog.Logger
}

// Service is safe for concurrent use.
type Service struct {
	cfg      Config
	exports  chan struct{} // limits concurrent exports
	pictures chan struct{} // limits concurrently decoded pictures
}

// New returns a Service.
func New(cfg Config) *Service {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{cfg: cfg, exports: make(chan struct{}, maxConcurrentExports), pictures: make(chan struct{}, 1)}
}

// Get returns the account, or a refusal of KindNotFound.
func (s *Service) Get(ctx context.Context, tenant auth.TenantID, id auth.AccountID) (auth.Account, error) {
	var a auth.Account
	err := s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) (err error) {
		a, err = tx.Account(id)
		return err
	})
	return a, mapNotFound("get account", err)
}

// Profile returns the account with the names of its roles and permissions, or a
// refusal of KindNotFound.
func (s *Service) Profile(ctx context.Context, tenant auth.TenantID, id auth.AccountID) (store.Profile, error) {
	var p store.Profile
	err := s.cfg.DB.ReadOne(ctx, tenant, func(tx *store.Tx) (err error) {
		p, err = tx.Profile(id)
		return err
	})
	return p, mapNotFound("get account", err)
}

// Find returns the account with the email address or user name, in any spelling that signs in
// to it, or a refusal of KindNotFound.
func (s *Service) Find(ctx context.Context, tenant auth.TenantID, name string) (auth.Account, error) {
	login, err := auth.ParseLogin(name)
	if err != nil {
		return auth.Account{}, err
	}
	var a auth.Account
	err = s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) (err error) {
		a, err = tx.AccountByName(login)
		return err
	})
	return a, mapNotFound("find account", err)
}

// maxPageSize is the maximum number of accounts on one page.
const maxPageSize = 500

// List pages through the accounts of a tenant by id; a limit of zero or beyond 500
// means 500.
func (s *Service) List(ctx context.Context, tenant auth.TenantID, f store.AccountFilter) ([]auth.Account, error) {
	if f.Limit <= 0 || f.Limit > maxPageSize {
		f.Limit = maxPageSize
	}
	var list []auth.Account
	err := s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) (err error) {
		list, err = tx.Accounts(f)
		return err
	})
	return list, mapNotFound("list accounts", err)
}

// mapNotFound maps auth.ErrNotFound to AccountNotFound and wraps other errors.
func mapNotFound(action string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, auth.ErrNotFound):
		return auth.AccountNotFound()
	}
	return fmt.Errorf("%s: %w", action, err)
}
