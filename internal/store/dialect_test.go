package store_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// Errors are classified by type and code, never by their text.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	pg := func(code string) error { return &pgconn.PgError{Code: code, Message: "m"} }
	for _, c := range []struct {
		name string
		err  error
		want bool
	}{
		{"nothing", nil, false},
		{"cut", io.ErrUnexpectedEOF, true},
		{"reset", &net.OpError{Op: "read", Err: syscall.ECONNRESET}, true},
		{"refused", &pgconn.ConnectError{}, true},
		{"too late", context.DeadlineExceeded, true},
		{"bad connection", driver.ErrBadConn, true},
		{"connection given back", sql.ErrConnDone, true},
		{"ended because its time was over", sql.ErrTxDone, true},
		{"shutting down", pg("57P01"), true},
		{"starting up", pg("57P03"), true},
		{"statement time-out", pg("57014"), true},
		{"disk full", pg("53100"), true},
		{"too many connections", pg("53300"), true},
		{"input or output", pg("58030"), true},
		{"connection failure", pg("08006"), true},
		{"read-only standby", pg("25006"), true},
		{"idle in transaction", pg("25P03"), true},
		{"lost race", pg("40001"), true},
		{"deadlock", pg("40P01"), true},
		{"unique", pg("23505"), false},
		{"foreign key", pg("23503"), false},
		{"syntax", pg("42601"), false},
		{"no such table", pg("42P01"), false},
		{"short code", pg("5"), false},
		{"the caller went away", context.Canceled, false},
		{"not found", auth.ErrNotFound, false},
		{"a text that only sounds like it", errors.New("unexpected EOF"), false},
	} {
		for _, err := range []error{c.err, fmt.Errorf("wrapped: %w", c.err)} {
			if c.err == nil {
				err = nil
			}
			if got := store.Unavailable("postgres", err); got != c.want {
				t.Errorf("%s: %v", c.name, got)
			}
		}
	}
}
