package store

import (
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
)

const clientCols = "id, name, kind, first_party, secrets, redirect_uris, scopes, settings, bounds, created_at, updated_at, disabled_at"

func scanClient(s scanner, c *auth.Client) error {
	err := s.Scan(&c.ID, &c.Name, &c.Type, boolDest{&c.FirstParty}, jsonDest{&c.Secrets}, jsonDest{&c.RedirectURIs}, jsonDest{&c.Scopes}, jsonDest{&c.Settings},
		jsonDest{&c.Bounds}, timeDest(&c.CreatedAt), timeDest(&c.UpdatedAt), timeDest(&c.DisabledAt))
	*c = c.Bounded()
	return err
}

// Client returns ErrNotFound for an unknown client and for one of another tenant.
func (tx *Tx) Client(id auth.ClientID) (auth.Client, error) {
	return readOnce(tx, "clients", string(id), func() (auth.Client, error) {
		return queryRow(tx.q, scanClient, "SELECT "+clientCols+" FROM clients WHERE tenant_id = $1 AND id = $2", tx.tenant, id)
	})
}

// Clients lists the tenant's clients by id.
func (tx *Tx) Clients() ([]auth.Client, error) {
	return queryRows(tx.q, scanClient, "SELECT "+clientCols+" FROM clients WHERE tenant_id = $1 ORDER BY id", tx.tenant)
}

// ClientsAfter lists at most limit clients in the order of their IDs, after the given one.
func (tx *Tx) ClientsAfter(after auth.ClientID, limit int) ([]auth.Client, error) {
	return queryRows(tx.q, scanClient, "SELECT "+clientCols+" FROM clients WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3", tx.tenant, after, limit)
}

// InsertClient stores the client within its bounds. It returns ErrConflict when the ID is taken.
func (tx *Tx) InsertClient(c auth.Client) error {
	c = c.Bounded()
	return insert(tx.q, `INSERT INTO clients (tenant_id, `+clientCols+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (tenant_id, id) DO NOTHING`,
		tx.tenant, c.ID, c.Name, c.Type, boolToInt(c.FirstParty), encodeJSON(c.Secrets), encodeJSON(c.RedirectURIs), encodeJSON(c.Scopes), encodeJSON(c.Settings), encodeJSON(c.Bounds),
		millis(c.CreatedAt), millis(c.UpdatedAt), millis(c.DisabledAt))
}

// UpdateClient writes all fields but the type, the party and the time of creation, within the
// bounds of the client. It returns ErrNotFound for an unknown client.
func (tx *Tx) UpdateClient(c auth.Client) error {
	c = c.Bounded()
	return execRow(tx.q, `UPDATE clients SET name = $1, secrets = $2, redirect_uris = $3, scopes = $4, settings = $5, bounds = $6, updated_at = $7, disabled_at = $8
		WHERE tenant_id = $9 AND id = $10`,
		c.Name, encodeJSON(c.Secrets), encodeJSON(c.RedirectURIs), encodeJSON(c.Scopes), encodeJSON(c.Settings), encodeJSON(c.Bounds), millis(tx.Now), millis(c.DisabledAt),
		tx.tenant, c.ID)
}

// DeleteClient removes the client. Its refresh families stay until they expire and are useless
// without it. It returns ErrNotFound for an unknown client.
func (tx *Tx) DeleteClient(id auth.ClientID) error {
	return execRow(tx.q, "DELETE FROM clients WHERE tenant_id = $1 AND id = $2", tx.tenant, id)
}

// DeleteClientCodes deletes all authorization codes of a client.
func (tx *Tx) DeleteClientCodes(id auth.ClientID) error {
	_, err := execCount(tx.q, "DELETE FROM single_use WHERE tenant_id = $1 AND kind = 'code' AND client_id = $2", tx.tenant, id)
	return err
}

// boolDest scans a Boolean, which both databases store as 0 or 1.
type boolDest struct{ v *bool }

func (f boolDest) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("bool stored as %T", v)
	}
	*f.v = n != 0
	return nil
}

func boolToInt(v bool) int {
	if v {
		return 1
	}
	return 0
}
