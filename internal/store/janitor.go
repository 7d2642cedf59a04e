package store

import "time"

// Sweep removes up to n rows of each kind that nobody can use any more: what
// expired or ended before the given time, and audit lines older than auditBefore
// (zero keeps them all). Expiry is checked at use, so nothing depends on Sweep but
// the size of the tables. It returns how many rows went.
func (tx *SystemTx) Sweep(before, auditBefore time.Time, n int) (int64, error) {
	total := int64(0)
	for _, s := range []struct {
		text string
		when time.Time
	}{
		{`DELETE FROM single_use WHERE (tenant_id, kind, digest) IN
			(SELECT tenant_id, kind, digest FROM single_use WHERE expires_at < $1 LIMIT $2)`, before},
		{`DELETE FROM refresh_families WHERE (tenant_id, id) IN
			(SELECT tenant_id, id FROM refresh_families WHERE expires_at < $1 LIMIT $2)`, before},
		{`DELETE FROM sessions WHERE (tenant_id, id) IN
			(SELECT tenant_id, id FROM sessions WHERE expires_at < $1 LIMIT $2)`, before},
		{`DELETE FROM flows WHERE (tenant_id, id) IN
			(SELECT tenant_id, id FROM flows WHERE expires_at < $1 LIMIT $2)`, before},
		{`DELETE FROM device_codes WHERE (tenant_id, digest) IN
			(SELECT tenant_id, digest FROM device_codes WHERE expires_at < $1 LIMIT $2)`, before},
		{`DELETE FROM remembered WHERE (tenant_id, id) IN
			(SELECT tenant_id, id FROM remembered WHERE expires_at < $1 LIMIT $2)`, before},
		{`DELETE FROM audit WHERE (tenant_id, id) IN
			(SELECT tenant_id, id FROM audit WHERE at < $1 LIMIT $2)`, auditBefore},
	} {
		if s.when.IsZero() {
			continue
		}
		gone, err := affect(tx.q, s.text, millis(s.when), n)
		if err != nil {
			return total, err
		}
		total += gone
	}
	return total, nil
}
