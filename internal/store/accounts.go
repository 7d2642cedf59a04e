package store

import (
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

const accountCols = "id, email, login, username, name, email_verified_at, disabled_at, locked_at, delete_at, last_login_at, created_at, updated_at, registrar, locale, picture"

func scanAccount(s scanner, a *auth.Account) error { return s.Scan(accountDest(a)...) }

// accountDest are the destinations of accountCols.
func accountDest(a *auth.Account) []any {
	return []any{&a.ID, &a.Email.Address, &a.Email.Login, &a.Username, &a.Name, timeDest(&a.EmailVerifiedAt),
		timeDest(&a.DisabledAt), timeDest(&a.LockedAt), timeDest(&a.DeleteAt), timeDest(&a.LastLoginAt), timeDest(&a.CreatedAt), timeDest(&a.UpdatedAt), &a.Registrar, &a.Locale, &a.Picture}
}

// Account returns ErrNotFound for an unknown ID and for one of another tenant.
func (tx *Tx) Account(id auth.AccountID) (auth.Account, error) {
	return readOnce(tx, "accounts", string(id), func() (auth.Account, error) {
		return queryRow(tx.q, scanAccount, "SELECT "+accountCols+" FROM accounts WHERE tenant_id = $1 AND id = $2", tx.tenant, id)
	})
}

// hasLogin and hasUsername are the conditions of accounts with the canonical login or user name $2. A name
// that is only wanted, by an account with an unverified address, is not found.
const (
	hasLogin    = "login = $2"
	hasUsername = "username = $2 AND username <> '' AND email_verified_at IS NOT NULL"
)

// AccountByLogin finds an account by its canonical login.
func (tx *Tx) AccountByLogin(login string) (auth.Account, error) {
	return queryRow(tx.q, scanAccount, "SELECT "+accountCols+" FROM accounts WHERE tenant_id = $1 AND "+hasLogin, tx.tenant, login)
}

// AccountByUsername finds the account that has a canonical user name. A name that is only wanted,
// by an account with an unverified address, is not found.
func (tx *Tx) AccountByUsername(name string) (auth.Account, error) {
	if name == "" {
		return auth.Account{}, auth.ErrNotFound
	}
	return queryRow(tx.q, scanAccount, "SELECT "+accountCols+" FROM accounts WHERE tenant_id = $1 AND "+hasUsername, tx.tenant, name)
}

// AccountByName finds an account by a canonical address or user name.
func (tx *Tx) AccountByName(login string) (auth.Account, error) {
	if auth.IsUsername(login) {
		return tx.AccountByUsername(login)
	}
	return tx.AccountByLogin(login)
}

// AccountFilter pages through accounts by id.
type AccountFilter struct {
	After  auth.AccountID // exclusive; empty for the first page
	Prefix string         // of the login; empty for all
	Limit  int
}

// Accounts lists accounts by id, oldest first.
func (tx *Tx) Accounts(f AccountFilter) ([]auth.Account, error) {
	prefix := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(f.Prefix)) + "%"
	return queryRows(tx.q, scanAccount, "SELECT "+accountCols+` FROM accounts
		WHERE tenant_id = $1 AND id > $2 AND login LIKE $3 ESCAPE '\' ORDER BY id LIMIT $4`,
		tx.tenant, f.After, prefix, f.Limit)
}

// InsertAccount returns ErrConflict when the login is taken. The transaction remains usable. The
// caller has checked in the same transaction that the user name of a verified account is free.
func (tx *Tx) InsertAccount(a auth.Account) error {
	return insert(tx.q, `INSERT INTO accounts (tenant_id, id, email, login, username, name, email_verified_at, disabled_at, last_login_at, created_at, updated_at, registrar, locale)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (tenant_id, login) DO NOTHING`,
		tx.tenant, a.ID, a.Email.Address, a.Email.Login, a.Username, a.Name, millis(a.EmailVerifiedAt),
		millis(a.DisabledAt), millis(a.LastLoginAt), millis(a.CreatedAt), millis(a.UpdatedAt), a.Registrar, a.Locale)
}

// UpdateAccount writes all fields but the ID, the time of creation and the picture (SetPicture). The caller has checked in
// the same transaction that the login and the user name are free.
func (tx *Tx) UpdateAccount(a auth.Account) error {
	return execRow(tx.q, `UPDATE accounts SET email = $1, login = $2, username = $3, name = $4, email_verified_at = $5,
		disabled_at = $6, locked_at = $7, delete_at = $8, last_login_at = $9, updated_at = $10, registrar = $11, locale = $12 WHERE tenant_id = $13 AND id = $14`,
		a.Email.Address, a.Email.Login, a.Username, a.Name, millis(a.EmailVerifiedAt),
		millis(a.DisabledAt), millis(a.LockedAt), millis(a.DeleteAt), millis(a.LastLoginAt), millis(tx.Now), a.Registrar, a.Locale, tx.tenant, a.ID)
}

// TouchLogin records the time of a sign-in.
func (tx *Tx) TouchLogin(id auth.AccountID) error {
	return execRow(tx.q, "UPDATE accounts SET last_login_at = $1 WHERE tenant_id = $2 AND id = $3", millis(tx.Now), tx.tenant, id)
}

// DeleteAccount removes the account with its credentials, sessions, families, links and role
// assignments. Its audit lines stay.
func (tx *Tx) DeleteAccount(id auth.AccountID) error {
	return execRow(tx.q, "DELETE FROM accounts WHERE tenant_id = $1 AND id = $2", tx.tenant, id)
}

// DueAccount is an account whose owner has asked for its deletion.
type DueAccount struct {
	At     time.Time // of the deletion
	Tenant auth.TenantID
	ID     auth.AccountID
}

// DueAccounts lists up to n accounts that are to be deleted by now, in the order of their deletion, after the
// given one. Any other order would make SQLite read all accounts.
func (tx *SystemTx) DueAccounts(after DueAccount, n int) ([]DueAccount, error) {
	return queryRows(tx.q, func(s scanner, v *DueAccount) error { return s.Scan(timeDest(&v.At), &v.Tenant, &v.ID) }, `SELECT delete_at, tenant_id, id FROM accounts
		WHERE delete_at <= $1 AND (delete_at, tenant_id, id) > ($2, $3, $4) ORDER BY delete_at, tenant_id, id LIMIT $5`,
		millis(tx.Now), millisOrZero(after.At), after.Tenant, after.ID, n)
}
