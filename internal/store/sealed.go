package store

import (
	"errors"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

const (
	sealedPrefix = "sealed." // Reseal finds them by it
	leasePrefix  = "lease."
)

func settingContext(tenant, name string) string { return "setting " + tenant + "/" + name }

// EnsureSecret returns a secret of the system, sealed at rest; the first caller makes it
// with fresh, and every node gets the same. It returns secret.ErrSealed when the
// configured master key is not the one it was sealed under.
func (tx *SystemTx) EnsureSecret(name string, fresh []byte) ([]byte, error) {
	plain, err := tx.Sealed(name)
	if errors.Is(err, auth.ErrNotFound) {
		return fresh, tx.PutSealed(name, fresh)
	}
	return plain, err
}

// Sealed opens a sealed value of the system. It returns ErrNotFound, or
// secret.ErrSealed when no configured master key opens it.
func (tx *SystemTx) Sealed(name string) ([]byte, error) {
	name = sealedPrefix + name
	sealed, err := tx.Setting(name)
	if err != nil {
		return nil, err
	}
	return tx.db.cfg.Keyring.Open(settingContext("", name), sealed)
}

// PutSealed stores a value of the system, sealed at rest.
func (tx *SystemTx) PutSealed(name string, value []byte) error {
	name = sealedPrefix + name
	return tx.PutSetting(name, tx.db.cfg.Keyring.Seal(settingContext("", name), value))
}

// DeleteSealed forgets the sealed value of that name, if there is one, and all that
// are below it (name/…).
func (tx *SystemTx) DeleteSealed(name string) error {
	name = sealedPrefix + name
	_, err := execCount(tx.q, "DELETE FROM settings WHERE tenant_id = '' AND (name = $1 OR substr(name, 1, length($2)) = $2)", name, name+"/")
	return err
}

// SealedUnder lists what is below a name (name/…) with the time it was last put
// there, by names in order.
func (tx *SystemTx) SealedUnder(name string) ([]SealedEntry, error) {
	return queryRows(tx.q, func(s scanner, v *SealedEntry) error {
		err := s.Scan(&v.Name, timeDest(&v.PutAt))
		v.Name = v.Name[len(sealedPrefix):]
		return err
	}, `SELECT name, updated_at FROM settings WHERE tenant_id = '' AND substr(name, 1, length($1)) = $1 ORDER BY name`, sealedPrefix+name+"/")
}

// SealedEntry is where a sealed value stands.
type SealedEntry struct {
	Name  string
	PutAt time.Time
}

// AcquireLease gives the holder something that one at a time may have, until a moment, or
// extends it. It reports false while somebody else has it. updated_at is then the
// end of the lease.
func (tx *SystemTx) AcquireLease(name, holder string, until time.Time) (bool, error) {
	n, err := execCount(tx.q, `INSERT INTO settings (tenant_id, name, value, updated_at) VALUES ('', $1, $2, $3)
		ON CONFLICT (tenant_id, name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at
		WHERE settings.updated_at <= $4 OR settings.value = excluded.value`,
		leasePrefix+name, []byte(holder), millis(until), millis(tx.Now))
	return n == 1, err
}

// ReleaseLease gives a lease back. It does nothing when the holder has lost it.
func (tx *SystemTx) ReleaseLease(name, holder string) error {
	_, err := execCount(tx.q, "DELETE FROM settings WHERE tenant_id = '' AND name = $1 AND value = $2", leasePrefix+name, []byte(holder))
	return err
}
