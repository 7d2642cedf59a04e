package store

import "github.com/watchword-auth/watchword/internal/auth"

const clientCols = "id, name, kind, first_party, secrets, redirect_uris, scopes, created_at, updated_at, disabled_at"

func scanClient(s scanner, c *auth.Client) error {
	var first int64
	err := s.Scan(&c.ID, &c.Name, &c.Type, &first, decoded{&c.Secrets}, decoded{&c.RedirectURIs}, decoded{&c.Scopes},
		at(&c.CreatedAt), at(&c.UpdatedAt), at(&c.DisabledAt))
	c.FirstParty = first == 1
	return err
}

// Client returns ErrNotFound for a client of another tenant.
func (tx *Tx) Client(id auth.ClientID) (auth.Client, error) {
	return one(tx.q, scanClient, "SELECT "+clientCols+" FROM clients WHERE tenant_id = $1 AND id = $2", tx.tenant, id)
}

// Clients lists the tenant's clients by id.
func (tx *Tx) Clients() ([]auth.Client, error) {
	return all(tx.q, scanClient, "SELECT "+clientCols+" FROM clients WHERE tenant_id = $1 ORDER BY id", tx.tenant)
}

// InsertClient returns ErrConflict when the id is taken.
func (tx *Tx) InsertClient(c auth.Client) error {
	first := 0
	if c.FirstParty {
		first = 1
	}
	return insert(tx.q, `INSERT INTO clients (tenant_id, id, name, kind, first_party, secrets, redirect_uris, scopes, created_at, updated_at, disabled_at, settings)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, '{}') ON CONFLICT (tenant_id, id) DO NOTHING`,
		tx.tenant, c.ID, c.Name, c.Type, first, encoded(c.Secrets), encoded(c.RedirectURIs), encoded(c.Scopes),
		millis(c.CreatedAt), millis(c.UpdatedAt), millis(c.DisabledAt))
}
