package store

import (
	"errors"

	"github.com/watchword-auth/watchword/internal/auth"
)

const sealedPrefix = "sealed."

func settingContext(tenant, name string) string { return "setting " + tenant + "/" + name }

// Setting returns a value of the system, or ErrNotFound.
func (tx *SystemTx) Setting(name string) ([]byte, error) {
	return one(tx.q, func(s scanner, b *[]byte) error { return s.Scan(b) },
		"SELECT value FROM settings WHERE tenant_id = '' AND name = $1", name)
}

// PutSetting stores a value of the system.
func (tx *SystemTx) PutSetting(name string, value []byte) error {
	return insert(tx.q, `INSERT INTO settings (tenant_id, name, value, updated_at) VALUES ('', $1, $2, $3)
		ON CONFLICT (tenant_id, name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at`,
		name, value, millis(tx.Now))
}

// Secret returns a secret of the system, sealed at rest; the first caller makes it
// with fresh, and every node gets the same. It returns secret.ErrSealed when the
// configured master key is not the one it was sealed under.
func (tx *SystemTx) Secret(name string, fresh []byte) ([]byte, error) {
	value, err := tx.OpenSecret(name)
	if errors.Is(err, auth.ErrNotFound) {
		name = sealedPrefix + name
		return fresh, tx.PutSetting(name, tx.db.cfg.Keyring.Seal(settingContext("", name), fresh))
	}
	return value, err
}

// OpenSecret is Secret without making one: it returns ErrNotFound when there is none.
func (tx *SystemTx) OpenSecret(name string) ([]byte, error) {
	name = sealedPrefix + name
	sealed, err := tx.Setting(name)
	if err != nil {
		return nil, err
	}
	return tx.db.cfg.Keyring.Open(settingContext("", name), sealed)
}
