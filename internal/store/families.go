package store

import (
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

const familyCols = `id, account_id, client_id, session_id, scope, generation, digest,
	created_at, rotated_at, idle_at, expires_at, revoked_at, end_reason, audience, jkt, retries`

func scanFamily(s scanner, f *auth.Family) error {
	return s.Scan(&f.ID, &f.Account, &f.Client, &f.Session, jsonDest{&f.Scope}, &f.Generation, &f.Digest,
		timeDest(&f.CreatedAt), timeDest(&f.RotatedAt), timeDest(&f.IdleAt), timeDest(&f.ExpiresAt), timeDest(&f.RevokedAt), textDest(&f.EndReason), jsonDest{&f.Audience}, &f.JKT, &f.Retries)
}

// InsertFamily stores a new family.
func (tx *Tx) InsertFamily(f auth.Family) error {
	return insert(tx.q, `INSERT INTO refresh_families (tenant_id, `+familyCols+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, NULL, NULL, $13, $14, $15)`,
		tx.tenant, f.ID, f.Account, f.Client, f.Session, encodeJSON(f.Scope), f.Generation, f.Digest,
		millis(f.CreatedAt), millis(f.RotatedAt), millis(f.IdleAt), millis(f.ExpiresAt), encodeJSON(f.Audience), f.JKT, f.Retries)
}

// Family returns a family, revoked ones included.
func (tx *Tx) Family(id auth.FamilyID) (auth.Family, error) {
	return queryRow(tx.q, scanFamily, "SELECT "+familyCols+" FROM refresh_families WHERE tenant_id = $1 AND id = $2", tx.tenant, id)
}

// RotateFamily replaces the newest token by its successor, if it is still the newest and the
// family is not revoked. Of any number of concurrent calls one returns true. A token that is its
// own successor begins no generation. The retries shift by one (auth.Retries).
func (tx *Tx) RotateFamily(id auth.FamilyID, from, to string, idleAt time.Time) (bool, error) {
	n, err := execCount(tx.q, `UPDATE refresh_families SET generation = generation + CASE WHEN digest = $1 THEN 0 ELSE 1 END,
		retries = CASE WHEN digest = $1 THEN retries ELSE (retries * 2) & 255 END, digest = $1, rotated_at = $2, idle_at = $3
		WHERE tenant_id = $4 AND id = $5 AND digest = $6 AND revoked_at IS NULL`,
		to, millis(tx.Now), millis(idleAt), tx.tenant, id, from)
	return n == 1, err
}

// RetryFamily records a retry of the newest token, and reports whether it is still the newest
// and the family not revoked.
func (tx *Tx) RetryFamily(id auth.FamilyID, newest string, r auth.Retries) (bool, error) {
	n, err := execCount(tx.q, `UPDATE refresh_families SET retries = $1
		WHERE tenant_id = $2 AND id = $3 AND digest = $4 AND revoked_at IS NULL`, r, tx.tenant, id, newest)
	return n == 1, err
}

// RevokeFamily revokes one family. Revoking it again changes nothing.
func (tx *Tx) RevokeFamily(id auth.FamilyID, reason string) error {
	_, err := execCount(tx.q, `UPDATE refresh_families SET revoked_at = $1, end_reason = $2
		WHERE tenant_id = $3 AND id = $4 AND revoked_at IS NULL`, millis(tx.Now), reason, tx.tenant, id)
	return err
}
