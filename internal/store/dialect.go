package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
	moderncsqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// dialect classifies the errors of a database. Statements are the same for all dialects.
type dialect string

const (
	sqlite   dialect = "sqlite"
	postgres dialect = "postgres"
)

var (
	errBusy   = errors.New("the database is busy")
	errClosed = fmt.Errorf("the database is closed: %w", errBusy)
)

// isSerializationFailure reports that another transaction won and that this one may run again.
func (d dialect) isSerializationFailure(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "40001" || pg.Code == "40P01" // serialization_failure, deadlock_detected
	}
	return false
}

// isConstraintViolation reports a violated unique index or reference. Every INSERT that may meet
// an older row handles that, so the row was committed after the snapshot was taken. A retry sees
// it.
func isConstraintViolation(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pg.Code == "23505" || pg.Code == "23503") // unique_violation, foreign_key_violation
}

// isForeignKeyViolation reports a row that would refer to one that does not exist.
func (d dialect) isForeignKeyViolation(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "23503"
	}
	lite, ok := errors.AsType[*moderncsqlite.Error](err)
	return ok && lite.Code() == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
}

// isUnavailable reports a failure of the database and not of the request, after which a retry
// may help: down, shutting down, busy, full or too slow.
func (d dialect) isUnavailable(err error) bool {
	if err == nil {
		return false
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		class := pg.Code[:min(2, len(pg.Code))]
		return class == "08" || class == "53" || class == "57" || class == "58" || // connection, resources, operator, system
			pg.Code == "25006" || pg.Code == "25P03" || // read-only, idle in transaction
			d.isSerializationFailure(err)
	}
	if lite, ok := errors.AsType[*moderncsqlite.Error](err); ok {
		switch lite.Code() & 0xff {
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR,
			sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT:
			return true
		}
		return d.isCorrupt(err)
	}
	return errors.Is(err, errBusy) || errors.Is(err, errCorrupt) || errors.Is(err, context.DeadlineExceeded) || isConnectionLost(err)
}

// isConnectionLost reports that the connection to the database could not be made or was lost.
func isConnectionLost(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code[:min(2, len(pg.Code))] == "57" // the server closes the connection
	}
	_, connect := errors.AsType[*pgconn.ConnectError](err)
	_, network := errors.AsType[net.Error](err) // also timeouts of pgx
	return connect || network || pgconn.SafeToRetry(err) || pgconn.Timeout(err) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, sql.ErrTxDone) // database/sql ended it at the deadline
}

// isBusy reports that another process holds the SQLite file.
func isBusy(err error) bool {
	lite, ok := errors.AsType[*moderncsqlite.Error](err)
	return ok && lite.Code()&0xff == sqlite3.SQLITE_BUSY
}

// isCorrupt reports that the database file is damaged.
func (d dialect) isCorrupt(err error) bool {
	if errors.Is(err, errCorrupt) {
		return true
	}
	lite, ok := errors.AsType[*moderncsqlite.Error](err)
	if !ok {
		return false
	}
	code := lite.Code() & 0xff
	return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB
}
