package store

import (
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
)

const factorCols = "id, account_id, kind, label, lookup, data, secret, counter, created_at, proved_at, used_at"

func scanFactor(s scanner, f *auth.Factor) error {
	return s.Scan(&f.ID, &f.Account, &f.Kind, &f.Name, textDest(&f.Lookup), jsonDest{&f.Data}, &f.Sealed, &f.Counter,
		timeDest(&f.CreatedAt), timeDest(&f.ProvedAt), timeDest(&f.UsedAt))
}

// factorContext is the context to which the sealed secret of a factor is bound.
func factorContext(tenant, id string) string { return "factor " + tenant + "/" + id }

// InsertFactor stores a factor. It returns ErrConflict when the tenant has one of the same kind and
// lookup value, of whatever account.
func (tx *Tx) InsertFactor(f auth.Factor) error {
	return insert(tx.q, `INSERT INTO credentials (tenant_id, `+factorCols+`, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, NULL, $10) ON CONFLICT DO NOTHING`,
		tx.tenant, f.ID, f.Account, f.Kind, f.Name, nullText(f.Lookup), encodeJSON(f.Data), f.Sealed, f.Counter, millis(f.CreatedAt), millis(f.ProvedAt))
}

// Factors lists the factors of an account, the oldest first, those that are not proved included.
func (tx *Tx) Factors(account auth.AccountID) ([]auth.Factor, error) {
	list, err := readOnce(tx, "credentials", string(account), func() ([]auth.Factor, error) {
		return queryRows(tx.q, scanFactor, "SELECT "+factorCols+` FROM credentials
			WHERE tenant_id = $1 AND account_id = $2 AND kind <> 'password' ORDER BY id LIMIT 1000`, tx.tenant, account)
	})
	return slices.Clone(list), err // callers remove some
}

// FactorRoles returns the roles of an account if the tenant has policies of roles, and none
// otherwise.
func (tx *Tx) FactorRoles(t auth.Tenant, account auth.AccountID) ([]string, error) {
	if len(t.Settings.Factors.Roles) == 0 {
		return nil, nil
	}
	roles, _, err := tx.Rights(account)
	return roles, err
}

// FactorByLookup finds a factor by its lookup value; ErrNotFound without one.
func (tx *Tx) FactorByLookup(kind auth.FactorKind, lookup string) (auth.Factor, error) {
	return queryRow(tx.q, scanFactor, "SELECT "+factorCols+` FROM credentials
		WHERE tenant_id = $1 AND kind = $2 AND lookup = $3`, tx.tenant, kind, lookup)
}

// AdvanceFactor records the use of a factor and its new counter, if the counter rises. Of any number
// of concurrent calls with one counter, on any number of nodes, one returns true. The first use
// proves the factor.
func (tx *Tx) AdvanceFactor(account auth.AccountID, id auth.FactorID, counter int64) (bool, error) {
	n, err := execCount(tx.q, `UPDATE credentials SET counter = $1, used_at = $2, updated_at = $2, proved_at = coalesce(proved_at, $2)
		WHERE tenant_id = $3 AND account_id = $4 AND id = $5 AND counter < $1`, counter, millis(tx.Now), tx.tenant, account, id)
	return n == 1, err
}

// UpdateFactor records the use of a passkey: its counter and its data. ErrNotFound when it is gone.
func (tx *Tx) UpdateFactor(f auth.Factor) error {
	return execRow(tx.q, `UPDATE credentials SET counter = $1, data = $2, used_at = $3, updated_at = $3
		WHERE tenant_id = $4 AND account_id = $5 AND id = $6`, f.Counter, encodeJSON(f.Data), millis(tx.Now), tx.tenant, f.Account, f.ID)
}

// BindFactors makes the passkeys of an account that were created from an offer its second factors.
func (tx *Tx) BindFactors(account auth.AccountID) error {
	list, err := tx.Factors(account)
	if err != nil {
		return err
	}
	for _, f := range list {
		if !f.Data.Offered {
			continue
		}
		f.Data.Offered = false
		err := execRow(tx.q, `UPDATE credentials SET data = $1, updated_at = $2
			WHERE tenant_id = $3 AND account_id = $4 AND id = $5`, encodeJSON(f.Data), millis(tx.Now), tx.tenant, account, f.ID)
		if err != nil {
			return err
		}
	}
	return nil
}

// RenameFactor changes the name of a factor; ErrNotFound when it is gone.
func (tx *Tx) RenameFactor(account auth.AccountID, id auth.FactorID, name string) error {
	return execRow(tx.q, `UPDATE credentials SET label = $1, updated_at = $2
		WHERE tenant_id = $3 AND account_id = $4 AND id = $5 AND kind <> 'password'`, name, millis(tx.Now), tx.tenant, account, id)
}

// ProveFactors makes the factors of a kind count.
func (tx *Tx) ProveFactors(account auth.AccountID, kind auth.FactorKind) error {
	_, err := execCount(tx.q, `UPDATE credentials SET proved_at = $1, updated_at = $1
		WHERE tenant_id = $2 AND account_id = $3 AND kind = $4 AND proved_at IS NULL`, millis(tx.Now), tx.tenant, account, kind)
	return err
}

// ConsumeFactor consumes a proved factor that is for one use. Of any number of concurrent calls, on
// any number of nodes, one gets it; the rest get ErrNotFound.
func (tx *Tx) ConsumeFactor(account auth.AccountID, kind auth.FactorKind, lookup string) error {
	return execRow(tx.q, `UPDATE credentials SET used_at = $1, updated_at = $1
		WHERE tenant_id = $2 AND account_id = $3 AND kind = $4 AND lookup = $5 AND used_at IS NULL AND proved_at IS NOT NULL`,
		millis(tx.Now), tx.tenant, account, kind, lookup)
}

// DeleteFactor removes a factor; ErrNotFound when it is gone.
func (tx *Tx) DeleteFactor(account auth.AccountID, id auth.FactorID) error {
	return execRow(tx.q, "DELETE FROM credentials WHERE tenant_id = $1 AND account_id = $2 AND id = $3 AND kind <> 'password'", tx.tenant, account, id)
}

// DeleteFactors removes the factors of the given kinds, and returns how many.
func (tx *Tx) DeleteFactors(account auth.AccountID, kinds ...auth.FactorKind) (int64, error) {
	total := int64(0)
	for _, kind := range kinds {
		n, err := execCount(tx.q, "DELETE FROM credentials WHERE tenant_id = $1 AND account_id = $2 AND kind = $3 AND kind <> 'password'", tx.tenant, account, kind)
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

// SealFactor seals the secret of a factor.
func (tx *Tx) SealFactor(id auth.FactorID, secret []byte) []byte {
	return tx.db.cfg.Keyring.Seal(factorContext(string(tx.tenant), string(id)), secret)
}

// OpenFactor opens the secret of a factor. It returns secret.ErrSealed when no configured master
// key opens it.
func (tx *Tx) OpenFactor(f auth.Factor) ([]byte, error) {
	return tx.db.cfg.Keyring.Open(factorContext(string(tx.tenant), string(f.ID)), f.Sealed)
}
