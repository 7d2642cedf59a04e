package store

import (
	"slices"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

const flowCols = "id, browser, kind, request, device, session_id, proved_at, allowed, denied, created_at, expires_at, done_at, proofs, ceremony, failures, remember, offer_passkey"

func scanFlow(s scanner, f *auth.Flow) error {
	return s.Scan(&f.ID, &f.Browser, &f.Kind, jsonDest{&f.Request}, &f.Device, textDest(&f.Session), timeDest(&f.ProvedAt), jsonDest{&f.Allowed}, boolDest{&f.Denied},
		timeDest(&f.CreatedAt), timeDest(&f.ExpiresAt), timeDest(&f.DoneAt), jsonDest{&f.Proofs}, &f.Ceremony, &f.Failures, boolDest{&f.Remember}, boolDest{&f.OfferPasskey})
}

// InsertFlow stores a new flow.
func (tx *Tx) InsertFlow(f auth.Flow) error {
	return insert(tx.q, `INSERT INTO flows (tenant_id, `+flowCols+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, NULL, $13, $14, $15, $16, $17)`,
		tx.tenant, f.ID, f.Browser, f.Kind, encodeJSON(f.Request), f.Device, nullText(f.Session), millis(f.ProvedAt), encodeJSON(f.Allowed), boolToInt(f.Denied),
		millis(f.CreatedAt), millis(f.ExpiresAt), encodeJSON(f.Proofs), f.Ceremony, f.Failures, boolToInt(f.Remember), boolToInt(f.OfferPasskey))
}

// Flow returns a flow, finished and expired ones included.
func (tx *Tx) Flow(id auth.FlowID) (auth.Flow, error) {
	f, err := readOnce(tx, "flows", string(id), func() (auth.Flow, error) {
		return queryRow(tx.q, scanFlow, "SELECT "+flowCols+" FROM flows WHERE tenant_id = $1 AND id = $2", tx.tenant, id)
	})
	f.Proofs = slices.Clip(f.Proofs) // callers append
	return f, err
}

// UpdateFlow writes the decisions of the user; ErrNotFound when the flow is over.
func (tx *Tx) UpdateFlow(f auth.Flow) error {
	return execRow(tx.q, `UPDATE flows SET session_id = $1, proved_at = $2, allowed = $3, denied = $4, device = $5, request = $6,
		proofs = $7, ceremony = $8, failures = $9, remember = $10, offer_passkey = $11
		WHERE tenant_id = $12 AND id = $13 AND done_at IS NULL AND expires_at > $14`,
		nullText(f.Session), millis(f.ProvedAt), encodeJSON(f.Allowed), boolToInt(f.Denied), f.Device, encodeJSON(f.Request),
		encodeJSON(f.Proofs), f.Ceremony, f.Failures, boolToInt(f.Remember), boolToInt(f.OfferPasskey), tx.tenant, f.ID, millis(tx.Now))
}

// SwitchFlow makes another account's session that of a flow, for which nothing is proved or allowed yet.
// It returns ErrNotFound when the flow is over or has another session than from.
func (tx *Tx) SwitchFlow(id auth.FlowID, from, to auth.SessionID) error {
	return execRow(tx.q, `UPDATE flows SET session_id = $1, proved_at = NULL, allowed = $2
		WHERE tenant_id = $3 AND id = $4 AND COALESCE(session_id, '') = $5 AND done_at IS NULL AND expires_at > $6`,
		nullText(to), encodeJSON(auth.Scope(nil)), tx.tenant, id, from, millis(tx.Now))
}

// ConsumeCeremony ends the WebAuthn ceremony of a flow with its first response. Of any number of
// concurrent calls, on any number of nodes, one succeeds; the rest get ErrNotFound.
func (tx *Tx) ConsumeCeremony(id auth.FlowID, ceremony string) error {
	return execRow(tx.q, `UPDATE flows SET ceremony = ''
		WHERE tenant_id = $1 AND id = $2 AND ceremony = $3 AND ceremony <> '' AND done_at IS NULL AND expires_at > $4`,
		tx.tenant, id, ceremony, millis(tx.Now))
}

// FinishFlow ends a flow. Of any number of concurrent calls, on any number of nodes, one
// succeeds; the rest get ErrNotFound.
func (tx *Tx) FinishFlow(id auth.FlowID) error {
	return execRow(tx.q, "UPDATE flows SET done_at = $1 WHERE tenant_id = $2 AND id = $3 AND done_at IS NULL AND expires_at > $1",
		millis(tx.Now), tx.tenant, id)
}

// BindFlow binds a flow without a browser to the given one and sets its expiry; ErrNotFound when
// it has a browser or is over.
func (tx *Tx) BindFlow(id auth.FlowID, browser string, until time.Time) error {
	return execRow(tx.q, `UPDATE flows SET browser = $1, expires_at = $2
		WHERE tenant_id = $3 AND id = $4 AND browser = '' AND done_at IS NULL AND expires_at > $5`,
		browser, millis(until), tx.tenant, id, millis(tx.Now))
}
