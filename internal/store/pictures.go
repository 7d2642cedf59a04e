package store

import "github.com/watchword-auth/watchword/internal/auth"

const pictureCols = "name, account_id, content_type, bytes, created_at"

func scanPicture(s scanner, p *auth.Picture) error {
	return s.Scan(&p.Name, &p.Account, &p.Type, &p.Bytes, timeDest(&p.CreatedAt))
}

// Picture returns ErrNotFound for an unknown name, for one that was replaced and for one of another tenant.
func (tx *Tx) Picture(name string) (auth.Picture, error) {
	return queryRow(tx.q, scanPicture, "SELECT "+pictureCols+" FROM account_pictures WHERE tenant_id = $1 AND name = $2", tx.tenant, name)
}

// SetPicture replaces the picture of an account; one without a name removes it. It returns ErrNotFound for an
// unknown account.
func (tx *Tx) SetPicture(p auth.Picture) error {
	if err := execRow(tx.q, "UPDATE accounts SET picture = $1, updated_at = $2 WHERE tenant_id = $3 AND id = $4",
		p.Name, millis(tx.Now), tx.tenant, p.Account); err != nil {
		return err
	}
	if _, err := execCount(tx.q, "DELETE FROM account_pictures WHERE tenant_id = $1 AND account_id = $2", tx.tenant, p.Account); err != nil || p.Name == "" {
		return err
	}
	return insert(tx.q, "INSERT INTO account_pictures (tenant_id, "+pictureCols+") VALUES ($1, $2, $3, $4, $5, $6)",
		tx.tenant, p.Name, p.Account, p.Type, p.Bytes, millis(p.CreatedAt))
}
