package store

import (
	"errors"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

const (
	sealedPrefix = "sealed." // by which Reseal finds them
	leasePrefix  = "lease."
)

func settingContext(tenant, name string) string { return "setting " + tenant + "/" + name }

// EnsureSecret returns a secret of the system, sealed at rest. The first caller stores fresh,
// and every node gets the same. It returns secret.ErrSealed when the configured master key does
// not open it.
func (tx *SystemTx) EnsureSecret(name string, fresh []byte) ([]byte, error) {
	plain, err := tx.Sealed(name)
	if errors.Is(err, auth.ErrNotFound) {
		return fresh, tx.PutSealed(name, fresh)
	}
	return plain, err
}

// Sealed returns a sealed value of the system. It returns ErrNotFound without one, and
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

// DeleteSealed deletes the sealed value of that name, if there is one, and all below it
// (name/…).
func (tx *SystemTx) DeleteSealed(name string) error {
	name = sealedPrefix + name
	_, err := execCount(tx.q, "DELETE FROM settings WHERE tenant_id = '' AND (name = $1 OR substr(name, 1, length($2)) = $2)", name, name+"/")
	return err
}

// SealedUnder lists the values below a name (name/…) and when they were stored, sorted by name.
func (tx *SystemTx) SealedUnder(name string) ([]SealedEntry, error) {
	return queryRows(tx.q, func(s scanner, v *SealedEntry) error {
		err := s.Scan(&v.Name, timeDest(&v.PutAt))
		v.Name = v.Name[len(sealedPrefix):]
		return err
	}, `SELECT name, updated_at FROM settings WHERE tenant_id = '' AND substr(name, 1, length($1)) = $1 ORDER BY name`, sealedPrefix+name+"/")
}

// SealedEntry names a sealed value.
type SealedEntry struct {
	Name  string
	PutAt time.Time
}

// AcquireLease gives the holder an exclusive lease until the given time, or extends it. It
// returns false while another holder has it. The column updated_at is the end of the lease.
func (tx *SystemTx) AcquireLease(name, holder string, until time.Time) (bool, error) {
	n, err := execCount(tx.q, `INSERT INTO settings (tenant_id, name, value, updated_at) VALUES ('', $1, $2, $3)
		ON CONFLICT (tenant_id, name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at
		WHERE settings.updated_at <= $4 OR settings.value = excluded.value`,
		leasePrefix+name, []byte(holder), millis(until), millis(tx.Now))
	return n == 1, err
}

// ReleaseLease ends a lease. It does nothing when the holder has lost it.
func (tx *SystemTx) ReleaseLease(name, holder string) error {
	_, err := execCount(tx.q, "DELETE FROM settings WHERE tenant_id = '' AND name = $1 AND value = $2", leasePrefix+name, []byte(holder))
	return err
}
