// Package account keeps people's accounts: it registers them, proves their
// addresses, recovers, changes and removes them.
//
// Every method is one decision in one transaction, with its audit line and its
// mail written in the same commit; passwords are hashed before that transaction
// begins. What a stranger may ask (Register, Resend, Forgot) gives the same
// answer after the same work whether the address has an account or not; the
// difference goes to the mailbox, where only its owner sees it.
//
// The room does not sign anybody in (login does), sends no mail (outbox does)
// and knows no HTTP. Limits by IP address are the door's; limits by e-mail
// address and by account are here.
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

// Lifetimes of links when a Config names none.
const (
	DefaultVerifyLifetime = 24 * time.Hour
	DefaultResetLifetime  = time.Hour
)

// Config says how a Service works. All fields but the lifetimes, Log and
// RegistrationOpen are required.
type Config struct {
	DB       *store.DB
	Hasher   *password.Hasher
	Policy   password.Policy // a tenant's rules come on top
	Sessions *session.Service
	Limiter  limit.Limiter
	Rates    limit.Rates // those that end in .account
	Now      func() time.Time
	// RegistrationOpen is what holds for tenants that do not say.
	RegistrationOpen bool
	VerifyLifetime   time.Duration // zero means DefaultVerifyLifetime
	ResetLifetime    time.Duration // zero means DefaultResetLifetime
	Log              *slog.Logger
}

// Service is safe for concurrent use.
type Service struct {
	cfg     Config
	exports chan struct{} // a place for each export that may read at once
}

// New returns a Service.
func New(cfg Config) *Service {
	if cfg.VerifyLifetime <= 0 {
		cfg.VerifyLifetime = DefaultVerifyLifetime
	}
	if cfg.ResetLifetime <= 0 {
		cfg.ResetLifetime = DefaultResetLifetime
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{cfg: cfg, exports: make(chan struct{}, exportsAtOnce)}
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

// Find returns the account with the given e-mail address, in any spelling that
// signs in to it, or a refusal of KindNotFound.
func (s *Service) Find(ctx context.Context, tenant auth.TenantID, email string) (auth.Account, error) {
	e, err := auth.ParseEmail(email)
	if err != nil {
		return auth.Account{}, err
	}
	var a auth.Account
	err = s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) (err error) {
		a, err = tx.AccountByLogin(e.Login)
		return err
	})
	return a, mapNotFound("find account", err)
}

// The most accounts of one page.
const maxPage = 500

// List pages through the accounts of a tenant by id; a limit of zero or beyond 500
// means 500.
func (s *Service) List(ctx context.Context, tenant auth.TenantID, f store.AccountFilter) ([]auth.Account, error) {
	if f.Limit <= 0 || f.Limit > maxPage {
		f.Limit = maxPage
	}
	var list []auth.Account
	err := s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) (err error) {
		list, err = tx.Accounts(f)
		return err
	})
	return list, mapNotFound("list accounts", err)
}

// mapNotFound gives what the store reports about an account its meaning.
func mapNotFound(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, auth.ErrNotFound):
		return auth.AccountNotFound()
	}
	return fmt.Errorf("%s: %w", doing, err)
}
