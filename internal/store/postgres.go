package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/watchword-auth/watchword/internal/fault"
)

type postgresDB struct {
	pool *sql.DB
	wait time.Duration
	size int
	turn chan struct{} // holds one token while a write that has lost a race runs again
	// pooled: a pooler is in between, so limits are set for each transaction.
	pooled bool
}

// attempts bounds how often a lost race is run again.
const attempts = 12

// pgQuery binds a transaction to a context. PostgreSQL refuses everything after
// the first failure; that failure is what the caller must hear of.
type pgQuery struct {
	ctx  context.Context
	tx   *sql.Tx
	lost error
}

func (q *pgQuery) query(text string, args ...any) (*sql.Rows, error) {
	if q.lost != nil {
		return nil, q.lost
	}
	rows, err := q.tx.QueryContext(q.ctx, text, args...)
	q.lost = err
	return rows, err
}

func (q *pgQuery) exec(text string, args ...any) (sql.Result, error) {
	if q.lost != nil {
		return nil, q.lost
	}
	res, err := q.tx.ExecContext(q.ctx, text, args...)
	q.lost = err
	return res, err
}

func (db *postgresDB) read(ctx context.Context, fn func(querier) error) error {
	return db.retry(ctx, transaction{options: sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}}, fn)
}

// poolQuery runs each statement in a transaction of its own: one round trip, where
// a transaction of one statement has three.
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

// look is read for one statement.
func (db *postgresDB) readOne(ctx context.Context, fn func(querier) error) error {
	ctx, cancel := context.WithTimeout(ctx, db.wait)
	defer cancel()
	return db.past(ctx, func(q poolQuery) error { return fn(q) })
}

// past runs fn again while it meets connections that have died, which all of the
// idle ones may have done, and has not changed anything.
func (db *postgresDB) past(ctx context.Context, fn func(poolQuery) error) error {
	for n := 0; ; n++ {
		wrote := false
		err := fn(poolQuery{ctx, db.pool, &wrote})
		if err == nil || wrote || n > db.size || ctx.Err() != nil || !cut(err) || fresh(err) {
			return err
		}
	}
}

// fresh reports that a new connection could not be made; there is no use in trying
// another one.
func fresh(err error) bool {
	_, ok := errors.AsType[*pgconn.ConnectError](err)
	return ok
}

// swap runs single statements that check for themselves what they rest on, instead
// of a serializable transaction around them. fn reports whether its check held;
// if not, it runs again.
func (db *postgresDB) swap(ctx context.Context, fn func(querier) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, db.wait)
	defer cancel()
	for n := 1; ; n++ {
		held := false
		err := db.past(ctx, func(q poolQuery) (err error) {
			held, err = fn(q)
			return err
		})
		if held || err != nil && !postgres.lostRace(err) {
			return err
		}
		if n == attempts {
			return fmt.Errorf("the rows changed %d times meanwhile: %w", n, cmp.Or(err, errBusy))
		}
	}
}

// write is serializable, so that two nodes behave like SQLite's one writer: what
// fn read still holds when it commits, or fn runs again.
func (db *postgresDB) write(ctx context.Context, fn func(querier) error) error {
	return db.retry(ctx, transaction{options: sql.TxOptions{Isolation: sql.LevelSerializable}}, fn)
}

// transaction says how one is begun.
type transaction struct {
	options sql.TxOptions
	turn    bool // wait for the other nodes first
}

// retry runs fn again after a lost race, which a read never meets. A write that has
// lost one keeps the turn of its process until it is through, and takes that of all
// nodes in each further transaction. So the retries of many writes do not race among
// themselves, and a write is not refused because there are many.
func (db *postgresDB) retry(ctx context.Context, how transaction, fn func(querier) error) error {
	ctx, cancel := context.WithTimeout(ctx, db.wait)
	defer cancel()
	for n := 1; ; n++ {
		err := db.once(ctx, how, fn)
		lost := postgres.lostRace(err)
		// A read that was cut off has done nothing; of a write that is not known. All
		// connections may be cut within a moment, each when it is used next.
		again := lost || n <= 2 && clashed(err) || how.options.ReadOnly && n <= 4 && err != nil && cut(err)
		if !again || n == attempts {
			return err
		}
		if lost && !how.turn {
			select {
			case db.turn <- struct{}{}:
			case <-ctx.Done():
				return err
			}
			defer func() { <-db.turn }()
			how.turn = true
			continue
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(rand.N(time.Duration(n) * 4 * time.Millisecond)):
		}
	}
}

// lockTurn makes a transaction wait until no other node retries a write. It has to be
// the first statement: unlike any other it takes no snapshot, so the transaction sees
// what was committed while it waited. No statement of ours conflicts with the lock.
const lockTurn = "LOCK TABLE settings IN SHARE UPDATE EXCLUSIVE MODE"

// begin starts a transaction. An idle connection may turn out to be dead, and so
// may all of them after a restart of the server: nothing has happened yet, so the
// next one is tried, and at last a new one.
func (db *postgresDB) begin(ctx context.Context, how transaction) (*sql.Tx, error) {
	for n := 0; ; n++ {
		tx, err := db.pool.BeginTx(ctx, &how.options)
		if err == nil || n > db.size || ctx.Err() != nil || !cut(err) {
			return tx, err
		}
		if fresh(err) {
			return nil, err
		}
	}
}

func (db *postgresDB) once(ctx context.Context, how transaction, fn func(querier) error) (err error) {
	tx, err := db.begin(ctx, how)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after a commit
	if how.turn {
		if _, err := tx.ExecContext(ctx, lockTurn); err != nil {
			return err
		}
	}
	if db.pooled {
		if _, err := tx.ExecContext(ctx, setLimits, db.limit(), true); err != nil {
			return err
		}
	}
	q := &pgQuery{ctx: ctx, tx: tx}
	refusal := fn(q)
	if q.lost != nil && (refusal == nil || keeps(refusal) || postgres.unavailable(q.lost)) {
		return q.lost // whatever fn made of it
	}
	if refusal != nil && !keeps(refusal) {
		return refusal
	}
	if how.options.ReadOnly {
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
