package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/watchword-auth/watchword/internal/auth"
)

// querier is the part of database/sql that statements need. The context and the connection
// are bound already.
type querier interface {
	query(text string, args ...any) (*sql.Rows, error)
	exec(text string, args ...any) (sql.Result, error)
}

// Tx is a transaction of one tenant. One goroutine uses it, until the function that received
// it returns.
type Tx struct {
	// Now is the time of the transaction, the same for all of its statements.
	Now time.Time

	tenant auth.TenantID
	q      *keepingQuerier
	db     *DB
	queued bool // a message was enqueued
}

// Tenant returns the ID of the transaction's tenant.
func (tx *Tx) Tenant() auth.TenantID { return tx.tenant }

// SystemTx is a transaction across tenants.
type SystemTx struct {
	// Now is the time of the transaction.
	Now time.Time

	q  *keepingQuerier
	db *DB
}

// In narrows the transaction to one tenant.
func (tx *SystemTx) In(tenant auth.TenantID) *Tx {
	return &Tx{Now: tx.Now, tenant: tenant, q: tx.q, db: tx.db}
}

// scanner is a row.
type scanner interface{ Scan(dest ...any) error }

// checkText refuses text that PostgreSQL cannot store, on both databases alike: a NUL in an
// identifier is an error of the caller, not of the server.
func checkText(args []any) error {
	for _, a := range args {
		s, ok := a.(string)
		if v := reflect.ValueOf(a); !ok && v.Kind() == reflect.String {
			s = v.String()
		}
		if strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s) {
			return auth.Invalid(auth.CodeTextInvalid, "", "text must be UTF-8 without NUL")
		}
	}
	return nil
}

func query(q querier, text string, args []any) (*sql.Rows, error) {
	if err := checkText(args); err != nil {
		return nil, err
	}
	return q.query(text, args...)
}

// queryRow reads a single row. It returns ErrNotFound when there is none.
func queryRow[T any](q querier, scan func(scanner, *T) error, text string, args ...any) (T, error) {
	var v T
	rows, err := query(q, text, args)
	if err != nil {
		return v, err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return v, err
		}
		return v, auth.ErrNotFound
	}
	if err := scan(rows, &v); err != nil {
		return v, fmt.Errorf("scan: %w", err)
	}
	rows.Next() // SQLite completes a RETURNING statement only when it is read to its end
	return v, rows.Err()
}

// queryRows reads all rows.
func queryRows[T any](q querier, scan func(scanner, *T) error, text string, args ...any) ([]T, error) {
	rows, err := query(q, text, args)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		var v T
		if err := scan(rows, &v); err != nil {
			return nil, fmt.Errorf("scan: %w", err)
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

func scanText(s scanner, v *string) error { return s.Scan(v) }

// execCount executes a statement and returns the number of changed rows.
func execCount(q querier, text string, args ...any) (int64, error) {
	if err := checkText(args); err != nil {
		return 0, err
	}
	res, err := q.exec(text, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// execRow executes a statement that must change a row. It returns ErrNotFound when it changes
// none.
func execRow(q querier, text string, args ...any) error {
	n, err := execCount(q, text, args...)
	if err == nil && n == 0 {
		return auth.ErrNotFound
	}
	return err
}

// insert executes an INSERT and returns ErrConflict when it adds no row. An INSERT that may meet
// an older row says ON CONFLICT DO NOTHING: a unique violation would abort the transaction on
// PostgreSQL.
func insert(q querier, text string, args ...any) error {
	n, err := execCount(q, text, args...)
	if err == nil && n == 0 {
		return auth.ErrConflict
	}
	return err
}

// millis returns the stored form of a time: milliseconds, or NULL for the zero time.
func millis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// timeScanner scans a stored time.
type timeScanner struct{ t *time.Time }

func (m timeScanner) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*m.t = time.Time{}
	case int64:
		*m.t = time.UnixMilli(v).UTC()
	default:
		return fmt.Errorf("time stored as %T", v)
	}
	return nil
}

func timeDest(t *time.Time) timeScanner { return timeScanner{t} }

// nullText stores an empty string as NULL, in columns that refer to other rows.
func nullText[S ~string](s S) any {
	if s == "" {
		return nil
	}
	return string(s)
}

// textScanner scans a text that may be NULL.
type textScanner[S ~string] struct{ s *S }

func (m textScanner[S]) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*m.s = ""
	case string:
		*m.s = S(v)
	case []byte:
		*m.s = S(v)
	default:
		return fmt.Errorf("text stored as %T", v)
	}
	return nil
}

func textDest[S ~string](s *S) textScanner[S] { return textScanner[S]{s} }

// encodeJSON returns the stored form of lists and settings.
func encodeJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("store: %T does not encode: %v", v, err)) // only types of this repository
	}
	return string(b)
}

// jsonDest scans what encodeJSON stored.
type jsonDest struct{ v any }

func (d jsonDest) Scan(v any) error {
	switch v := v.(type) {
	case string:
		if v == "null" || v == "{}" { // the usual case; the destination is empty already
			return nil
		}
		return json.Unmarshal([]byte(v), d.v)
	case []byte:
		return json.Unmarshal(v, d.v)
	}
	return errors.New("JSON stored as neither text nor bytes")
}
