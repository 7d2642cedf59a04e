// Package store is the only room with SQL in it.
//
// It remembers: accounts, credentials, sessions, refresh families, single-use
// secrets, roles, clients, keys, settings, the audit log and the outbox, in
// SQLite or in PostgreSQL, with one text for every statement. It knows no policy:
// a condition in a statement is there so that two writers cannot both win, never
// to decide who may do what.
//
// Open gives a DB. Statements exist only on a Tx, and a Tx exists only inside
// Read or Write, where the tenant is bound: the store puts it into every
// statement, so a service cannot reach a row of another tenant. ReadSystem and
// WriteSystem are the rare way across tenants.
package store

import (
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
)

// Config says which database to open and how.
type Config struct {
	// URL is "sqlite:PATH" or "postgres://…".
	URL string
	// Keyring seals what must be readable again.
	Keyring *secret.Keyring
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// Connections bounds the PostgreSQL pool; 20 when zero.
	Connections int
	// MaxWait bounds how long a request may wait for the database; 2 s when zero.
	MaxWait time.Duration
	// OutboxLimit bounds the messages that wait; the constant of that name when zero.
	OutboxLimit int64
	// SkipMigrations leaves the schema as it is. Open then fails with a *SchemaError when it
	// is not the one of this program.
	SkipMigrations bool
	// DisableGroupCommit switches group commit off. It exists for the benchmark that
	// shows what group commit is worth.
	DisableGroupCommit bool
	// Log receives what an operator should know: retries that were given up, damage.
	Log *slog.Logger
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	cfg         Config
	clock       *clock
	closed      sync.Once
	dialect     dialect
	backend     backend
	health      health
	auditBuffer auditBuffer

	outboxFull [laneCount]atomic.Bool // set by Waiting, read by Enqueue
	queued     chan struct{}          // holds one token after a commit that queued messages
}

// backend runs transactions; there is one for each database.
type backend interface {
	read(ctx context.Context, fn func(querier) error) error
	readOne(ctx context.Context, fn func(querier) error) error
	write(ctx context.Context, fn func(querier) error) error
	ping(ctx context.Context) error
	close() error
}

// Open opens the database, brings its schema up to date and checks that it is
// whole. A database file that has vanished or was damaged is an error that says
// so: it is never replaced by an empty one.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
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
		err = fmt.Errorf("database %q is neither sqlite:PATH nor postgres://…", scheme)
	}
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	return db, nil
}

// Close writes the audit lines that wait, waits for running transactions and closes
// the database. Closing it again does nothing.
func (db *DB) Close() error {
	var err error
	db.closed.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), db.cfg.MaxWait)
		defer cancel()
		err = errors.Join(db.FlushAudit(ctx), db.backend.close())
	})
	return err
}

// Dialect is "sqlite" or "postgres".
func (db *DB) Dialect() string { return string(db.dialect) }

// UsesPooler reports whether a connection pooler stands between us and PostgreSQL.
func (db *DB) UsesPooler() bool {
	pg, ok := db.backend.(*postgresDB)
	return ok && pg.pooled
}

// Ping reports whether the database answers and is whole: what readiness means.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.health.corruption(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, db.cfg.MaxWait)
	defer cancel()
	return db.translateError(db.backend.ping(ctx))
}

// Now is the store's clock. It never runs backwards while the database is open, so
// that what has expired stays expired when the system's clock is set back.
func (db *DB) Now() time.Time { return db.clock.now() }

// Keyring is what the store seals with, for the one caller that reseals keys.
func (db *DB) Keyring() *secret.Keyring { return db.cfg.Keyring }

// Read runs fn on one consistent picture of the tenant's rows.
func (db *DB) Read(ctx context.Context, tenant auth.TenantID, fn func(*Tx) error) error {
	return db.run(ctx, tenant, db.backend.read, fn)
}

// ReadOne is Read for a single statement, which is one consistent picture by itself,
// so nothing has to be begun and ended around it. fn may run twice.
func (db *DB) ReadOne(ctx context.Context, tenant auth.TenantID, fn func(*Tx) error) error {
	return db.run(ctx, tenant, db.backend.readOne, fn)
}

// Write runs fn in a serializable transaction. It commits when fn returns nil or
// an error made by CommitWith, rolls back on every other error, and returns only when
// the commit is durable. After a lost race it runs fn again, and on SQLite it
// shares its commit with others; so fn touches nothing but tx and its own
// variables: no hashing, no signing, no mail, no network, no waiting.
func (db *DB) Write(ctx context.Context, tenant auth.TenantID, fn func(*Tx) error) error {
	if err := db.health.corruption(); err != nil {
		return auth.Unavailable(err, time.Minute)
	}
	return db.run(ctx, tenant, db.backend.write, fn)
}

func (db *DB) run(ctx context.Context, tenant auth.TenantID, how func(context.Context, func(querier) error) error, fn func(*Tx) error) error {
	if tenant == "" {
		return errors.New("store: a transaction without a tenant")
	}
	queued := false
	err := how(ctx, func(q querier) error {
		tx := &Tx{Now: db.now(), tenant: tenant, q: q, db: db}
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

// Queued gives a token after this process has committed messages for the outbox:
// one for any number of commits, to whoever asks first. Messages of other
// processes are found by looking.
func (db *DB) Queued() <-chan struct{} { return db.queued }

// now is cut to what the database can hold, so that a value compares alike before
// and after it was stored.
func (db *DB) now() time.Time { return db.clock.now().UTC().Truncate(time.Millisecond) }

// ReadSystem reads across tenants. It is for the server's own work.
func (db *DB) ReadSystem(ctx context.Context, fn func(*SystemTx) error) error {
	return db.translateError(db.backend.read(ctx, func(q querier) error { return fn(db.systemTx(q)) }))
}

// WriteSystem writes across tenants, under the rules of Write.
func (db *DB) WriteSystem(ctx context.Context, fn func(*SystemTx) error) error {
	if err := db.health.corruption(); err != nil {
		return auth.Unavailable(err, time.Minute)
	}
	return db.translateError(db.backend.write(ctx, func(q querier) error { return fn(db.systemTx(q)) }))
}

func (db *DB) systemTx(q querier) *SystemTx {
	return &SystemTx{Now: db.now(), q: q, db: db}
}

// kept is an error that commits.
type commitError struct{ error }

func (k commitError) Unwrap() error { return k.error }

// CommitWith marks a refusal whose traces must survive it: a spent link, a counted
// failure, an audit line. Write commits, then returns err itself.
func CommitWith(err error) error { return commitError{err} }

func commits(err error) bool {
	_, ok := errors.AsType[commitError](err)
	return ok
}

// translateError takes the mark off and turns a database that cannot answer into a
// refusal that says "later"; whatever else went wrong stays a fault.
func (db *DB) translateError(err error) error {
	if err == nil {
		return nil
	}
	if db.dialect.isCorrupt(err) {
		db.health.markCorrupt(err, db.cfg.Log)
	}
	if k, ok := err.(commitError); ok {
		return k.error
	}
	if _, ok := errors.AsType[*auth.Error](err); ok {
		return err
	}
	if db.dialect.isUnavailable(err) {
		return auth.Unavailable(err, 2*time.Second)
	}
	if db.dialect.isForeignKeyViolation(err) {
		// What the new row belongs to was there when it was read and is gone now.
		return fmt.Errorf("%w: %w", auth.ErrNotFound, err)
	}
	return err
}
