package store

import "github.com/watchword-auth/watchword/internal/auth"

const trustedBrowserCols = "id, account_id, digest, previous, ip, user_agent, created_at, used_at, expires_at"

func scanTrustedBrowser(s scanner, b *auth.TrustedBrowser) error {
	return s.Scan(&b.ID, &b.Account, &b.Digest, &b.Previous, &b.IP, &b.UserAgent, timeDest(&b.CreatedAt), timeDest(&b.UsedAt), timeDest(&b.ExpiresAt))
}

// InsertTrustedBrowser stores a new trusted browser.
func (tx *Tx) InsertTrustedBrowser(b auth.TrustedBrowser) error {
	return insert(tx.q, `INSERT INTO trusted_browsers (tenant_id, `+trustedBrowserCols+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		tx.tenant, b.ID, b.Account, b.Digest, b.Previous, b.IP, b.UserAgent, millis(b.CreatedAt), millis(b.UsedAt), millis(b.ExpiresAt))
}

// TrustedBrowser returns a trusted browser, expired ones included.
func (tx *Tx) TrustedBrowser(id auth.TrustedBrowserID) (auth.TrustedBrowser, error) {
	return queryRow(tx.q, scanTrustedBrowser, "SELECT "+trustedBrowserCols+" FROM trusted_browsers WHERE tenant_id = $1 AND id = $2", tx.tenant, id)
}

// TrustedBrowsers lists the trusted browsers of an account, the newest first, expired ones included.
func (tx *Tx) TrustedBrowsers(account auth.AccountID) ([]auth.TrustedBrowser, error) {
	return queryRows(tx.q, scanTrustedBrowser, "SELECT "+trustedBrowserCols+` FROM trusted_browsers
		WHERE tenant_id = $1 AND account_id = $2 ORDER BY created_at DESC, id LIMIT 1000`, tx.tenant, account)
}

// RotateTrustedBrowser replaces the newest token by its successor, if it is still the newest. Of any
// number of concurrent calls one returns true.
func (tx *Tx) RotateTrustedBrowser(id auth.TrustedBrowserID, from, to string) (bool, error) {
	n, err := execCount(tx.q, `UPDATE trusted_browsers SET digest = $1, previous = $2, used_at = $3
		WHERE tenant_id = $4 AND id = $5 AND digest = $2`, to, from, millis(tx.Now), tx.tenant, id)
	return n == 1, err
}

// DeleteTrustedBrowser ends the trust in a browser; ErrNotFound when it is gone.
func (tx *Tx) DeleteTrustedBrowser(account auth.AccountID, id auth.TrustedBrowserID) error {
	return execRow(tx.q, "DELETE FROM trusted_browsers WHERE tenant_id = $1 AND account_id = $2 AND id = $3", tx.tenant, account, id)
}

// DeleteTrustedBrowsers ends the trust in all browsers of an account, and returns how many.
func (tx *Tx) DeleteTrustedBrowsers(account auth.AccountID) (int64, error) {
	return execCount(tx.q, "DELETE FROM trusted_browsers WHERE tenant_id = $1 AND account_id = $2", tx.tenant, account)
}
