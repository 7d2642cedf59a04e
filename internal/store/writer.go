package store

import (
	"context"
	"database/sql"
	"fmt"
	"sync"

	"github.com/watchword-auth/watchword/internal/fault"
)

// The group-commit writer. SQLite has one writer, and a durable commit costs one
// sync of the disk; so one goroutine owns the writing connection, takes every
// Write that is waiting, runs each in a savepoint of one transaction, commits them
// together and only then answers all of them. Under load the sync is shared;
// without load nothing waits.

const (
	batchLimit = 128  // Writes in one commit: bounds how long the first one waits
	queueLimit = 4096 // Writes waiting: beyond it, a refusal is better than a wait
)

type job struct {
	ctx    context.Context
	fn     func(querier) error
	err    error
	panics any // what fn panicked with; goes on in the caller
	done   chan struct{}
}

type writer struct {
	queue chan *job
	most  int
	c     liteConn // owned by loop
	pool  *sql.DB

	mu      sync.RWMutex // held to send on queue; stop takes it whole
	stopped bool
	ended   chan struct{}
}

func startWriter(pool *sql.DB, cfg Config) (*writer, error) {
	w := &writer{queue: make(chan *job, queueLimit), most: batchLimit, pool: pool, ended: make(chan struct{})}
	if cfg.OneCommitEach {
		w.most = 1
	}
	if err := connect(context.Background(), pool, &w.c); err != nil {
		return nil, err
	}
	go w.loop()
	return w, nil
}

// do hands fn to the writer and waits until its commit is durable.
func (w *writer) do(ctx context.Context, fn func(querier) error) error {
	j := &job{ctx: ctx, fn: fn, done: make(chan struct{})}
	if err := w.send(j); err != nil {
		return err
	}
	// Once queued it is waited for: its outcome must not be guessed.
	<-j.done
	if j.panics != nil {
		panic(j.panics)
	}
	return j.err
}

func (w *writer) send(j *job) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.stopped {
		return fmt.Errorf("closed: %w", errBusy)
	}
	select {
	case w.queue <- j:
		return nil
	default:
		return fmt.Errorf("%d writes are waiting: %w", queueLimit, errBusy)
	}
}

func (w *writer) stop() {
	w.mu.Lock()
	if !w.stopped {
		w.stopped = true
		close(w.queue)
	}
	w.mu.Unlock()
	<-w.ended
}

func (w *writer) loop() {
	defer close(w.ended)
	defer w.c.close()
	for j := range w.queue {
		batch := []*job{j}
	fill:
		for len(batch) < w.most {
			select {
			case j, ok := <-w.queue:
				if !ok {
					break fill
				}
				batch = append(batch, j)
			default:
				break fill
			}
		}
		w.commit(batch)
		for _, j := range batch {
			close(j.done)
		}
	}
}

// commit runs the batch in one transaction. When the transaction as a whole is
// lost (full disk, busy file), every job of a larger batch gets its own try, so
// that one cannot take the others down.
func (w *writer) commit(batch []*job) {
	if err := w.try(batch); err == nil {
		return
	} else if len(batch) == 1 {
		batch[0].err = err
		return
	}
	for _, j := range batch {
		if j.panics == nil {
			j.err = w.try([]*job{j})
		}
	}
}

// try returns an error when the transaction as a whole failed; the error of a
// single job is left in the job.
func (w *writer) try(batch []*job) (err error) {
	// A cancelled statement would roll the whole transaction back, so a caller that
	// goes away is only looked at before its turn.
	q := liteQuery{context.Background(), &w.c}
	if _, err := q.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			q.exec("ROLLBACK") // fails when SQLite has rolled back by itself
		}
	}()
	for _, j := range batch {
		if err := w.savepoint(q, j); err != nil {
			return err
		}
	}
	if err := fault.Point(fault.StoreBeforeCommit); err != nil {
		return err
	}
	if _, err := q.exec("COMMIT"); err != nil {
		return err
	}
	return fault.Point(fault.StoreAfterCommit)
}

// savepoint runs one job; only what breaks the transaction around it is returned.
func (w *writer) savepoint(q liteQuery, j *job) error {
	if j.err = j.ctx.Err(); j.err != nil {
		return nil
	}
	if _, err := q.exec("SAVEPOINT job"); err != nil {
		return err
	}
	j.run(q)
	if j.panics == nil && (j.err == nil || keeps(j.err)) {
		_, err := q.exec("RELEASE job")
		return err
	}
	if sqlite.unavailable(j.err) {
		return j.err
	}
	if _, err := q.exec("ROLLBACK TO job"); err != nil {
		return err
	}
	_, err := q.exec("RELEASE job")
	return err
}

func (j *job) run(q querier) {
	defer func() { j.panics = recover() }()
	j.panics, j.err = nil, j.fn(q)
}
