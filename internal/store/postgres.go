package store

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/watchword-auth/watchword/internal/fault"
)

type postgresDB struct {
	pool *sql.DB
	wait time.Duration
}

// attempts bounds how often a lost race is run again.
const attempts = 12

func openPostgres(ctx context.Context, cfg Config) (*postgresDB, error) {
	pc, err := pgx.ParseConfig(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("parse the database URL: %w", err) // pgx redacts the password
	}
	pc.ConnectTimeout = cfg.Wait
	if pc.RuntimeParams["application_name"] == "" {
		pc.RuntimeParams["application_name"] = "watchword"
	}
	// The server gives up by itself what nobody waits for any more.
	pc.RuntimeParams["statement_timeout"] = fmt.Sprint((10 * cfg.Wait).Milliseconds())
	pc.RuntimeParams["idle_in_transaction_session_timeout"] = fmt.Sprint((10 * cfg.Wait).Milliseconds())
	pool := stdlib.OpenDB(*pc)
	pool.SetMaxOpenConns(cfg.Connections)
	pool.SetMaxIdleConns(cfg.Connections)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	if err := migratePostgres(ctx, pool); err != nil {
		pool.Close()
		return nil, err
	}
	return &postgresDB{pool: pool, wait: cfg.Wait}, nil
}

// pgQuery binds a transaction to a context.
type pgQuery struct {
	ctx context.Context
	tx  *sql.Tx
}

func (q pgQuery) query(text string, args ...any) (*sql.Rows, error) {
	return q.tx.QueryContext(q.ctx, text, args...)
}

func (q pgQuery) exec(text string, args ...any) (sql.Result, error) {
	return q.tx.ExecContext(q.ctx, text, args...)
}

func (db *postgresDB) read(ctx context.Context, fn func(querier) error) error {
	return db.retry(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}, fn)
}

// write is serializable, so that two nodes behave like SQLite's one writer: what
// fn read still holds when it commits, or fn runs again.
func (db *postgresDB) write(ctx context.Context, fn func(querier) error) error {
	return db.retry(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable}, fn)
}

func (db *postgresDB) retry(ctx context.Context, opts *sql.TxOptions, fn func(querier) error) error {
	ctx, cancel := context.WithTimeout(ctx, db.wait)
	defer cancel()
	for n := 1; ; n++ {
		err := db.once(ctx, opts, fn)
		again := postgres.lostRace(err) || opts.ReadOnly && n == 1 && err != nil && postgres.unavailable(err)
		if !again || n == attempts {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(rand.N(time.Duration(n) * 4 * time.Millisecond)):
		}
	}
}

func (db *postgresDB) once(ctx context.Context, opts *sql.TxOptions, fn func(querier) error) (err error) {
	tx, err := db.pool.BeginTx(ctx, opts)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after a commit
	refusal := fn(pgQuery{ctx, tx})
	if refusal != nil && !keeps(refusal) {
		return refusal
	}
	if opts.ReadOnly {
		return refusal
	}
	if err := fault.Point(fault.StoreBeforeCommit); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	if err := fault.Point(fault.StoreAfterCommit); err != nil {
		return err
	}
	return refusal
}

func (db *postgresDB) ping(ctx context.Context) error { return db.pool.PingContext(ctx) }

func (db *postgresDB) close() error { return db.pool.Close() }
