package store

// Setting returns a value of the system, or ErrNotFound.
func (tx *SystemTx) Setting(name string) ([]byte, error) {
	return queryRow(tx.q, func(s scanner, b *[]byte) error { return s.Scan(b) },
		"SELECT value FROM settings WHERE tenant_id = '' AND name = $1", name)
}

// PutSetting stores a value of the system.
func (tx *SystemTx) PutSetting(name string, value []byte) error {
	return insert(tx.q, `INSERT INTO settings (tenant_id, name, value, updated_at) VALUES ('', $1, $2, $3)
		ON CONFLICT (tenant_id, name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at`,
		name, value, millis(tx.Now))
}
