package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/timer"
)

// sqliteDB is one writer and a pool of readers on one file.
type sqliteDB struct {
	path    string
	opened  os.FileInfo // identifies the file
	pool    *sql.DB
	wait    time.Duration
	timers  timer.Source
	readers chan *liteConn // idle readers
	size    int
	writer  *writer
	closed  chan struct{}      // closed by close
	cancel  context.CancelFunc // ends the integrity check in the background
}

// liteConn is a connection with its prepared statements, as preparing costs more than most
// statements. One goroutine at a time uses it.
type liteConn struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

// pragmas are the pragmas of every connection. FULL syncs the log at each commit, which makes
// commits durable in WAL mode.
const pragmas = "_txlock=immediate&_pragma=busy_timeout(%d)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
	"&_pragma=foreign_keys(1)&_pragma=cache_size(-4000)&_pragma=temp_store(MEMORY)&_pragma=wal_autocheckpoint(2000)" +
	"&_pragma=journal_size_limit(16777216)"

func openSQLite(ctx context.Context, cfg Config, path string, h *health) (*sqliteDB, error) {
	if path == "" || strings.Contains(path, ":memory:") {
		return nil, errors.New("sqlite: the database must be the path of a file")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	unlock, err := lockFile(ctx, cfg.Timers, path+".lock")
	switch {
	case errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EROFS):
		return nil, fmt.Errorf("this process may not write to the folder of %s: %w", path, err)
	case err != nil:
		return nil, fmt.Errorf("wait for another process that is opening %s: %w", path, err)
	}
	defer unlock()
	if err := checkNotReplaced(path); err != nil {
		return nil, err
	}
	if err := createPrivate(path); err != nil {
		return nil, err
	}
	// Half of the wait is for a free reader, half for the file.
	pool, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+fmt.Sprintf(pragmas, cfg.MaxWait.Milliseconds()/2))
	if err != nil {
		return nil, err
	}
	db := &sqliteDB{path: path, pool: pool, closed: make(chan struct{}), wait: cfg.MaxWait / 2, timers: cfg.Timers, size: max(4, 2*runtime.GOMAXPROCS(0))}
	if err := db.start(ctx, cfg, h); err != nil {
		pool.Close()
		return nil, err
	}
	return db, nil
}

// start checks, migrates and marks the file under the lock.
func (db *sqliteDB) start(ctx context.Context, cfg Config, h *health) error {
	alive, cancel := context.WithCancel(context.WithoutCancel(ctx))
	db.cancel = cancel
	err := checkIntegrity(alive, db.pool, db.path, h, cfg)
	if err == nil {
		err = migrateSQLite(ctx, db.pool, cfg.SkipMigrations)
	}
	if err == nil {
		err = markExisting(db.path)
	}
	if err == nil {
		db.opened, err = os.Stat(db.path)
	}
	if err == nil {
		db.writer, err = startWriter(db.pool, cfg)
	}
	if err != nil {
		cancel()
		return err
	}
	db.readers = make(chan *liteConn, db.size)
	for range db.size {
		db.readers <- &liteConn{} // connected at first use
	}
	return nil
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

// close releases the connection. The next connect opens another.
func (c *liteConn) close() {
	if c.conn != nil {
		for _, s := range c.stmts {
			s.Close()
		}
		c.conn.Close()
	}
	*c = liteConn{}
}

// drop is close for a connection in an unknown state, which the pool must not reuse.
func (c *liteConn) drop() {
	if c.conn != nil {
		c.conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	c.close()
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

// read borrows a reader. Readers never wait for the writer (WAL), only for one another, and no
// longer than the configured wait.
func (db *sqliteDB) read(ctx context.Context, fn func(querier) error) error {
	c, err := db.borrow(ctx)
	if err != nil {
		return err
	}
	defer func() { db.readers <- c }()
	// The statements complete even if ctx is canceled. An interruption would cost the connection
	// its prepared statements, and a read is short.
	q := liteQuery{context.WithoutCancel(ctx), c}
	if err := connect(q.ctx, db.pool, c); err != nil {
		return err
	}
	if _, err := q.exec("BEGIN DEFERRED"); err != nil {
		c.drop()
		return err
	}
	defer func() {
		if _, err := q.exec("ROLLBACK"); err != nil {
			c.drop()
		}
	}()
	return fn(q)
}

// readOne is read for one statement, which is a transaction by itself.
func (db *sqliteDB) readOne(ctx context.Context, fn func(querier) error) error {
	c, err := db.borrow(ctx)
	if err != nil {
		return err
	}
	defer func() { db.readers <- c }()
	q := liteQuery{context.WithoutCancel(ctx), c}
	if err := connect(q.ctx, db.pool, c); err != nil {
		return err
	}
	return fn(q)
}

func (db *sqliteDB) borrow(ctx context.Context) (*liteConn, error) {
	select {
	case c := <-db.readers:
		return c, nil
	default:
	}
	timeout, stop := db.timers.After(db.wait)
	defer stop()
	select {
	case c := <-db.readers:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-db.closed:
		return nil, errClosed
	case <-timeout:
		return nil, fmt.Errorf("no reader available within %s: %w", db.wait, errBusy)
	}
}

func (db *sqliteDB) write(ctx context.Context, fn func(querier) error) error {
	return db.writer.submit(ctx, fn)
}

// ping also detects that the file was moved, deleted or replaced under the running server.
// Everything written from then on would be lost.
func (db *sqliteDB) ping(ctx context.Context) error {
	if info, err := os.Stat(db.path); err != nil || !os.SameFile(info, db.opened) {
		return fmt.Errorf("%s is no longer the file that was opened: %w", db.path, errCorrupt)
	}
	return db.read(ctx, func(q querier) error {
		_, err := queryRow(q, scanText, "SELECT id FROM tenants LIMIT 1")
		if errors.Is(err, auth.ErrNotFound) {
			return nil
		}
		return err
	})
}

func (db *sqliteDB) close() error {
	db.cancel()
	close(db.closed)
	db.writer.stop()
	for range db.size {
		(<-db.readers).close()
	}
	return db.pool.Close()
}
