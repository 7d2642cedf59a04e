package store

import (
	"context"
	"database/sql"
	"errors"
	"runtime/debug"
	"time"

	moderncsqlite "modernc.org/sqlite"

	"github.com/watchword-auth/watchword/internal/fault"
)

// This file runs the transaction of a batch on the writing connection.

// connect opens the writing connection when there is none. It disables SQLite's own waiting for
// locks: begin waits, and knows when no caller waits any more.
func (w *writer) connect() error {
	if w.c.conn != nil {
		return nil
	}
	if err := connect(context.Background(), w.pool, &w.c); err != nil {
		return err
	}
	_, err := w.c.conn.ExecContext(context.Background(), "PRAGMA busy_timeout = 0")
	return err
}

// begin starts a transaction. While another process holds the file, it tries again for as long
// as a caller of the batch waits.
func (w *writer) begin(batch []*job) error {
	for pause, reconnected := time.Millisecond, false; ; pause = min(2*pause, 20*time.Millisecond) {
		err := w.connect()
		if err == nil {
			_, err = liteQuery{context.Background(), &w.c}.exec("BEGIN IMMEDIATE")
		}
		switch {
		case err == nil:
			return nil
		case isBusy(err):
			if !hasWaiter(batch) {
				return err
			}
			w.timers.Sleep(context.Background(), pause)
		case reconnected:
			return err
		default: // perhaps the connection is broken
			w.c.drop()
			reconnected = true
		}
	}
}

// hasWaiter reports whether a caller of the batch still waits.
func hasWaiter(batch []*job) bool {
	for _, j := range batch {
		if j.ctx.Err() == nil {
			return true
		}
	}
	return false
}

// runBatch runs the jobs in the transaction that has begun. It returns an error when the
// transaction as a whole failed; the error of a single job is stored in the job.
func (w *writer) runBatch(batch []*job) (err error) {
	// A cancelled statement would roll back the whole transaction, so a cancelled context
	// is checked only before its job runs.
	q := &jobQuery{liteQuery: liteQuery{context.Background(), &w.c}}
	committed := false
	defer func() {
		if !committed {
			q.liteQuery.exec("ROLLBACK") // fails when SQLite has rolled back already
		}
	}()
	for _, j := range batch {
		if !j.claim() || j.aborted() {
			continue
		}
		if err := w.runJob(q, j); err != nil {
			return err
		}
	}
	if err := fault.Point(fault.StoreBeforeCommit); err != nil {
		return err
	}
	if _, err := q.exec("COMMIT"); err != nil {
		return err
	}
	committed = true
	if err := fault.Point(fault.StoreAfterCommit); err != nil {
		for _, j := range batch {
			j.err = err // durable, but reported as an error
		}
	}
	return nil
}

// runJob runs one job in a savepoint. It returns only errors that break the transaction around
// it.
func (w *writer) runJob(q *jobQuery, j *job) error {
	if _, err := q.exec("SAVEPOINT job"); err != nil {
		return err
	}
	w.callJob(j, q)
	if q.broken != nil {
		return q.broken
	}
	if !j.aborted() && (j.err == nil || commits(j.err)) {
		_, err := q.exec("RELEASE job")
		return err
	}
	if _, err := q.exec("ROLLBACK TO job"); err != nil {
		return err
	}
	_, err := q.exec("RELEASE job")
	return err
}

// callJob runs fn and recovers from its panics, which would end the writer.
func (w *writer) callJob(j *job, q querier) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if j.panicValue = recover(); j.panicValue == nil {
			j.exited = true // nothing stops runtime.Goexit: see loop
			return
		}
		w.log.Error("transaction panicked", "panic", j.panicValue, "stack", string(debug.Stack()))
	}()
	j.err = j.fn(q)
	returned = true
}

// jobQuery stops at the first failure after which SQLite may have rolled back the whole
// transaction: a later statement would commit by itself.
type jobQuery struct {
	liteQuery
	broken error
}

func (q *jobQuery) query(text string, args ...any) (*sql.Rows, error) {
	if q.broken != nil {
		return nil, q.broken
	}
	rows, err := q.liteQuery.query(text, args...)
	q.noteError(err)
	return rows, err
}

func (q *jobQuery) exec(text string, args ...any) (sql.Result, error) {
	if q.broken != nil {
		return nil, q.broken
	}
	res, err := q.liteQuery.exec(text, args...)
	q.noteError(err)
	return res, err
}

func (q *jobQuery) noteError(err error) {
	if err == nil {
		return
	}
	if _, ok := errors.AsType[*moderncsqlite.Error](err); ok && sqlite.isUnavailable(err) {
		q.broken = err
	}
}
