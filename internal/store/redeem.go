package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

// RedemptionState is the state on which the redemption of an authorization code depends.
type RedemptionState struct {
	Code        auth.SingleUse
	Browser     auth.Session // under which the code was issued: ID, Account, Parent, times, ACR, AMR
	Session     auth.Session // of the client: ID, Account, Client, Parent, Offline, times; no ID before it begins
	Account     auth.Account // all but DeleteAt and LastLoginAt
	Client      auth.Client  // ID, Type, FirstParty, RedirectURIs, Scopes, Settings, DisabledAt
	Tenant      auth.Tenant  // ID, Settings, DisabledAt
	Entitlement auth.Entitlement
}

// Redemption is the result of a decision about an authorization code.
type Redemption struct {
	Session auth.Session // of the client: a new one, or the one that was read with its changes
	Family  *auth.Family // nil without a refresh token
	Event   auth.Event
}

// RedemptionState reads an authorization code, consumed or not, with its sessions, account,
// client, tenant and rights; ErrNotFound when one of them is missing. The session of the client
// may be missing.
func (tx *Tx) RedemptionState(digest string) (RedemptionState, error) {
	r, err := tx.readRedemptionState(digest, auth.CodeGrant{})
	if !errors.Is(err, auth.ErrNotFound) {
		return r, err
	}
	// A node of the previous version names the sessions only in the data.
	code, err := tx.SingleUse(auth.UseCode, digest)
	if err != nil {
		return r, err
	}
	if code.Browser != "" {
		return r, auth.ErrNotFound
	}
	var g auth.CodeGrant
	if err := json.Unmarshal([]byte(code.Data), &g); err != nil {
		return r, fmt.Errorf("read code grant: %w", err)
	}
	return tx.readRedemptionState(digest, g)
}

// readRedemptionState takes the sessions from the grant where the code has no columns for them.
func (tx *Tx) readRedemptionState(digest string, g auth.CodeGrant) (RedemptionState, error) {
	return queryRow(tx.q, scanRedemptionState, `SELECT u.kind, u.digest, u.account_id, u.client_id, u.data, u.created_at, u.expires_at, u.used_at,
		coalesce(u.session_id, $1), coalesce(u.client_session_id, $2),
		b.account_id, b.parent_id, b.auth_at, b.acr, b.amr, b.idle_at, b.expires_at, b.ended_at,
		s.id, s.account_id, s.client_id, s.parent_id, coalesce(s.offline, 0), s.idle_at, s.expires_at, s.ended_at,
		a.email, a.login, a.username, a.name, a.email_verified_at, a.disabled_at, a.locked_at, a.created_at, a.updated_at, a.locale, a.picture,
		c.kind, c.first_party, c.redirect_uris, c.scopes, c.settings, c.bounds, c.disabled_at, t.id, t.settings, t.disabled_at,
		`+rightsCols+`,
		(SELECT string_agg(p.name, ' ') FROM permissions p WHERE p.tenant_id = u.tenant_id AND u.data LIKE '%"' || p.name || '"%')
		FROM single_use u
		JOIN sessions b ON b.tenant_id = u.tenant_id AND b.id = coalesce(u.session_id, $1)
		JOIN accounts a ON a.tenant_id = u.tenant_id AND a.id = u.account_id
		JOIN clients c ON c.tenant_id = u.tenant_id AND c.id = u.client_id
		JOIN tenants t ON t.id = u.tenant_id
		LEFT JOIN sessions s ON s.tenant_id = u.tenant_id AND s.id = coalesce(u.client_session_id, $2)
		WHERE u.tenant_id = $3 AND u.kind = 'code' AND u.digest = $4`, g.Browser, g.Session, tx.tenant, digest)
}

