package store

import (
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
)

// SetPassword stores the hash of the account's new and only password.
func (tx *Tx) SetPassword(account auth.AccountID, hash string) error {
	return insert(tx.q, `INSERT INTO credentials (tenant_id, id, account_id, kind, label, secret, counter, created_at, updated_at)
		VALUES ($1, $2, $3, 'password', '', $4, 0, $5, $5)
		ON CONFLICT (tenant_id, account_id) WHERE kind = 'password'
		DO UPDATE SET secret = excluded.secret, created_at = excluded.created_at, updated_at = excluded.updated_at`,
		tx.tenant, secret.NewID(tx.Now), account, []byte(hash), millis(tx.Now))
}

// CompareAndSwapPassword replaces the hash only if it is still the old one, so that a rehash
// never undoes a concurrent change. It reports whether it replaced it.
func (tx *Tx) CompareAndSwapPassword(account auth.AccountID, from, to string) (bool, error) {
	n, err := execCount(tx.q, `UPDATE credentials SET secret = $1, updated_at = $2
		WHERE tenant_id = $3 AND account_id = $4 AND kind = 'password' AND secret = $5`,
		[]byte(to), millis(tx.Now), tx.tenant, account, []byte(from))
	return n == 1, err
}

// PasswordHash returns the hash of the account's password, or ErrNotFound.
func (tx *Tx) PasswordHash(account auth.AccountID) (string, error) {
	return queryRow(tx.q, scanText, "SELECT secret FROM credentials WHERE tenant_id = $1 AND account_id = $2 AND kind = 'password'", tx.tenant, account)
}

// NextPasswordHash returns the first password hash after the given text, of any account, in the
// order of bytes; ErrNotFound after the last one. It finds the kinds of hashes in use without
// reading all of them.
func (tx *SystemTx) NextPasswordHash(after string) (string, error) {
	return queryRow(tx.q, scanText, "SELECT secret FROM credentials WHERE kind = 'password' AND secret > $1 ORDER BY secret LIMIT 1", []byte(after))
}

// PasswordSetAt returns when the present password of a login was set, regardless of rehashes;
// ErrNotFound without a password.
func (tx *Tx) PasswordSetAt(login string) (time.Time, error) {
	return queryRow(tx.q, func(s scanner, t *time.Time) error { return s.Scan(timeDest(t)) }, `SELECT c.created_at FROM accounts a
		JOIN credentials c ON c.tenant_id = a.tenant_id AND c.account_id = a.id AND c.kind = 'password'
		WHERE a.tenant_id = $1 AND a.login = $2`, tx.tenant, login)
}

// PasswordSince returns when the present password of an account was set, regardless of rehashes;
// ErrNotFound without a password.
func (tx *Tx) PasswordSince(account auth.AccountID) (time.Time, error) {
	return queryRow(tx.q, func(s scanner, t *time.Time) error { return s.Scan(timeDest(t)) },
		"SELECT created_at FROM credentials WHERE tenant_id = $1 AND account_id = $2 AND kind = 'password'", tx.tenant, account)
}

// DeletePassword removes the account's password.
func (tx *Tx) DeletePassword(account auth.AccountID) error {
	_, err := execCount(tx.q, "DELETE FROM credentials WHERE tenant_id = $1 AND account_id = $2 AND kind = 'password'", tx.tenant, account)
	return err
}
