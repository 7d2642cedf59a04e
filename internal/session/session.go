// Package session keeps server-side sessions: start, renew, find, end, and what a
// cookie stands for.
//
// A session is one sign-in on one device. Its cookie is a random secret of which
// only the digest is stored; its id is public and gives no rights. Refresh
// families hang on it and end with it.
//
// It does not know HTTP: the cookie's name and attributes are the web's. It
// writes no audit lines: whoever starts or ends a session knows why.
package session

import (
	"context"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// Config describes a Service.
type Config struct {
	Now func() time.Time // time.Now when nil
	// Lifetimes hold where a tenant's settings say nothing. Zero fields: 24 hours
	// idle and 30 days absolute with a cookie; without one those of refresh tokens,
	// 30 days idle and 180 days absolute.
	Lifetimes auth.Lifetimes
}

// Service starts, finds and ends sessions. It is safe for concurrent use.
type Service struct{ cfg Config }

// Begin says who signs in, how, and where from.
type Begin struct {
	Account auth.AccountID
	Client  auth.ClientID
	ACR     string   // OpenID Connect Core §2
	AMR     []string // RFC 8176
	Cookie  bool     // make a cookie for it
	Actor   auth.Actor
}

// New returns a Service.
func New(cfg Config) *Service { return &Service{cfg: cfg} }

// Start begins a session and returns the secret of its cookie, empty without
// Cookie. A session with a cookie lives by the session limits; one without by
// those of refresh tokens, which are then all there is to it.
func (s *Service) Start(tx *store.Tx, b Begin) (auth.Session, secret.Text, error) { panic("skeleton") }

// Find returns the session that a cookie stands for and its account, if both may
// be used: else Unauthenticated session_invalid. It moves the idle limit, at most
// once a minute. A cookie that was found too old is dead for good, even if the
// clock goes back.
func (s *Service) Find(ctx context.Context, db *store.DB, tenant auth.TenantID, cookie string) (auth.Session, auth.Account, error) {
	panic("skeleton")
}

// Renew gives the session another cookie, because its rights changed; the old one
// is dead at once. A session without a cookie stays without, and the secret is
// empty. auth.ErrNotFound when it has ended.
func (s *Service) Renew(tx *store.Tx, id auth.SessionID) (secret.Text, error) { panic("skeleton") }

// End ends one session and its refresh families; auth.ErrNotFound when it is not
// the account's or has ended already.
func (s *Service) End(tx *store.Tx, account auth.AccountID, id auth.SessionID, reason string) error {
	return tx.EndSession(account, id, reason)
}

// EndAll ends every session of the account but one, which may be empty, with their
// refresh families, and returns how many.
func (s *Service) EndAll(tx *store.Tx, account auth.AccountID, except auth.SessionID, reason string) (int64, error) {
	return tx.EndSessions(account, except, reason)
}
