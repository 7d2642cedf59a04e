package store

import (
	"database/sql"
	"slices"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
)

// The steps of a sign-in read for themselves what they depend on, and several of them share a transaction.
// This file keeps the rows that they have in common, so that a transaction reads each of them once.
// Serializable transactions read the same at every time, so nothing else can change a kept row. In ReadOne a kept
// row is as old as its first read, and a Write must check again what it shows.

// readOnce calls read, and keeps what it returns until the transaction writes to the table. The callers share
// what the value refers to, and must not change it.
func readOnce[T any](tx *Tx, table, id string, read func() (T, error)) (T, error) {
	for _, k := range tx.q.kept {
		if k.tenant == tx.tenant && k.table == table && k.id == id {
			return k.value.(T), nil
		}
	}
	v, err := read()
	if err == nil {
		tx.q.kept = append(tx.q.kept, kept{tx.tenant, table, id, v})
	}
	return v, err
}

// kept is what readOnce keeps.
type kept struct {
	tenant    auth.TenantID
	table, id string
	value     any
}

// keepingQuerier drops what is kept as soon as a statement may change it.
type keepingQuerier struct {
	querier
	kept []kept
}

func (q *keepingQuerier) query(text string, args ...any) (*sql.Rows, error) {
	q.drop(text)
	return q.querier.query(text, args...)
}

func (q *keepingQuerier) exec(text string, args ...any) (sql.Result, error) {
	q.drop(text)
	return q.querier.exec(text, args...)
}

// drop drops what is kept of the table to which a statement writes. It drops all for every other statement
// that writes, since a DELETE may cascade.
func (q *keepingQuerier) drop(text string) {
	if len(q.kept) == 0 || strings.HasPrefix(text, "SELECT ") {
		return
	}
	rest, known := strings.CutPrefix(text, "UPDATE ")
	if !known {
		rest, known = strings.CutPrefix(text, "INSERT INTO ")
	}
	table, _, _ := strings.Cut(rest, " ")
	q.kept = slices.DeleteFunc(q.kept, func(k kept) bool { return !known || k.table == table })
}
