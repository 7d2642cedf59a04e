// Package store is the only package with SQL in it.
//
// It stores accounts, credentials, sessions, refresh families, single-use secrets,
// roles, clients, keys, settings, the audit log and the outbox, in SQLite or in
// PostgreSQL, with one text for every statement. It knows no policy: a condition in a
// statement makes sure that one of two writers wins, and never decides who may do what.
//
// Open returns a DB. Statements exist only on a Tx, and a Tx exists only inside Read or
// Write. It is bound to a tenant, which the store puts into every statement, so a
// service cannot reach a row of another tenant. ReadSystem and WriteSystem work across
// tenants.
package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/timer"
)

// Config configures a DB.
type Config struct {
	// URL is "sqlite:PATH" or "postgres://…".
	URL string
	// Keyring seals values that must be readable again.
	Keyring *secret.Keyring
	// Now is the clock. It is required.
	Now func() time.Time
	// Timers wake the store's background work.
	Timers timer.Source
	// Connections bounds the PostgreSQL pool; 20 when zero.
	Connections int
	// MaxWait bounds how long a request may wait for the database; 2 s when zero.
	MaxWait time.Duration
	// OutboxLimit bounds the messages that wait; the constant of that name when zero.
	OutboxLimit int64
	// SkipMigrations leaves the schema unchanged. Open then returns a *SchemaError when the
	// schema is older than this program's.
	SkipMigrations bool
	// DisableGroupCommit commits each Write by itself. It is for benchmarks.
	DisableGroupCommit bool
	// Log is the logger.
	Log *slog.Logger
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	cfg         Config
	clock       *clock
	closed      sync.Once
	ended       atomic.Bool // set by Close: no transaction begins after it
	dialect     dialect
	backend     backend
	health      health
	auditBuffer auditBuffer

	outboxFull [laneCount]atomic.Bool // set by OutboxBacklog, read by Enqueue
	queued     chan struct{}          // holds one token after a commit with new messages
}

// backend runs transactions; there is one for each database.
type backend interface {
	read(ctx context.Context, fn func(querier) error) error
	readOne(ctx context.Context, fn func(querier) error) error
	write(ctx context.Context, fn func(querier) error) error
	ping(ctx context.Context) error
	close() error
}

// Open opens the database, migrates its schema and checks its integrity. A database file that
// was lost or damaged is an error: Open never replaces it with an empty one.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if cfg.Now == nil {
		return nil, errors.New("open database: Config.Now is required")
	}
	if cfg.MaxWait == 0 {
		cfg.MaxWait = 2 * time.Second
	}
	if cfg.Connections == 0 {
		cfg.Connections = 20
	}
	if cfg.OutboxLimit == 0 {
		cfg.OutboxLimit = OutboxLimit
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	db := &DB{cfg: cfg, clock: &clock{read: cfg.Now}, queued: make(chan struct{}, 1)}
	var err error
	switch scheme, rest, _ := strings.Cut(cfg.URL, ":"); scheme {
	case "sqlite":
		db.dialect = sqlite
		db.backend, err = openSQLite(ctx, cfg, rest, &db.health)
	case "postgres", "postgresql":
		db.dialect = postgres
		db.backend, err = openPostgres(ctx, cfg)
	default:
		err = fmt.Errorf("database %q must be sqlite:PATH or postgres://…", scheme)
	}
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	return db, nil
}

// Close writes the pending audit lines, waits for running transactions and closes the database.
// Closing it again does nothing.
func (db *DB) Close() error {
	var err error
	db.closed.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), db.cfg.MaxWait)
		defer cancel()
		err = db.FlushAudit(ctx)
		db.ended.Store(true)
		err = errors.Join(err, db.backend.close())
	})
	return err
}

// checkOpen returns Unavailable after Close.
func (db *DB) checkOpen() error {
	if db.ended.Load() {
		return auth.Unavailable(errClosed, 2*time.Second)
	}
	return nil
}

// Dialect returns "sqlite" or "postgres".
func (db *DB) Dialect() string { return string(db.dialect) }

// UsesPooler reports whether a connection pooler is between the server and PostgreSQL.
func (db *DB) UsesPooler() bool {
	pg, ok := db.backend.(*postgresDB)
	return ok && pg.pooled
}

// Ping returns nil when the database is available and undamaged. It is the readiness check.
func (db *DB) Ping(ctx context.Context) error {
	if err := cmp.Or(db.checkOpen(), db.health.corruption()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, db.cfg.MaxWait)
	defer cancel()
	return db.translateError(db.backend.ping(ctx))
}

// Now returns the time of the store's clock. It never runs backwards while the database is open,
// so that expired values stay expired when the system clock is set back.
func (db *DB) Now() time.Time { return db.clock.now() }

