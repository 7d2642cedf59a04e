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

// The audit lines of work that changes nothing in the database, such as a token for
// a client that acts for itself. A transaction for each would cost more than the
// work, so they are written together:
//
//   - a line is durable at the latest AuditFlushInterval after RecordLater took it, so a
//     process that is killed loses the lines of that window, and no others;
//   - the ledger holds AuditBufferLimit lines; whoever brings one more waits until there
//     is room, and is refused as Unavailable when there is none within Config.MaxWait.
//     No line is dropped;
//   - while the database is away lines are kept and tried again.
const (
	AuditFlushInterval = time.Second
	AuditBufferLimit   = 8192

	auditFlushSize = 1024 // so many lines are written without waiting for the time
	auditBatchSize = 8    // lines of one statement; SQLite looks for each parameter among all
)

// auditBuffer holds the lines that wait.
type auditBuffer struct {
	mu      sync.Mutex    // owns lines, timer, room
	lines   [][]any       // as auditRow makes them, and storable
	timer   *time.Timer   // runs while there are lines
	room    chan struct{} // closed when lines have left
	writing sync.Mutex    // held while lines are written, so that they stay in order
}

// RecordLater takes an audit line that belongs to no transaction. It returns before
// the line is durable.
func (db *DB) RecordLater(ctx context.Context, tenant auth.TenantID, e auth.Event) error {
	now := db.now()
	line := auditRow(auditEntry{tenant, secret.NewID(now), now, e})
	if err := checkText(line); err != nil {
		return err // one that cannot be written must not hold up the others
	}
	late := time.NewTimer(db.cfg.MaxWait)
	defer late.Stop()
	for {
		room := db.auditBuffer.add(line, db.flushAuditLater)
		if room == nil {
			return nil
		}
		select {
		case <-room:
		case <-ctx.Done():
			return auth.Unavailable(ctx.Err(), time.Second)
		case <-late.C:
			return auth.Unavailable(fmt.Errorf("%d audit lines wait to be written", AuditBufferLimit), 2*time.Second)
		}
	}
}

// add takes the line, or gives the channel that will tell of room.
func (l *auditBuffer) add(line []any, flush func()) (room <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) >= AuditBufferLimit {
		if l.room == nil {
			l.room = make(chan struct{})
		}
		return l.room
	}
	l.lines = append(l.lines, line)
	switch {
	case l.timer == nil:
		l.timer = time.AfterFunc(AuditFlushInterval, flush)
	case len(l.lines) == auditFlushSize:
		l.timer.Reset(0)
	}
	return nil
}

// take gives up to n lines, which stay in the ledger until they are done.
func (l *auditBuffer) peek(n int) [][]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines[:min(n, len(l.lines))]
}

// done removes the first n lines and makes room known.
func (l *auditBuffer) discard(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(make([][]any, 0, len(l.lines)-n), l.lines[n:]...)
	if l.room != nil {
		close(l.room)
		l.room = nil
	}
}

// rest stops the timer when nothing waits, and else sets it anew.
func (l *auditBuffer) restartTimer(flush func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer = nil
	if len(l.lines) > 0 {
		l.timer = time.AfterFunc(AuditFlushInterval, flush)
	}
}

func (db *DB) flushAuditLater() {
	if err := db.FlushAudit(context.Background()); err != nil {
		db.cfg.Log.Warn("audit lines could not be written; they are kept and tried again", "error", err)
	}
	db.auditBuffer.restartTimer(db.flushAuditLater)
}

// FlushAudit writes the lines that RecordLater took and that are not written yet.
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

// Two texts for any number of lines, so that all of them stay prepared.
var (
	auditBatchSizes = [...]int{auditBatchSize, 1}
	auditBatchTexts = [...]string{insertAuditText(auditBatchSize), insertAuditText(1)}
)

func insertAuditText(n int) string {
	return "INSERT INTO audit (tenant_id, " + auditCols + ") VALUES " + placeholderRows(n, auditWidth)
}

// rows is n rows of parameters: ($1, $2), ($3, $4)
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
