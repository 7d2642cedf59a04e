// Package keys makes, seals, rotates and publishes the signing keys of the
// tenants, and signs with them.
//
// A key is published before it signs and stays published until the last token it
// signed is dead, so no verifier ever meets a token whose key it cannot find:
//
//	created ── PublishAhead ──► active ── RotateEvery ──► retired ── KeepFor ──► removed
//	└──────────────────────── published in the JWKS ─────────────────────────┘
//
// The first key of an algorithm has no predecessor that could sign meanwhile. So
// JWKS completes a key set before it publishes it: a key of every algorithm. Where that
// fails the set is published as it is, and a first key may appear after that. The public half of a removed key is kept for the ID Tokens that
// come back as hints.
//
// Private halves lie in the database sealed under the master key; a copy of the
// database cannot sign without it. The ring keeps opened keys in memory and looks at
// the database again every few seconds, never for each signature. It does not
// know what it signs.
package keys

import (
	"context"
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

// Algorithms are those that every tenant has a key of.
var Algorithms = []string{RS256, ES256, EdDSA}

// Config describes a Ring. DB and Now are required; other zero values take the documented defaults.
type Config struct {
	DB  *store.DB
	Now func() time.Time
	// Algorithm is used where a caller names none: ES256 when empty.
	Algorithm string
	// RotateEvery is how long a key signs before Maintain replaces it; 90 days.
	RotateEvery time.Duration
	// PublishAhead is how long a key is published before it signs; 24 hours. It
	// has to be longer than verifiers keep a JWKS.
	PublishAhead time.Duration
	// KeepFor is how long a key stays published after it signed last; 25 hours. It
	// is stretched where a tenant's tokens live longer.
	KeepFor time.Duration
	// Lifetimes hold where a tenant's settings say nothing: the public half of a removed
	// key is kept as long as a session that it signed for. Zero fields: 30 days.
	Lifetimes auth.Lifetimes
	Log       *slog.Logger
}

// Ring holds the signing keys of every tenant. It is safe for concurrent use.
type Ring struct {
	db         *store.DB
	now        func() time.Time
	alg        string
	rotate     time.Duration
	ahead      time.Duration
	keep       time.Duration
	ttl        time.Duration // how long a look at the database is good for
	lives      auth.Lifetimes
	log        *slog.Logger
	tenants    sync.Map // auth.TenantID → *entry
	refreshing singleflight.Group
	ensuring   singleflight.Group // by tenant and algorithm
	retryAt    sync.Map           // auth.TenantID → time.Time; its key set is not completed again before that
}

const (
	defaultRotateEvery  = 90 * 24 * time.Hour
	defaultPublishAhead = 24 * time.Hour
	defaultKeepFor      = 25 * time.Hour
	maxTTL              = 10 * time.Second
)

// New returns a Ring. It reads nothing yet.
func New(cfg Config) *Ring {
	r := &Ring{db: cfg.DB, now: cfg.Now, alg: cfg.Algorithm, log: cfg.Log, lives: cfg.Lifetimes.Or(auth.Lifetimes{Remember: 30 * 24 * time.Hour}),
		rotate: cfg.RotateEvery, ahead: cfg.PublishAhead, keep: cfg.KeepFor}
	if r.alg == "" {
		r.alg = ES256
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	for _, d := range []struct {
		at    *time.Duration
		other time.Duration
	}{{&r.rotate, defaultRotateEvery}, {&r.ahead, defaultPublishAhead}, {&r.keep, defaultKeepFor}} {
		if *d.at <= 0 {
			*d.at = d.other
		}
	}
	// Another node's new key must be in our JWKS long before that node signs with it.
	r.ttl = min(r.ahead/4, maxTTL)
	return r
}

// Algorithm is the one used where a caller names none.
func (r *Ring) Algorithm() string { return r.alg }

// Supported reports whether alg is an algorithm that the ring can sign with.
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