func scanRedemptionState(row scanner, r *RedemptionState) error {
	u, b, s, a, c, t := &r.Code, &r.Browser, &r.Session, &r.Account, &r.Client, &r.Tenant
	err := row.Scan(&u.Kind, &u.Digest, &u.Account, &u.Client, &u.Data, timeDest(&u.CreatedAt), timeDest(&u.ExpiresAt), timeDest(&u.UsedAt), &u.Browser, textDest(&u.Session),
		&b.Account, textDest(&b.Parent), timeDest(&b.AuthAt), &b.ACR, jsonDest{&b.AMR}, timeDest(&b.IdleAt), timeDest(&b.ExpiresAt), timeDest(&b.EndedAt),
		textDest(&s.ID), textDest(&s.Account), textDest(&s.Client), textDest(&s.Parent), boolDest{&s.Offline}, timeDest(&s.IdleAt), timeDest(&s.ExpiresAt), timeDest(&s.EndedAt),
		&a.Email.Address, &a.Email.Login, &a.Username, &a.Name, timeDest(&a.EmailVerifiedAt), timeDest(&a.DisabledAt), timeDest(&a.LockedAt), timeDest(&a.CreatedAt), timeDest(&a.UpdatedAt), &a.Locale, &a.Picture,
		&c.Type, boolDest{&c.FirstParty}, jsonDest{&c.RedirectURIs}, jsonDest{&c.Scopes}, jsonDest{&c.Settings}, jsonDest{&c.Bounds}, timeDest(&c.DisabledAt), &t.ID, jsonDest{&t.Settings}, timeDest(&t.DisabledAt),
		namesDest{&r.Entitlement.Roles}, namesDest{&r.Entitlement.Permissions}, namesDest{&r.Entitlement.Known})
	b.ID, a.ID, c.ID = u.Browser, u.Account, u.Client
	*c = c.Bounded()
	return err
}

// Redeem reads the state of an authorization code, calls decide with it, and consumes the code
// for what decide returns. All of this is one transaction: of any number of concurrent calls, on
// any number of nodes, one succeeds and the others see a consumed code. The rules of Write
// apply: decide may run twice. Redeem returns ErrNotFound as RedemptionState does. It returns an
// error of decide unchanged, and then changes nothing.
func (db *DB) Redeem(ctx context.Context, tenant auth.TenantID, digest string, decide func(now time.Time, r RedemptionState) (Redemption, error)) error {
	if pg, ok := db.backend.(*postgresDB); ok && tenant != "" {
		return db.translateError(pg.compareAndSwap(ctx, func(q querier) (bool, error) {
			return db.tenantTx(tenant, q).redeem(digest, decide, (*Tx).consumeCodeByCAS)
		}))
	}
	return db.Write(ctx, tenant, func(tx *Tx) error {
		done, err := tx.redeem(digest, decide, (*Tx).consumeCode)
		if err == nil && !done {
			return errors.New("store: decide redeemed a consumed code")
		}
		return err
	})
}

// redeem returns false when the code has changed since decide read it.
func (tx *Tx) redeem(digest string, decide func(time.Time, RedemptionState) (Redemption, error), do func(*Tx, RedemptionState, Redemption) (bool, error)) (bool, error) {
	r, err := tx.RedemptionState(digest)
	if err != nil {
		return true, err
	}
	result, err := decide(tx.Now, r)
	if err != nil {
		return true, err
	}
	return do(tx, r, result)
}

// consumeCode writes a redemption inside a transaction.
func (tx *Tx) consumeCode(r RedemptionState, result Redemption) (bool, error) {
	if _, err := tx.Consume(auth.UseCode, r.Code.Digest); errors.Is(err, auth.ErrNotFound) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	write := tx.InsertSession
	if r.Session.ID != "" {
		write = tx.UpdateClientSession
	}
	if err := write(result.Session); err != nil {
		return false, err
	}
	if result.Family != nil {
		if err := tx.InsertFamily(*result.Family); err != nil {
			return false, err
		}
	}
	return true, tx.Record(result.Event)
}
