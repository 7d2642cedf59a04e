package store

import (
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/fault"
)

const deviceCols = `digest, user_digest, client_id, scope, audience, jkt, interval_ms, polled_at, status, account_id, session_id,
	ip, created_at, expires_at, used_at`

// durationDest scans a duration that is stored in milliseconds.
type durationDest struct{ d *time.Duration }

func (s durationDest) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("duration stored as %T", v)
	}
	*s.d = time.Duration(n) * time.Millisecond
	return nil
}

func scanDevice(s scanner, d *auth.Device) error {
	return s.Scan(&d.Digest, &d.UserDigest, &d.Client, jsonDest{&d.Scope}, jsonDest{&d.Audience}, &d.JKT, durationDest{&d.Interval}, timeDest(&d.PolledAt), &d.Status,
		textDest(&d.Account), textDest(&d.Session), &d.IP, timeDest(&d.CreatedAt), timeDest(&d.ExpiresAt), timeDest(&d.UsedAt))
}

// InsertDevice stores a device authorization request; ErrConflict when one of its codes is
// taken.
func (tx *Tx) InsertDevice(d auth.Device) error {
	return insert(tx.q, `INSERT INTO device_codes (tenant_id, `+deviceCols+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, NULL) ON CONFLICT DO NOTHING`,
		tx.tenant, d.Digest, d.UserDigest, d.Client, encodeJSON(d.Scope), encodeJSON(d.Audience), d.JKT, d.Interval.Milliseconds(), millis(d.PolledAt), d.Status,
		nullText(d.Account), nullText(d.Session), d.IP, millis(d.CreatedAt), millis(d.ExpiresAt))
}

// Device finds a device by the digest of its device_code, in any state.
func (tx *Tx) Device(digest string) (auth.Device, error) {
	return queryRow(tx.q, scanDevice, "SELECT "+deviceCols+" FROM device_codes WHERE tenant_id = $1 AND digest = $2", tx.tenant, digest)
}

// DeviceByUserCode finds a device by the digest of its user_code, in any state.
func (tx *Tx) DeviceByUserCode(digest string) (auth.Device, error) {
	return queryRow(tx.q, scanDevice, "SELECT "+deviceCols+" FROM device_codes WHERE tenant_id = $1 AND user_digest = $2", tx.tenant, digest)
}

// PollDevice records a poll and the interval from now on.
func (tx *Tx) PollDevice(digest string, interval time.Duration) error {
	return execRow(tx.q, "UPDATE device_codes SET polled_at = $1, interval_ms = $2 WHERE tenant_id = $3 AND digest = $4",
		millis(tx.Now), interval.Milliseconds(), tx.tenant, digest)
}

// DecideDevice stores the decision of the user about a pending device; ErrNotFound when it is
// not pending.
func (tx *Tx) DecideDevice(digest string, status auth.DeviceStatus, account auth.AccountID, session auth.SessionID, scope auth.Scope) error {
	return execRow(tx.q, `UPDATE device_codes SET status = $1, account_id = $2, session_id = $3, scope = $4
		WHERE tenant_id = $5 AND digest = $6 AND status = 'pending' AND used_at IS NULL AND expires_at > $7`,
		status, nullText(account), nullText(session), encodeJSON(scope), tx.tenant, digest, millis(tx.Now))
}

// ConsumeDevice consumes an approved device code. Of any number of concurrent calls, on any
// number of nodes, one gets it; the rest get ErrNotFound.
func (tx *Tx) ConsumeDevice(digest string) (auth.Device, error) {
	d, err := queryRow(tx.q, scanDevice, `UPDATE device_codes SET used_at = $1
		WHERE tenant_id = $2 AND digest = $3 AND status = 'approved' AND used_at IS NULL AND expires_at > $1
		RETURNING `+deviceCols, millis(tx.Now), tx.tenant, digest)
	if err == nil {
		err = fault.Point(fault.SingleUseConsumed)
	}
	return d, err
}
