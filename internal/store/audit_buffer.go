package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
)

// The audit buffer writes the lines of requests that change nothing in the database, such
// as client_credentials, in batches. A transaction for each would cost more than the request.
//
//   - A line is durable within AuditFlushInterval. A process that is killed loses the lines
//     of that interval and no other.
//   - The buffer holds AuditBufferLimit lines. When it is full, RecordLater waits for space,
//     and returns Unavailable when there is none within Config.MaxWait. No line is dropped.
//   - While the database is unavailable, lines are kept and written later.
const (
	AuditFlushInterval = time.Second
	AuditBufferLimit   = 8192

	auditFlushSize = 1024 // lines that are written without waiting for the interval
	auditBatchSize = 8    // lines of one statement: SQLite searches all parameters for each one
)

// auditBuffer holds the lines that are not written yet.
type auditBuffer struct {
	mu      sync.Mutex    // owns lines, stop, space
	lines   [][]any       // as auditRow returns them, checked
	stop    func() bool   // of the timer that runs while there are lines
	space   chan struct{} // closed when there is space
	writing sync.Mutex    // held while lines are written, which keeps their order
}

// RecordLater records an audit line that belongs to no transaction. It returns before the line
// is durable.
func (db *DB) RecordLater(ctx context.Context, tenant auth.TenantID, e auth.Event) error {
	now := db.now()
	line := auditRow(auditEntry{tenant, secret.NewID(now), now, e})
	if err := checkText(line); err != nil {
		return err // it would block the lines after it
	}
	space := db.auditBuffer.add(line, db.startAuditTimer)
	if space == nil {
		return nil
	}
	timeout, stop := db.cfg.Timers.After(db.cfg.MaxWait)
	defer stop()
	for ; space != nil; space = db.auditBuffer.add(line, db.startAuditTimer) {
		select {
		case <-space:
		case <-ctx.Done():
			return auth.Unavailable(ctx.Err(), time.Second)
		case <-timeout:
			return auth.Unavailable(fmt.Errorf("%d audit lines are waiting", AuditBufferLimit), 2*time.Second)
		}
	}
	return nil
}

// add adds the line, or returns a channel that is closed when there is space.
func (l *auditBuffer) add(line []any, start func(time.Duration) (stop func() bool)) (space <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) >= AuditBufferLimit {
		if l.space == nil {
			l.space = make(chan struct{})
		}
		return l.space
	}
	l.lines = append(l.lines, line)
	switch {
	case l.stop == nil:
		l.stop = start(AuditFlushInterval)
	case len(l.lines) == auditFlushSize && l.stop():
		l.stop = start(0)
	}
	return nil
}

// peek returns up to n lines, which stay in the buffer until discard.
func (l *auditBuffer) peek(n int) [][]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines[:min(n, len(l.lines))]
}

// discard removes the first n lines and wakes the callers that wait for space.
func (l *auditBuffer) discard(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(make([][]any, 0, len(l.lines)-n), l.lines[n:]...)
	if l.space != nil {
		close(l.space)
		l.space = nil
	}
}

// restartTimer starts the timer again while lines wait.
func (l *auditBuffer) restartTimer(start func(time.Duration) (stop func() bool)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop = nil
	if len(l.lines) > 0 {
		l.stop = start(AuditFlushInterval)
	}
}

// startAuditTimer writes the waiting lines after d.
func (db *DB) startAuditTimer(d time.Duration) (stop func() bool) {
	return db.cfg.Timers.AfterFunc(d, db.flushAudit)
}

func (db *DB) flushAudit() {
	if err := db.FlushAudit(context.Background()); err != nil {
		db.cfg.Log.Warn("audit lines not written; they will be retried", "error", err)
	}
	db.auditBuffer.restartTimer(db.startAuditTimer)
}

// FlushAudit writes the pending lines of RecordLater.
func (db *DB) FlushAudit(ctx context.Context) error {
	db.auditBuffer.writing.Lock()
	defer db.auditBuffer.writing.Unlock()
	for {
		lines := db.auditBuffer.peek(auditFlushSize)
		if len(lines) == 0 {
			return nil
		}
		if err := db.WriteSystem(ctx, func(tx *SystemTx) error { return tx.recordAll(lines) }); err != nil {
			return err
		}
		db.auditBuffer.discard(len(lines))
	}
}

// recordAll writes many lines, of any tenants.
func (tx *SystemTx) recordAll(lines [][]any) error {
	args := make([]any, 0, auditBatchSize*auditWidth)
	for len(lines) > 0 {
		size := 0
		for len(lines) < auditBatchSizes[size] {
			size++
		}
		n := auditBatchSizes[size]
		args = args[:0]
		for _, line := range lines[:n] {
			args = append(args, line...)
		}
		if _, err := tx.q.exec(auditBatchTexts[size], args...); err != nil {
			return err
		}
		lines = lines[n:]
	}
	return nil
}

const auditWidth = 14

// Two texts serve any number of lines, so that both stay prepared.
var (
	auditBatchSizes = [...]int{auditBatchSize, 1}
	auditBatchTexts = [...]string{insertAuditText(auditBatchSize), insertAuditText(1)}
)

func insertAuditText(n int) string {
	return "INSERT INTO audit (tenant_id, " + auditCols + ") VALUES " + placeholderRows(n, auditWidth)
}

// placeholderRows returns n rows of parameters: ($1, $2), ($3, $4)
func placeholderRows(n, width int) string {
	var b strings.Builder
	for i := range n * width {
		switch {
		case i == 0:
			b.WriteString("($")
		case i%width == 0:
			b.WriteString("), ($")
		default:
			b.WriteString(", $")
		}
		b.WriteString(strconv.Itoa(i + 1))
	}
	b.WriteByte(')')
	return b.String()
}
