package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/watchword-auth/watchword/internal/fault"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/timer"
)

type postgresDB struct {
	pool      *sql.DB
	wait      time.Duration
	size      int
	timers    timer.Source
	retryTurn chan struct{} // holds one token while a write is retried
	// pooled means that a pooler is in between, so limits are set in each transaction.
	pooled bool
}

// maxAttempts bounds the runs of a transaction after serialization failures.
const maxAttempts = 12

// pgQuery binds a transaction to a context. PostgreSQL refuses every statement after the first
// failure, so that failure is returned.
type pgQuery struct {
	ctx    context.Context
	tx     *sql.Tx
	failed error
}

func (q *pgQuery) query(text string, args ...any) (*sql.Rows, error) {
	if q.failed != nil {
		return nil, q.failed
	}
	rows, err := q.tx.QueryContext(q.ctx, text, args...)
	q.failed = err
	return rows, err
}

func (q *pgQuery) exec(text string, args ...any) (sql.Result, error) {
	if q.failed != nil {
		return nil, q.failed
	}
	res, err := q.tx.ExecContext(q.ctx, text, args...)
	q.failed = err
	return res, err
}

func (db *postgresDB) read(ctx context.Context, fn func(querier) error) error {
	return db.retry(ctx, txMode{options: sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}}, fn)
}

// poolQuery runs each statement in a transaction of its own: one round trip instead of three.
type poolQuery struct {
	ctx   context.Context
	pool  *sql.DB
	wrote *bool // set before the first statement that may change something
}

func (q poolQuery) query(text string, args ...any) (*sql.Rows, error) {
	return q.pool.QueryContext(q.ctx, text, args...)
}

func (q poolQuery) exec(text string, args ...any) (sql.Result, error) {
	*q.wrote = true
	return q.pool.ExecContext(q.ctx, text, args...)
}

// readOne is read for one statement.
func (db *postgresDB) readOne(ctx context.Context, fn func(querier) error) error {
	ctx, cancel := context.WithTimeout(ctx, db.wait)
	defer cancel()
	return db.retryDeadConnections(ctx, func(q poolQuery) error { return fn(q) })
}

// retryDeadConnections runs fn again when it meets a dead connection and has changed nothing.
// All idle connections may be dead.
func (db *postgresDB) retryDeadConnections(ctx context.Context, fn func(poolQuery) error) error {
	for n := 0; ; n++ {
		wrote := false
		err := fn(poolQuery{ctx, db.pool, &wrote})
		if err == nil || wrote || n > db.size || ctx.Err() != nil || !isConnectionLost(err) || isConnectFailure(err) {
			return err
		}
	}
}

// isConnectFailure reports that a new connection could not be made, so that trying another one
// is useless.
func isConnectFailure(err error) bool {
	_, ok := errors.AsType[*pgconn.ConnectError](err)
	return ok
}

// compareAndSwap runs single statements that check their own preconditions, instead of a
// serializable transaction around them. fn reports whether its precondition held; if not, it
// runs again.
func (db *postgresDB) compareAndSwap(ctx context.Context, fn func(querier) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, db.wait)
	defer cancel()
	for n := 1; ; n++ {
		held := false
		err := db.retryDeadConnections(ctx, func(q poolQuery) (err error) {
			held, err = fn(q)
			return err
		})
		if held || err != nil && !postgres.isSerializationFailure(err) {
			return err
		}
		if n == maxAttempts {
			return fmt.Errorf("the rows changed %d times meanwhile: %w", n, cmp.Or(err, errBusy))
		}
	}
}

// write is serializable, so that several nodes behave like the one writer of SQLite: what fn
// read still holds when it commits, or fn runs again.
func (db *postgresDB) write(ctx context.Context, fn func(querier) error) error {
	return db.retry(ctx, txMode{options: sql.TxOptions{Isolation: sql.LevelSerializable}}, fn)
}

// txMode is how a transaction begins.
type txMode struct {
	options sql.TxOptions
	turn    bool // wait for the other nodes first
}

// retry runs fn again after a serialization failure, which a read never meets. A write that
// failed keeps the turn of its process until it succeeds, and takes the turn of all nodes in
// each further transaction. So the retries of many writes do not conflict with one another, and
// a busy database refuses no write.
func (db *postgresDB) retry(ctx context.Context, mode txMode, fn func(querier) error) error {
	ctx, cancel := context.WithTimeout(ctx, db.wait)
	defer cancel()
	for n := 1; ; n++ {
		err := db.runTx(ctx, mode, fn)
		lost := postgres.isSerializationFailure(err)
		// An interrupted read has changed nothing; a write may have. All connections may be
		// broken, which shows at the next use of each.
		again := lost || n <= 2 && isConstraintViolation(err) || mode.options.ReadOnly && n <= 4 && err != nil && isConnectionLost(err)
		if !again || n == maxAttempts {
			return err
		}
		if lost && !mode.turn {
			select {
			case db.retryTurn <- struct{}{}:
			case <-ctx.Done():
				return err
			}
			defer func() { <-db.retryTurn }()
			mode.turn = true
			continue
		}
		if db.timers.Sleep(ctx, secret.Jitter(time.Duration(n)*4*time.Millisecond)) != nil {
			return err
		}
	}
}

// lockRetryTurn makes a transaction wait until no other node retries a write. It must be the
// first statement: it takes no snapshot, so the transaction sees what was committed while it
// waited. No other statement conflicts with this lock.
const lockRetryTurn = "LOCK TABLE settings IN SHARE UPDATE EXCLUSIVE MODE"

// begin starts a transaction. An idle connection may be dead, and all of them after a restart of
// the server. Nothing has happened yet, so it tries the next one and finally a new one.
func (db *postgresDB) begin(ctx context.Context, mode txMode) (*sql.Tx, error) {
	for n := 0; ; n++ {
		tx, err := db.pool.BeginTx(ctx, &mode.options)
		if err == nil || n > db.size || ctx.Err() != nil || !isConnectionLost(err) {
			return tx, err
		}
		if isConnectFailure(err) {
			return nil, err
		}
	}
}

func (db *postgresDB) runTx(ctx context.Context, mode txMode, fn func(querier) error) (err error) {
	tx, err := db.begin(ctx, mode)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after a commit
	if mode.turn {
		if _, err := tx.ExecContext(ctx, lockRetryTurn); err != nil {
			return err
		}
	}
	if db.pooled {
		if _, err := tx.ExecContext(ctx, setLimitsText, db.timeoutMillis(), true); err != nil {
			return err
		}
	}
	q := &pgQuery{ctx: ctx, tx: tx}
	refusal := fn(q)
	if q.failed != nil && (refusal == nil || commits(refusal) || postgres.isUnavailable(q.failed)) {
		return q.failed // also when fn returned another error
	}
	if refusal != nil && !commits(refusal) {
		return refusal
	}
	if mode.options.ReadOnly {
		return refusal
	}
	if err := fault.Point(fault.StoreBeforeCommit); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	if err := fault.Point(fault.StoreAfterCommit); err != nil {
		return err
	}
	return refusal
}

func (db *postgresDB) ping(ctx context.Context) error { return db.pool.PingContext(ctx) }

func (db *postgresDB) close() error { return db.pool.Close() }
