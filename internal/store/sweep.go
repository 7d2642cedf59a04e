package store

import (
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

// Retention says from when on rows go that nobody can use any more.
type Retention struct {
	Flows      time.Time // flows that expired before: they are the longest of what strangers leave
	ShortLived time.Time // secrets of one use and codes of devices that expired before: there is one for each request
	Expired    time.Time // sessions, refresh families and remembered browsers that expired before
	Ended      time.Time // the same, when they were ended or revoked before
	Audit      time.Time // audit lines that are older; zero keeps them all
}

// Sweep removes up to n rows, so that no writer waits long for it, and returns how many
// went: less than n when none is left. Expiry is checked at use, so nothing depends on
// Sweep but the size of the tables.
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
		{`DELETE FROM device_codes WHERE (tenant_id, digest) IN
			(SELECT tenant_id, digest FROM device_codes WHERE expires_at < $1 LIMIT $2)`, r.ShortLived},
		{`DELETE FROM retired_keys WHERE (tenant_id, id) IN
			(SELECT tenant_id, id FROM retired_keys WHERE expires_at < $1 LIMIT $2)`, r.ShortLived},
		{`DELETE FROM remembered WHERE (tenant_id, id) IN
			(SELECT tenant_id, id FROM remembered WHERE expires_at < $1 LIMIT $2)`, r.Expired},
		{`DELETE FROM audit WHERE (tenant_id, id) IN
			(SELECT tenant_id, id FROM audit WHERE at < $1 LIMIT $2)`, r.Audit},
	} {
		if s.when.IsZero() || total == n {
			continue
		}
		gone, err := execCount(tx.q, s.text, millis(s.when), n-total)
		if err != nil {
			return total, err
		}
		total += gone
	}
	return total, nil
}

// ClientCursor is how far SweepClients has come. The zero value is the beginning.
type ClientCursor struct {
	updated int64
	tenant  auth.TenantID
	client  auth.ClientID
	removed []ClientCursor // removed in the transaction before
}

// ClientOrigin says where clients come from that describe themselves.
type ClientOrigin string

// The origins of clients, each a column.
const (
	FromDocument     ClientOrigin = "forgettable"     // a document of their own; one that comes back is read again
	FromRegistration ClientOrigin = "self_registered" // they have registered themselves
)

// SweepClients looks at the n clients of an origin after the mark that were not changed, and
// whose document was not asked for, since the given time. It removes them, unless somebody has
// allowed them something, is signed in to them, or an operator has disabled them, set bounds or
// given them more than they say of themselves. It returns the next mark, and false when there
// are no more. It also ends what has begun with a client while the transaction before removed it.
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
