package store

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/watchword-auth/watchword/internal/timer"
)

// This is the group-commit writer. SQLite has one writer, and a durable commit costs one sync of
// the disk. One goroutine owns the writing connection. It runs all waiting Writes, each in a
// savepoint of one transaction, commits them together and then returns their results. Under load
// they share the sync; without load no Write waits.

const (
	batchLimit = 128  // Writes in one commit, which bounds the wait of the first
	queueLimit = 4096 // waiting Writes; more are refused
)

// job is one Write. While it is queued, it belongs to its caller, who may withdraw it. From its
// claim until done, it belongs to the writer.
type job struct {
	ctx        context.Context // ends when the caller stops waiting
	fn         func(querier) error
	state      atomic.Int32
	err        error
	panicValue any  // what fn panicked with; re-raised in the caller
	exited     bool // fn ended its goroutine (runtime.Goexit); so does the caller
	done       chan struct{}
}

const (
	jobQueued int32 = iota
	jobClaimed
	jobAbandoned // the caller has stopped waiting
)

// claim claims the job for the writer, and reports whether its caller still waits.
func (j *job) claim() bool {
	return j.state.CompareAndSwap(jobQueued, jobClaimed) || j.state.Load() == jobClaimed
}

// aborted reports that fn did not return, so that it must not run again.
func (j *job) aborted() bool { return j.panicValue != nil || j.exited }

type writer struct {
	queue    chan *job
	batchMax int
	wait     time.Duration // bounds the wait of a job
	errLate  error         // the error after that
	log      *slog.Logger
	timers   timer.Source
	pool     *sql.DB
	c        liteConn // owned by loop
	batch    []*job   // owned by loop

	mu      sync.RWMutex // read-locked to send on queue, locked by stop
	stopped bool
	ended   chan struct{}
}

func startWriter(pool *sql.DB, cfg Config) (*writer, error) {
	w := &writer{
		queue: make(chan *job, queueLimit), batchMax: batchLimit, wait: cfg.MaxWait, pool: pool, log: cfg.Log, timers: cfg.Timers,
		errLate: fmt.Errorf("no turn to write within %s: %w", cfg.MaxWait, errBusy), ended: make(chan struct{}),
	}
	if cfg.DisableGroupCommit {
		w.batchMax = 1
	}
	if err := w.connect(); err != nil {
		return nil, err
	}
	go w.loop()
	return w, nil
}

// submit passes fn to the writer and waits until its commit is durable. It waits for its turn up
// to the configured time. After fn has begun, it waits to the end, because the outcome must be
// known.
func (w *writer) submit(ctx context.Context, fn func(querier) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, w.wait, w.errLate)
	defer cancel()
	j := &job{ctx: ctx, fn: fn, done: make(chan struct{})}
	if err := w.send(j); err != nil {
		return err
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		if j.state.CompareAndSwap(jobQueued, jobAbandoned) {
			return context.Cause(ctx)
		}
		<-j.done
	}
	if j.panicValue != nil {
		panic(j.panicValue)
	}
	if j.exited {
		runtime.Goexit()
	}
	return j.err
}

func (w *writer) send(j *job) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.stopped {
		return errClosed
	}
	if err := j.ctx.Err(); err != nil {
		return err
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

// loop writes until the queue is closed and empty.
func (w *writer) loop() {
	returned := false
	defer func() {
		if !returned { // a job ended the goroutine; the rest of its batch continues in another
			go w.loop()
			return
		}
		w.c.close()
		close(w.ended)
	}()
	w.commitBatch()
	for j := range w.queue {
		w.fillBatch(j)
		w.commitBatch()
	}
	returned = true
}

// fillBatch takes j and all other waiting jobs.
func (w *writer) fillBatch(j *job) {
	w.batch = append(w.batch, j)
	for len(w.batch) < w.batchMax {
		select {
		case j, ok := <-w.queue:
			if !ok {
				return
			}
			w.batch = append(w.batch, j)
		default:
			return
		}
	}
}

// commitBatch runs the batch and replies. When the transaction as a whole fails, as with a full
// disk, every job of a larger batch runs again in a transaction of its own, so that one cannot
// fail the others.
func (w *writer) commitBatch() {
	if len(w.batch) == 0 {
		return
	}
	err := w.begin(w.batch)
	if err != nil {
		w.reply(len(w.batch), err)
		return
	}
	if err = w.runBatch(w.batch); err == nil || len(w.batch) == 1 {
		w.reply(len(w.batch), err)
		return
	}
	for len(w.batch) > 0 {
		first := w.batch[:1]
		if err = w.begin(first); err == nil {
			err = w.runBatch(first)
		}
		w.reply(1, err)
	}
}

// reply completes the first n jobs, with err if that is not nil, else each with its own.
func (w *writer) reply(n int, err error) {
	for _, j := range w.batch[:n] {
		if err != nil && j.claim() {
			j.err = err
		}
		close(j.done)
	}
	w.batch = slices.Delete(w.batch, 0, n)
}
