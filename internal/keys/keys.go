// Package keys creates, seals, rotates and publishes the signing keys of the tenants, and signs
// with them.
//
// A key is published before it signs and stays published until the last token it signed has
// expired, so every verifier can find the key of a token:
//
//	created ── PublishAhead ──► active ── RotateEvery ──► retired ── KeepFor ──► removed
//	└──────────────────────── published in the JWKS ─────────────────────────┘
//
// The first key of an algorithm has no predecessor that could sign meanwhile. So JWKS creates a
// key of every algorithm before it publishes a key set. If that fails, the set is published
// without, and a first key may appear later. The public half of a removed key is kept for ID
// Tokens that are used as hints.
//
// Private keys are sealed under the master key in the database, so nobody can sign with
// a copy of the database. The ring keeps opened keys in memory and reads the database again every few seconds, not
// for each signature. It does not interpret what it signs.
package keys

import (
	"cmp"
	"context"
	"crypto/rsa"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// The algorithms of signing keys (RFC 7518 §3.1, RFC 8037 §3.1).
const (
	ES256 = "ES256"
	RS256 = "RS256"
	EdDSA = "EdDSA"
)

// Algorithms are the algorithms of which every tenant has a key.
var Algorithms = []string{RS256, ES256, EdDSA}

// Config configures a Ring. All fields but KeepFor, RSAKey and Log are required.
type Config struct {
	DB  *store.DB
	Now func() time.Time
	// Algorithm is used where a caller names none.
	Algorithm string
	// RotateEvery is how long a key signs before Maintain replaces it.
	RotateEvery time.Duration
	// PublishAhead is how long a key is published before it signs. It must be
	// longer than verifiers cache a JWKS.
	PublishAhead time.Duration
	// KeepFor is how long a key stays published after it signed last; 25 hours when zero. It
	// is extended where a tenant's tokens live longer.
	KeepFor time.Duration
	// Lifetimes apply where a tenant has none of its own: the public half of a removed key is
	// kept as long as a session for which it signed.
	Lifetimes auth.Lifetimes
	// RSAKey generates an RSA key. If nil, the process keeps one in reserve.
	RSAKey func() (*rsa.PrivateKey, error)
	Log    *slog.Logger
}

// Ring holds the signing keys of every tenant. It is safe for concurrent use.
type Ring struct {
	db         *store.DB
	now        func() time.Time
	alg        string
	rotate     time.Duration
	ahead      time.Duration
	keep       time.Duration
	ttl        time.Duration // how long a snapshot of the database is fresh
	lives      auth.Lifetimes
	rsaKey     func() (*rsa.PrivateKey, error)
	log        *slog.Logger
	tenants    sync.Map // auth.TenantID → *entry
	refreshing singleflight.Group
	ensuring   singleflight.Group // by tenant and algorithm
	retryAt    sync.Map           // auth.TenantID → time.Time; its key set is not completed again before that
}

const (
	defaultKeepFor = 25 * time.Hour
	maxTTL         = 10 * time.Second
)

// New returns a Ring. It does not read the database.
func New(cfg Config) *Ring {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.RSAKey == nil {
		cfg.RSAKey = rsaReserve.take
	}
	return &Ring{
		db: cfg.DB, now: cfg.Now, alg: cfg.Algorithm, log: cfg.Log, lives: cfg.Lifetimes, rsaKey: cfg.RSAKey,
		rotate: cfg.RotateEvery, ahead: cfg.PublishAhead, keep: cmp.Or(cfg.KeepFor, defaultKeepFor),
		// Another node's new key must be in this node's JWKS long before that node signs with it.
		ttl: min(cfg.PublishAhead/4, maxTTL),
	}
}

// Algorithm returns the algorithm that is used where a caller names none.
func (r *Ring) Algorithm() string { return r.alg }

// Supported reports whether the ring can sign with alg.
func Supported(alg string) bool { return slices.Contains(Algorithms, alg) }

// List returns the tenant's keys, the newest last, without their private halves.
func (r *Ring) List(ctx context.Context, tenant auth.TenantID) ([]auth.SigningKey, error) {
	var out []auth.SigningKey
	err := r.db.Read(ctx, tenant, func(tx *store.Tx) (err error) {
		out, err = tx.SigningKeys()
		return err
	})
	for i := range out {
		out[i].Sealed = nil
	}
	return out, err
}
