package store

import (
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

// Retention says which expired and ended rows are deleted.
type Retention struct {
	Flows      time.Time // flows that expired before; unauthenticated callers create them, and their rows are the longest
	Unbound    time.Time // flows that expired before and belong to no browser
	ShortLived time.Time // single-use secrets, device codes and retired keys that expired before
	Expired    time.Time // sessions, refresh families, remember-me series and trusted browsers that expired before
	Ended      time.Time // the same, when they were ended or revoked before
	Audit      time.Time // audit lines older than that; zero keeps all
}

// Sweep removes up to n rows and returns how many: fewer than n when none is left. The bound
// keeps writers from waiting long. Expiry is checked at use, so only the size of the tables
// depends on Sweep.
func (tx *SystemTx) Sweep(r Retention, n int64) (int64, error) {
	total := int64(0)
	for _, s := range []struct {
		text string
		when time.Time
	}{
		{`DELETE FROM single_use WHERE (tenant_id, kind, digest) IN
			(SELECT tenant_id, kind, digest FROM single_use WHERE expires_at < $1 LIMIT $2)`, r.ShortLived},
		{`DELETE FROM refresh_families WHERE (tenant_id, id) IN
			(SELECT tenant_id, id FROM refresh_families WHERE revoked_at < $1 LIMIT $2)`, r.Ended},
		{`DELETE FROM sessions WHERE (tenant_id, id) IN
			(SELECT tenant_id, id FROM sessions WHERE ended_at < $1 LIMIT $2)`, r.Ended},
		{`DELETE FROM remembered WHERE (tenant_id, id) IN
			(SELECT tenant_id, id FROM remembered WHERE revoked_at < $1 LIMIT $2)`, r.Ended},
		{`DELETE FROM refresh_families WHERE (tenant_id, id) IN
			(SELECT tenant_id, id FROM refresh_families WHERE expires_at < $1 LIMIT $2)`, r.Expired},
		{`DELETE FROM sessions WHERE (tenant_id, id) IN
			(SELECT tenant_id, id FROM sessions WHERE expires_at < $1 LIMIT $2)`, r.Expired},
		{`DELETE FROM flows WHERE (tenant_id, id) IN
			(SELECT tenant_id, id FROM flows WHERE expires_at < $1 LIMIT $2)`, r.Flows},
		{`DELETE FROM flows WHERE (tenant_id, id) IN
			(SELECT tenant_id, id FROM flows WHERE browser = '' AND expires_at < $1 LIMIT $2)`, r.Unbound},
		{`DELETE FROM device_codes WHERE (tenant_id, digest) IN
			(SELECT tenant_id, digest FROM device_codes WHERE expires_at < $1 LIMIT $2)`, r.ShortLived},
		{`DELETE FROM retired_keys WHERE (tenant_id, id) IN
			(SELECT tenant_id, id FROM retired_keys WHERE expires_at < $1 LIMIT $2)`, r.ShortLived},
		{`DELETE FROM remembered WHERE (tenant_id, id) IN
			(SELECT tenant_id, id FROM remembered WHERE expires_at < $1 LIMIT $2)`, r.Expired},
		{`DELETE FROM trusted_browsers WHERE (tenant_id, id) IN
			(SELECT tenant_id, id FROM trusted_browsers WHERE expires_at < $1 LIMIT $2)`, r.Expired},
		{`DELETE FROM audit WHERE (tenant_id, id) IN
			(SELECT tenant_id, id FROM audit WHERE at < $1 LIMIT $2)`, r.Audit},
	} {
		if s.when.IsZero() || total == n {
			continue
		}
		removed, err := execCount(tx.q, s.text, millis(s.when), n-total)
		if err != nil {
			return total, err
		}
		total += removed
	}
	return total, nil
}

// ClientCursor is the position of SweepClients. The zero value is the beginning.
type ClientCursor struct {
	updated int64
	tenant  auth.TenantID
	client  auth.ClientID
	removed []ClientCursor // removed in the previous transaction
}

// ClientOrigin is the origin of self-registered and self-described clients.
type ClientOrigin string

// The origins of clients. Each is a column.
const (
	FromDocument     ClientOrigin = "forgettable"     // a client metadata document, which is read again when the client returns
	FromRegistration ClientOrigin = "self_registered" // dynamic registration (RFC 7591)
)

// SweepClients examines the next n clients of an origin that were neither changed nor used since
// the given time. It removes each one, unless a user has granted it something or is signed in to
// it, or an operator has disabled it, set bounds or granted it more than its own metadata asks
// for. It returns the next position, and false after the last one. It also ends sessions that
// began with a client while the previous transaction removed it.
func (tx *SystemTx) SweepClients(from ClientOrigin, before time.Time, after ClientCursor, n int) (ClientCursor, bool, error) {
	for _, v := range after.removed {
		if _, err := tx.In(v.tenant).EndClientSessions(v.client, n, auth.EndClient); err != nil {
			return after, false, err
		}
	}
	after.removed = nil
	page, err := queryRows(tx.q, func(s scanner, m *ClientCursor) error { return s.Scan(&m.updated, &m.tenant, &m.client) },
		"SELECT updated_at, tenant_id, id FROM clients WHERE "+string(from)+` = 1
		AND updated_at < $1 AND (updated_at, tenant_id, id) > ($2, $3, $4) ORDER BY updated_at, tenant_id, id LIMIT $5`,
		millis(before), after.updated, after.tenant, after.client, n)
	if err != nil || len(page) == 0 {
		return after, false, err
	}
	last := page[len(page)-1]
	last.removed, err = queryRows(tx.q, func(s scanner, m *ClientCursor) error { return s.Scan(&m.tenant, &m.client) }, `DELETE FROM clients WHERE (tenant_id, id) IN
		(SELECT c.tenant_id, c.id FROM clients c WHERE c.`+string(from)+` = 1
		AND (c.updated_at, c.tenant_id, c.id) > ($1, $2, $3) AND (c.updated_at, c.tenant_id, c.id) <= ($4, $5, $6)
		AND c.disabled_at IS NULL AND c.bounds = 'null'
		AND NOT EXISTS (SELECT 1 FROM consents a WHERE a.tenant_id = c.tenant_id AND a.client_id = c.id)
		AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.tenant_id = c.tenant_id AND s.client_id = c.id AND s.ended_at IS NULL AND s.client_id <> 'first-party'))
		RETURNING tenant_id, id`,
		after.updated, after.tenant, after.client, last.updated, last.tenant, last.client)
	return last, err == nil && (len(page) == n || len(last.removed) > 0), err
}
