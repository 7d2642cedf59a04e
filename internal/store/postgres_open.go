package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

func openPostgres(ctx context.Context, cfg Config) (*postgresDB, error) {
	pc, err := parsePostgres(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("parse the database URL: %w", err)
	}
	pc.ConnectTimeout = cfg.MaxWait
	if pc.RuntimeParams["application_name"] == "" {
		pc.RuntimeParams["application_name"] = "watchword"
	}
	db := &postgresDB{wait: cfg.MaxWait, size: cfg.Connections, timers: cfg.Timers, retryTurn: make(chan struct{}, 1)}
	// An unreachable server is reported as such and not as a failed migration.
	if db.pooled, err = probePooler(ctx, *pc); err != nil {
		return nil, connectError(err)
	}
	if db.pooled && pc.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		// The next transaction may run on another connection of the pooler, where the
		// prepared statement is missing or a different one.
		pc.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	if err := migrateSeparately(ctx, *pc, cfg.SkipMigrations); err != nil {
		if e, ok := errors.AsType[*SchemaError](err); ok {
			e.Pooled = db.pooled
		}
		return nil, err
	}
	db.pool = stdlib.OpenDB(*pc, stdlib.OptionAfterConnect(db.setSessionLimits))
	db.pool.SetMaxOpenConns(cfg.Connections)
	db.pool.SetMaxIdleConns(cfg.Connections)
	db.pool.SetConnMaxIdleTime(5 * time.Minute)
	return db, nil
}

// probePooler connects once and reports whether a connection pooler is in between: then the
// serving process is not the one that was announced for the connection.
func probePooler(ctx context.Context, pc pgx.ConnConfig) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*pc.ConnectTimeout)
	defer cancel()
	pc.DefaultQueryExecMode = pgx.QueryExecModeExec // prepares nothing
	conn, err := pgx.ConnectConfig(ctx, &pc)
	if err != nil {
		return false, err
	}
	defer conn.Close(ctx)
	var pid int64
	if err := conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		return false, err
	}
	return pid != int64(conn.PgConn().PID()), nil
}

// setLimitsText makes the server cancel statements whose caller no longer waits. The limits
// are not connection parameters, because poolers refuse unknown ones.
const setLimitsText = "SELECT set_config('statement_timeout', $1, $2), set_config('idle_in_transaction_session_timeout', $1, $2)"

func (db *postgresDB) timeoutMillis() string {
	return strconv.FormatInt((10 * db.wait).Milliseconds(), 10)
}

// setSessionLimits sets the limits once for a connection that is not shared.
func (db *postgresDB) setSessionLimits(ctx context.Context, conn *pgx.Conn) error {
	if db.pooled {
		return nil
	}
	_, err := conn.Exec(ctx, setLimitsText, pgx.QueryExecModeExec, db.timeoutMillis(), false)
	return err
}

var errUnescaped = errors.New("the password or the user name contains @; write it as %40")

// parsePostgres parses a URL. No error contains its password: pgx redacts it, but parses the text
// after an @ in it as the host.
func parsePostgres(text string) (*pgx.ConnConfig, error) {
	pc, err := pgx.ParseConfig(text)
	if err != nil {
		if strings.Count(text, "@") > 1 {
			return nil, errUnescaped
		}
		return nil, err
	}
	hosts := []string{pc.Host}
	for _, f := range pc.Fallbacks {
		hosts = append(hosts, f.Host)
	}
	for _, h := range hosts {
		if strings.LastIndexByte(h, '@') > 0 { // a leading @ names an abstract socket
			return nil, errUnescaped
		}
	}
	return pc, nil
}

// migrateSeparately migrates over separate connections, as a migration may take longer than a
// request.
func migrateSeparately(ctx context.Context, pc pgx.ConnConfig, inspect bool) error {
	pool := stdlib.OpenDB(pc)
	defer pool.Close()
	return migratePostgres(ctx, pool, inspect)
}

// connectError describes a failed connection. The driver tries several addresses and joins their
// errors. A response of the server, such as a wrong password, comes first, as it is the most
// specific.
func connectError(err error) error {
	if c, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		err = c.Unwrap()
	}
	tried := []error{err}
	if all, ok := err.(interface{ Unwrap() []error }); ok && len(all.Unwrap()) > 0 {
		tried = slices.Clone(all.Unwrap())
	}
	slices.SortStableFunc(tried, func(a, b error) int { return cmp.Compare(responseRank(a), responseRank(b)) })
	first := fmt.Errorf("connect to PostgreSQL: %w", tried[0])
	var rest []string
	for _, e := range tried[1:] {
		if text := e.Error(); text != tried[0].Error() && !slices.Contains(rest, text) {
			rest = append(rest, text)
		}
	}
	if len(rest) == 0 {
		return first
	}
	return fmt.Errorf("%w (also tried: %s)", first, strings.Join(rest, "; "))
}

// responseRank returns 0 for a response of the server and 1 for none.
func responseRank(err error) int {
	if _, ok := errors.AsType[*pgconn.PgError](err); ok {
		return 0
	}
	return 1
}
