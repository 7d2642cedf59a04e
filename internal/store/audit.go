package store

import (
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
)

const auditCols = `id, at, event, outcome, actor_kind, actor_id, account_id, client_id, session_id, ip, user_agent, request_id, detail`

func scanEvent(s scanner, e *auth.Event) error {
	return s.Scan(&e.ID, timeDest(&e.At), &e.Kind, &e.Outcome, &e.Actor.Kind, &e.Actor.ID, textDest(&e.Account), textDest(&e.Actor.Client),
		textDest(&e.Actor.Session), &e.Actor.IP, &e.Actor.UserAgent, &e.Actor.RequestID, jsonDest{&e.Detail})
}

// Record writes an audit line in the transaction of the change that it describes. The store sets
// its ID and time. Lines are never updated.
func (tx *Tx) Record(e auth.Event) error {
	return insert(tx.q, "INSERT INTO audit (tenant_id, "+auditCols+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`, auditRow(auditEntry{tx.tenant, secret.NewID(tx.Now), tx.Now, e})...)
}

// auditEntry is an audit line with its tenant, ID and time.
type auditEntry struct {
	tenant auth.TenantID
	id     string
	at     time.Time
	auth.Event
}

// auditRow returns the values of the columns of a line.
func auditRow(e auditEntry) []any {
	if e.Outcome == "" {
		e.Outcome = auth.Success
	}
	if e.Actor.Kind == "" {
		e.Actor.Kind = auth.ActorAnonymous
	}
	return []any{string(e.tenant), e.id, millis(e.at), string(e.Kind), string(e.Outcome), string(e.Actor.Kind), e.Actor.ID, nullText(e.Account),
		nullText(e.Actor.Client), nullText(e.Actor.Session), e.Actor.IP, e.Actor.UserAgent, e.Actor.RequestID, encodeJSON(e.Detail)}
}

// EventFilter pages through the audit log.
type EventFilter struct {
	Before  string         // id, exclusive; empty for the newest
	Account auth.AccountID // only lines about this account; empty for all
	Kind    auth.EventKind // only lines of this kind; empty for all
	Limit   int
}

// FindSignIn reports whether one of the last n attempts to sign in to the account succeeded, by an actor that
// matches. It reads the newest first, up to that one. Of the actors it reads the address and the program.
func (tx *Tx) FindSignIn(account auth.AccountID, n int, match func(auth.Actor) bool) (bool, error) {
	rows, err := query(tx.q, `SELECT ip, user_agent, outcome FROM audit
		WHERE tenant_id = $1 AND account_id = $2 AND event = $3 ORDER BY id DESC LIMIT $4`, []any{tx.tenant, account, string(auth.EventLogin), n})
	if err != nil {
		return false, err
	}
	defer rows.Close()
	for rows.Next() {
		var a auth.Actor
		var outcome auth.Outcome
		if err := rows.Scan(&a.IP, &a.UserAgent, &outcome); err != nil {
			return false, fmt.Errorf("scan: %w", err)
		}
		if outcome == auth.Success && match(a) {
			return true, nil
		}
	}
	return false, rows.Err()
}

// Events lists audit lines, newest first. An index finds those of one account, however many
// there are in all.
func (tx *Tx) Events(f EventFilter) ([]auth.Event, error) {
	before := f.Before
	if before == "" {
		before = "g" // after every hexadecimal id, whatever the collation
	}
	if f.Account != "" {
		return queryRows(tx.q, scanEvent, "SELECT "+auditCols+` FROM audit
			WHERE tenant_id = $1 AND account_id = $2 AND id < $3 AND ($4 = '' OR event = $4)
			ORDER BY id DESC LIMIT $5`, tx.tenant, f.Account, before, string(f.Kind), f.Limit)
	}
	return queryRows(tx.q, scanEvent, "SELECT "+auditCols+` FROM audit
		WHERE tenant_id = $1 AND id < $2 AND ($3 = '' OR event = $3)
		ORDER BY id DESC LIMIT $4`, tx.tenant, before, string(f.Kind), f.Limit)
}
