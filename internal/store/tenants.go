package store

import "github.com/watchword-auth/watchword/internal/auth"

const tenantCols = "id, name, settings, created_at, disabled_at"

func scanTenant(s scanner, t *auth.Tenant) error {
	return s.Scan(&t.ID, &t.Name, jsonDest{&t.Settings}, timeDest(&t.CreatedAt), timeDest(&t.DisabledAt))
}

// CurrentTenant returns the transaction's own tenant.
func (tx *Tx) CurrentTenant() (auth.Tenant, error) {
	return readOnce(tx, "tenants", "", func() (auth.Tenant, error) {
		return queryRow(tx.q, scanTenant, "SELECT "+tenantCols+" FROM tenants WHERE id = $1", tx.tenant)
	})
}

// Tenants lists every tenant by id.
func (tx *SystemTx) Tenants() ([]auth.Tenant, error) {
	return queryRows(tx.q, scanTenant, "SELECT "+tenantCols+" FROM tenants ORDER BY id")
}

// InsertTenant returns ErrConflict when the id is taken.
func (tx *SystemTx) InsertTenant(t auth.Tenant) error {
	return insert(tx.q, `INSERT INTO tenants (id, name, settings, created_at, disabled_at)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING`,
		t.ID, t.Name, encodeJSON(t.Settings), millis(t.CreatedAt), millis(t.DisabledAt))
}

// UpdateCurrentTenant writes the tenant's name, its settings and whether it is disabled.
func (tx *Tx) UpdateCurrentTenant(t auth.Tenant) error {
	return execRow(tx.q, "UPDATE tenants SET name = $1, settings = $2, disabled_at = $3 WHERE id = $4",
		t.Name, encodeJSON(t.Settings), millis(t.DisabledAt), tx.tenant)
}
