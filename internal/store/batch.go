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

// The transaction of a batch, and the writing connection.

// connect opens the writing connection when there is none. SQLite itself does not
// wait for locks there: begin waits, and knows when nobody waits with it any more.
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

// begin starts a transaction. While another process holds the file it keeps
// trying for as long as one of the jobs is waited for.
func (w *writer) begin(batch []*job) error {
	for pause, fresh := time.Millisecond, false; ; pause = min(2*pause, 20*time.Millisecond) {
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
			time.Sleep(pause)
		case fresh:
			return err
		default: // perhaps only the connection is broken
			w.c.drop()
			fresh = true
		}
	}
}

func hasWaiter(batch []*job) bool {
	for _, j := range batch {
		if j.ctx.Err() == nil {
			return true
		}
	}
	return false
}

// try runs the jobs in the transaction that has begun. It returns an error when
// the transaction as a whole failed; the error of a single job is left in the job.
func (w *writer) runBatch(batch []*job) (err error) {
	// A cancelled statement would roll the whole transaction back, so a caller that
	// goes away is only looked at before its turn.
	q := &jobQuery{liteQuery: liteQuery{context.Background(), &w.c}}
	committed := false
	defer func() {
		if !committed {
			q.liteQuery.exec("ROLLBACK") // fails when SQLite has rolled back by itself
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
			j.err = err // durable, though nobody is told
		}
	}
	return nil
}

// runJob runs one job; only what breaks the transaction around it is returned.
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

// call runs fn and catches what would otherwise end the writer with it.
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
		w.log.Error("panic in a transaction", "panic", j.panicValue, "stack", string(debug.Stack()))
	}()
	j.err = j.fn(q)
	returned = true
}

// jobQuery stops at the first failure after which SQLite may have rolled the whole
// transaction back by itself: a later statement would commit alone.
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
