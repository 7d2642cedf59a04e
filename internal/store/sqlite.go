package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

// sqliteDB is one writer and a pool of readers on one file.
type sqliteDB struct {
	pool    *sql.DB
	wait    time.Duration
	readers chan *liteConn // idle readers
	size    int
	writer  *writer
}

// liteConn is a connection with its prepared statements: preparing costs more
// than most statements do. It is used by one goroutine at a time.
type liteConn struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

// The pragmas of every connection. FULL syncs the log at each commit, which is
// what "durable before answered" means in WAL mode.
const pragmas = "_txlock=immediate&_pragma=busy_timeout(4000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
	"&_pragma=foreign_keys(1)&_pragma=cache_size(-4000)&_pragma=temp_store(MEMORY)&_pragma=wal_autocheckpoint(2000)"

func openSQLite(ctx context.Context, cfg Config, path string, h *health) (*sqliteDB, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	unlock, err := lockFile(ctx, path+".lock")
	if err != nil {
		return nil, fmt.Errorf("wait for another process that is opening %s: %w", path, err)
	}
	defer unlock()
	if err := refuseReplacing(path); err != nil {
		return nil, err
	}
	pool, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+pragmas)
	if err != nil {
		return nil, err
	}
	if err := prepareSQLite(ctx, pool, path, h, cfg); err != nil {
		pool.Close()
		return nil, err
	}
	db := &sqliteDB{pool: pool, wait: cfg.Wait, size: max(4, 2*runtime.GOMAXPROCS(0))}
	db.readers = make(chan *liteConn, db.size)
	for range db.size {
		db.readers <- &liteConn{} // connected at first use
	}
	if db.writer, err = startWriter(pool, cfg); err != nil {
		pool.Close()
		return nil, err
	}
	return db, nil
}

// prepareSQLite checks, migrates and marks the file while no other process may.
func prepareSQLite(ctx context.Context, pool *sql.DB, path string, h *health, cfg Config) error {
	if err := checkWhole(ctx, pool, path, h, cfg); err != nil {
		return err
	}
	if err := migrateSQLite(ctx, pool); err != nil {
		return err
	}
	return markExisting(path)
}

// connect opens the connection of a reader or the writer.
func connect(ctx context.Context, pool *sql.DB, c *liteConn) error {
	if c.conn != nil {
		return nil
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	c.conn, c.stmts = conn, map[string]*sql.Stmt{}
	return nil
}

func (c *liteConn) stmt(ctx context.Context, text string) (*sql.Stmt, error) {
	if s := c.stmts[text]; s != nil {
		return s, nil
	}
	s, err := c.conn.PrepareContext(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", text, err)
	}
	c.stmts[text] = s
	return s, nil
}

func (c *liteConn) close() {
	if c.conn != nil {
		for _, s := range c.stmts {
			s.Close()
		}
		c.conn.Close()
	}
}

// liteQuery binds a connection to a context.
type liteQuery struct {
	ctx context.Context
	c   *liteConn
}

func (q liteQuery) query(text string, args ...any) (*sql.Rows, error) {
	s, err := q.c.stmt(q.ctx, text)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(q.ctx, args...)
}

func (q liteQuery) exec(text string, args ...any) (sql.Result, error) {
	s, err := q.c.stmt(q.ctx, text)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(q.ctx, args...)
}

// read borrows a reader. Readers never wait for the writer (WAL), only for each
// other, and that no longer than the configured wait.
func (db *sqliteDB) read(ctx context.Context, fn func(querier) error) error {
	c, err := db.borrow(ctx)
	if err != nil {
		return err
	}
	defer func() { db.readers <- c }()
	// The statements run to their end even if the caller goes away: interrupting
	// SQLite costs the connection its prepared state, and a read is short.
	q := liteQuery{context.WithoutCancel(ctx), c}
	if err := connect(q.ctx, db.pool, c); err != nil {
		return err
	}
	if _, err := q.exec("BEGIN DEFERRED"); err != nil {
		return err
	}
	defer q.exec("ROLLBACK")
	return fn(q)
}

func (db *sqliteDB) borrow(ctx context.Context) (*liteConn, error) {
	select {
	case c := <-db.readers:
		return c, nil
	default:
	}
	t := time.NewTimer(db.wait)
	defer t.Stop()
	select {
	case c := <-db.readers:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-t.C:
		return nil, fmt.Errorf("no reader free within %s: %w", db.wait, errBusy)
	}
}

func (db *sqliteDB) write(ctx context.Context, fn func(querier) error) error {
	return db.writer.do(ctx, fn)
}

func (db *sqliteDB) ping(ctx context.Context) error {
	return db.read(ctx, func(q querier) error {
		_, err := one(q, text, "SELECT id FROM tenants LIMIT 1")
		if errors.Is(err, auth.ErrNotFound) {
			return nil
		}
		return err
	})
}

func (db *sqliteDB) close() error {
	db.writer.stop()
	for range db.size {
		(<-db.readers).close()
	}
	return db.pool.Close()
}

var errBusy = errors.New("the database is busy")