// Keyring returns the keys that seal values at rest.
func (db *DB) Keyring() *secret.Keyring { return db.cfg.Keyring }

// Read runs fn on one consistent snapshot of the rows of the tenant.
func (db *DB) Read(ctx context.Context, tenant auth.TenantID, fn func(*Tx) error) error {
	return db.run(ctx, tenant, db.backend.read, fn)
}

// ReadOne runs fn without a transaction. Each statement sees one state, and several may see different
// ones, so a Write must check again what they found. fn may run twice.
func (db *DB) ReadOne(ctx context.Context, tenant auth.TenantID, fn func(*Tx) error) error {
	return db.run(ctx, tenant, db.backend.readOne, fn)
}

// Write runs fn in a serializable transaction. It commits when fn returns nil or an error made
// by CommitWith, and rolls back on every other error. It returns after the commit is durable. fn
// may run again after a serialization failure, and on SQLite it shares its commit with other
// Writes. It must therefore touch only tx and its own variables: no hashing, signing, mail,
// network or waiting.
func (db *DB) Write(ctx context.Context, tenant auth.TenantID, fn func(*Tx) error) error {
	if err := db.health.corruption(); err != nil {
		return auth.Unavailable(err, time.Minute)
	}
	return db.run(ctx, tenant, db.backend.write, fn)
}

func (db *DB) run(ctx context.Context, tenant auth.TenantID, run func(context.Context, func(querier) error) error, fn func(*Tx) error) error {
	if tenant == "" {
		return errors.New("store: the tenant is empty")
	}
	if err := db.checkOpen(); err != nil {
		return err
	}
	queued := false
	err := run(ctx, func(q querier) error {
		tx := db.tenantTx(tenant, q)
		err := fn(tx)
		queued = tx.queued
		return err
	})
	if queued && (err == nil || commits(err)) {
		select {
		case db.queued <- struct{}{}:
		default:
		}
	}
	return db.translateError(err)
}

// Queued receives a token after this process has committed messages for the outbox, one for any
// number of commits. Messages of other processes are found by polling.
func (db *DB) Queued() <-chan struct{} { return db.queued }

// now is truncated to the precision of the database, so that a value compares equal before and
// after it was stored.
func (db *DB) now() time.Time { return db.clock.now().UTC().Truncate(time.Millisecond) }

// ReadSystem reads across tenants. It is for the server's own work.
func (db *DB) ReadSystem(ctx context.Context, fn func(*SystemTx) error) error {
	if err := db.checkOpen(); err != nil {
		return err
	}
	return db.translateError(db.backend.read(ctx, func(q querier) error { return fn(db.systemTx(q)) }))
}

// WriteSystem writes across tenants, under the rules of Write.
func (db *DB) WriteSystem(ctx context.Context, fn func(*SystemTx) error) error {
	if err := db.health.corruption(); err != nil {
		return auth.Unavailable(err, time.Minute)
	}
	if err := db.checkOpen(); err != nil {
		return err
	}
	return db.translateError(db.backend.write(ctx, func(q querier) error { return fn(db.systemTx(q)) }))
}

func (db *DB) tenantTx(tenant auth.TenantID, q querier) *Tx {
	return &Tx{Now: db.now(), tenant: tenant, q: &keepingQuerier{querier: q}, db: db}
}

func (db *DB) systemTx(q querier) *SystemTx {
	return &SystemTx{Now: db.now(), q: &keepingQuerier{querier: q}, db: db}
}

// commitError is an error after which the transaction commits.
type commitError struct{ error }

func (e commitError) Unwrap() error { return e.error }

// CommitWith marks a refusal whose writes must be committed: a consumed link, a counted failure,
// an audit line. Write commits, then returns err itself.
func CommitWith(err error) error { return commitError{err} }

// commits reports whether a transaction that returned err commits.
func commits(err error) bool {
	_, ok := errors.AsType[commitError](err)
	return ok
}

// translateError removes the mark of CommitWith. It maps a failure of the database to a refusal
// of KindUnavailable, and a missing parent row to ErrNotFound.
func (db *DB) translateError(err error) error {
	if err == nil {
		return nil
	}
	if db.dialect.isCorrupt(err) {
		db.health.markCorrupt(err, db.cfg.Log)
	}
	if refusal, ok := err.(commitError); ok {
		return refusal.error
	}
	if _, ok := errors.AsType[*auth.Error](err); ok {
		return err
	}
	if db.dialect.isUnavailable(err) {
		return auth.Unavailable(err, 2*time.Second)
	}
	if db.dialect.isForeignKeyViolation(err) {
		// The row that the new one refers to was deleted after it was read.
		return fmt.Errorf("%w: %w", auth.ErrNotFound, err)
	}
	return err
}
