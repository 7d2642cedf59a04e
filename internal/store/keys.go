package store

import (
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

const keyCols = "id, alg, public, sealed, created_at, active_at, retired_at, expires_at"

func scanKey(s scanner, k *auth.SigningKey) error {
	return s.Scan(&k.ID, &k.Algorithm, &k.Public, &k.Sealed, timeDest(&k.CreatedAt), timeDest(&k.ActiveAt), timeDest(&k.RetiredAt), timeDest(&k.ExpiresAt))
}

// SigningKeys lists the tenant's keys, the newest last.
func (tx *Tx) SigningKeys() ([]auth.SigningKey, error) {
	return queryRows(tx.q, scanKey, "SELECT "+keyCols+" FROM signing_keys WHERE tenant_id = $1 ORDER BY active_at, id", tx.tenant)
}

// InsertSigningKey stores a key whose private half is sealed.
func (tx *Tx) InsertSigningKey(k auth.SigningKey) error {
	return insert(tx.q, `INSERT INTO signing_keys (tenant_id, `+keyCols+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		tx.tenant, k.ID, k.Algorithm, k.Public, k.Sealed, millis(k.CreatedAt), millis(k.ActiveAt), millis(k.RetiredAt), millis(k.ExpiresAt))
}

// UpdateSigningKey writes the sealed half and the times of a key.
func (tx *Tx) UpdateSigningKey(k auth.SigningKey) error {
	return execRow(tx.q, `UPDATE signing_keys SET sealed = $1, active_at = $2, retired_at = $3, expires_at = $4
		WHERE tenant_id = $5 AND id = $6`,
		k.Sealed, millis(k.ActiveAt), millis(k.RetiredAt), millis(k.ExpiresAt), tx.tenant, k.ID)
}

// DeleteSigningKey deletes a key.
func (tx *Tx) DeleteSigningKey(id auth.KeyID) error {
	return execRow(tx.q, "DELETE FROM signing_keys WHERE tenant_id = $1 AND id = $2", tx.tenant, id)
}

// InsertRetiredKey stores the public half of a key until the given time. Storing it again
// changes nothing.
func (tx *Tx) InsertRetiredKey(k auth.SigningKey, until time.Time) error {
	_, err := execCount(tx.q, `INSERT INTO retired_keys (tenant_id, id, alg, public, expires_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (tenant_id, id) DO NOTHING`, tx.tenant, k.ID, k.Algorithm, k.Public, millis(until))
	return err
}

// RetiredKey returns an unexpired public half that InsertRetiredKey stored, or ErrNotFound.
func (tx *Tx) RetiredKey(id auth.KeyID) (auth.SigningKey, error) {
	scan := func(s scanner, k *auth.SigningKey) error { return s.Scan(&k.ID, &k.Algorithm, &k.Public) }
	return queryRow(tx.q, scan, "SELECT id, alg, public FROM retired_keys WHERE tenant_id = $1 AND id = $2 AND expires_at > $3", tx.tenant, id, millis(tx.Now))
}

// Reseal seals every value that is sealed under an older master key under the newest one, and
// returns how many. It is one transaction, so no mixed state remains.
func (tx *SystemTx) Reseal() (int, error) {
	total := 0
	for _, t := range sealedTables {
		rows, err := queryRows(tx.q, func(s scanner, r *sealedRow) error { return s.Scan(&r.tenant, &r.id, &r.value) },
			fmt.Sprintf("SELECT tenant_id, %s, %s FROM %s%s", t.id, t.column, t.name, t.where))
		if err != nil {
			return 0, err
		}
		for _, r := range rows {
			changed, err := tx.reseal(t, r)
			if err != nil {
				return 0, fmt.Errorf("reseal %s %s/%s: %w", t.name, r.tenant, r.id, err)
			}
			if changed {
				total++
			}
		}
	}
	return total, nil
}

type sealedRow struct {
	tenant, id string
	value      []byte
}

type sealedTable struct {
	name, id, column, where string
	context                 func(tenant, id string) string
}

// sealedTables lists all columns with sealed values.
var sealedTables = []sealedTable{
	{"signing_keys", "id", "sealed", "", func(t, id string) string { return KeyContext(auth.TenantID(t), auth.KeyID(id)) }},
	{"outbox", "id", "sealed", "", messageContext},
	{"credentials", "id", "secret", " WHERE kind = 'totp'", factorContext},
	{"settings", "name", "value", " WHERE name LIKE 'sealed.%'", settingContext},
}

// KeyContext returns the context to which the sealed half of a signing key is bound.
func KeyContext(tenant auth.TenantID, id auth.KeyID) string {
	return "signing key " + string(tenant) + "/" + string(id)
}

func (tx *SystemTx) reseal(t sealedTable, r sealedRow) (bool, error) {
	ring := tx.db.cfg.Keyring
	if ring.Current(r.value) {
		return false, nil
	}
	plain, err := ring.Open(t.context(r.tenant, r.id), r.value)
	if err != nil {
		return false, err
	}
	return true, execRow(tx.q, fmt.Sprintf("UPDATE %s SET %s = $1 WHERE tenant_id = $2 AND %s = $3", t.name, t.column, t.id),
		ring.Seal(t.context(r.tenant, r.id), plain), r.tenant, r.id)
}
