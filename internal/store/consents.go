package store

import "github.com/watchword-auth/watchword/internal/auth"

const consentCols = "account_id, client_id, scope, audience, created_at, updated_at"

func scanConsent(s scanner, c *auth.Consent) error {
	return s.Scan(&c.Account, &c.Client, jsonDest{&c.Scope}, jsonDest{&c.Audience}, timeDest(&c.CreatedAt), timeDest(&c.UpdatedAt))
}

// Consent returns the consent of the account for the client; ErrNotFound without one.
func (tx *Tx) Consent(account auth.AccountID, client auth.ClientID) (auth.Consent, error) {
	return queryRow(tx.q, scanConsent, "SELECT "+consentCols+" FROM consents WHERE tenant_id = $1 AND account_id = $2 AND client_id = $3",
		tx.tenant, account, client)
}

// Consents lists the consents of the account by client.
func (tx *Tx) Consents(account auth.AccountID) ([]auth.Consent, error) {
	return queryRows(tx.q, scanConsent, "SELECT "+consentCols+" FROM consents WHERE tenant_id = $1 AND account_id = $2 ORDER BY client_id LIMIT 1000",
		tx.tenant, account)
}

// PutConsent stores or replaces a consent.
func (tx *Tx) PutConsent(c auth.Consent) error {
	return insert(tx.q, `INSERT INTO consents (tenant_id, `+consentCols+`) VALUES ($1, $2, $3, $4, $5, $6, $6)
		ON CONFLICT (tenant_id, account_id, client_id) DO UPDATE SET scope = excluded.scope, audience = excluded.audience, updated_at = excluded.updated_at`,
		tx.tenant, c.Account, c.Client, encodeJSON(c.Scope), encodeJSON(c.Audience), millis(tx.Now))
}

// DeleteConsents revokes all consents of the account.
func (tx *Tx) DeleteConsents(account auth.AccountID) error {
	_, err := execCount(tx.q, "DELETE FROM consents WHERE tenant_id = $1 AND account_id = $2", tx.tenant, account)
	return err
}

// DeleteConsent revokes a consent; ErrNotFound without one.
func (tx *Tx) DeleteConsent(account auth.AccountID, client auth.ClientID) error {
	return execRow(tx.q, "DELETE FROM consents WHERE tenant_id = $1 AND account_id = $2 AND client_id = $3", tx.tenant, account, client)
}
