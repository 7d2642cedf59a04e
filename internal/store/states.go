package store

import (
	"slices"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
)

// This file reads what one decision on a hot path depends on: one statement, so one snapshot.
// Each struct holds only the fields that its comments name.

// RefreshState is the state on which a decision about a refresh token depends.
type RefreshState struct {
	Family      auth.Family
	Session     auth.Session // digest, times, ACR, AMR and claims
	Account     auth.Account // all but DeleteAt and LastLoginAt
	Client      auth.Client  // ID, Type, FirstParty, Scopes, Settings, DisabledAt
	Tenant      auth.Tenant  // ID, Settings, DisabledAt
	Entitlement auth.Entitlement
}

// RefreshState reads a family with its session, account, client, tenant and rights; ErrNotFound
// when one of the first four is missing.
func (tx *Tx) RefreshState(id auth.FamilyID) (RefreshState, error) {
	return queryRow(tx.q, scanRefreshState, `SELECT f.id, f.account_id, f.client_id, f.session_id, f.scope, f.generation, f.digest,
		f.created_at, f.rotated_at, f.idle_at, f.expires_at, f.revoked_at, f.end_reason, f.audience, f.jkt, f.retries,
		s.digest, s.auth_at, s.acr, s.amr, s.seen_at, s.idle_at, s.expires_at, s.ended_at, s.claims,
		a.email, a.login, a.username, a.name, a.email_verified_at, a.disabled_at, a.locked_at, a.created_at, a.updated_at, a.locale, a.picture,
		c.kind, c.first_party, c.scopes, c.settings, c.bounds, c.disabled_at, t.id, t.settings, t.disabled_at,
		`+rightsCols+`,
		(SELECT string_agg(p.name, ' ') FROM permissions p WHERE p.tenant_id = f.tenant_id AND f.scope LIKE '%"' || p.name || '"%')
		FROM refresh_families f
		JOIN sessions s ON s.tenant_id = f.tenant_id AND s.id = f.session_id
		JOIN accounts a ON a.tenant_id = f.tenant_id AND a.id = f.account_id
		JOIN clients c ON c.tenant_id = f.tenant_id AND c.id = f.client_id
		JOIN tenants t ON t.id = f.tenant_id
		WHERE f.tenant_id = $1 AND f.id = $2`, tx.tenant, id)
}

func scanRefreshState(s scanner, r *RefreshState) error {
	f := &r.Family
	err := s.Scan(&f.ID, &f.Account, &f.Client, &f.Session, jsonDest{&f.Scope}, &f.Generation, &f.Digest,
		timeDest(&f.CreatedAt), timeDest(&f.RotatedAt), timeDest(&f.IdleAt), timeDest(&f.ExpiresAt), timeDest(&f.RevokedAt), textDest(&f.EndReason), jsonDest{&f.Audience}, &f.JKT, &f.Retries,
		textDest(&r.Session.Digest), timeDest(&r.Session.AuthAt), &r.Session.ACR, jsonDest{&r.Session.AMR}, timeDest(&r.Session.SeenAt), timeDest(&r.Session.IdleAt),
		timeDest(&r.Session.ExpiresAt), timeDest(&r.Session.EndedAt), jsonDest{&r.Session.Claims},
		&r.Account.Email.Address, &r.Account.Email.Login, &r.Account.Username, &r.Account.Name, timeDest(&r.Account.EmailVerifiedAt), timeDest(&r.Account.DisabledAt), timeDest(&r.Account.LockedAt), timeDest(&r.Account.CreatedAt), timeDest(&r.Account.UpdatedAt), &r.Account.Locale, &r.Account.Picture,
		&r.Client.Type, boolDest{&r.Client.FirstParty}, jsonDest{&r.Client.Scopes}, jsonDest{&r.Client.Settings}, jsonDest{&r.Client.Bounds}, timeDest(&r.Client.DisabledAt),
		&r.Tenant.ID, jsonDest{&r.Tenant.Settings}, timeDest(&r.Tenant.DisabledAt),
		namesDest{&r.Entitlement.Roles}, namesDest{&r.Entitlement.Permissions}, namesDest{&r.Entitlement.Known})
	r.Session.ID, r.Session.Account = f.Session, f.Account
	r.Account.ID, r.Client.ID = f.Account, f.Client
	r.Client = r.Client.Bounded() // a node of the previous version writes clients without their bounds
	return err
}

// rightsCols are the names of the roles and permissions of the account a, for namesDest.
const rightsCols = `(SELECT string_agg(r.name, ' ') FROM assignments g
			JOIN roles r ON r.tenant_id = g.tenant_id AND r.id = g.role_id
			WHERE g.tenant_id = a.tenant_id AND g.account_id = a.id),
		(SELECT string_agg(p.permission, ' ') FROM assignments g
			JOIN role_permissions p ON p.tenant_id = g.tenant_id AND p.role_id = g.role_id
			WHERE g.tenant_id = a.tenant_id AND g.account_id = a.id)`

// namesDest scans the result of string_agg into sorted, distinct names.
type namesDest struct{ to *[]string }

func (w namesDest) Scan(v any) error {
	var s string
	if err := textDest(&s).Scan(v); err != nil {
		return err
	}
	if s == "" {
		*w.to = nil
		return nil
	}
	*w.to = slices.Compact(slices.Sorted(strings.FieldsSeq(s)))
	return nil
}

// ofAccessToken completes a query about the access token with the jti $1 of session $3 and client
// $4. Its column says whether the token was revoked.
const ofAccessToken = `(SELECT count(*) FROM single_use u WHERE u.tenant_id = s.tenant_id AND u.kind = 'revoked_access' AND u.digest = $1)
		FROM sessions s
		JOIN accounts a ON a.tenant_id = s.tenant_id AND a.id = s.account_id
		JOIN tenants t ON t.id = s.tenant_id
		JOIN clients c ON c.tenant_id = s.tenant_id
		WHERE s.tenant_id = $2 AND s.id = $3 AND c.id = $4`

// TokenStatus is the state on which the validity of an access token depends.
type TokenStatus struct {
	Session auth.Session // ID, Account, ExpiresAt, EndedAt
	Account auth.Account // ID, DisabledAt, LockedAt
	Client  auth.Client  // ID, FirstParty, DisabledAt
	Tenant  auth.Tenant  // DisabledAt
	Revoked bool         // the token itself was revoked
}

// TokenStatus reads a session with its account and tenant, the client that got the token, and
// whether the token with that jti was revoked; ErrNotFound when one of the first four is
// missing.
func (tx *Tx) TokenStatus(session auth.SessionID, client auth.ClientID, jti string) (TokenStatus, error) {
	return queryRow(tx.q, scanTokenStatus, `SELECT s.id, s.account_id, s.expires_at, s.ended_at, a.disabled_at, a.locked_at, c.id, c.first_party, c.disabled_at, t.disabled_at,
`+ofAccessToken, jti, tx.tenant, session, client)
}

func scanTokenStatus(s scanner, v *TokenStatus) error {
	err := s.Scan(&v.Session.ID, &v.Session.Account, timeDest(&v.Session.ExpiresAt), timeDest(&v.Session.EndedAt),
		timeDest(&v.Account.DisabledAt), timeDest(&v.Account.LockedAt), &v.Client.ID, boolDest{&v.Client.FirstParty}, timeDest(&v.Client.DisabledAt), timeDest(&v.Tenant.DisabledAt), boolDest{&v.Revoked})
	v.Account.ID = v.Session.Account
	return err
}

// UserInfoState is the state on which the validity of an access token depends, with the data for
// userinfo.
type UserInfoState struct {
	Session auth.Session // ID, Account, ExpiresAt, EndedAt, Claims
	Account auth.Account // all but DeleteAt, LastLoginAt and CreatedAt
	Client  auth.Client  // ID, Type, Settings, DisabledAt; Scopes where Claims are
	Tenant  auth.Tenant  // DisabledAt
	Revoked bool         // the token itself was revoked
}

// UserInfoState is TokenStatus with the claims that the client requested. A client that got its
// token by exchange has requested none.
func (tx *Tx) UserInfoState(session auth.SessionID, client auth.ClientID, jti string) (UserInfoState, error) {
	return queryRow(tx.q, func(s scanner, v *UserInfoState) error {
		err := s.Scan(&v.Session.ID, &v.Session.Account, timeDest(&v.Session.ExpiresAt), timeDest(&v.Session.EndedAt), jsonDest{&v.Session.Claims},
			&v.Account.Email.Address, &v.Account.Email.Login, &v.Account.Username, &v.Account.Name, timeDest(&v.Account.EmailVerifiedAt), timeDest(&v.Account.DisabledAt), timeDest(&v.Account.LockedAt), timeDest(&v.Account.UpdatedAt), &v.Account.Locale, &v.Account.Picture,
			&v.Client.ID, &v.Client.Type, jsonDest{&v.Client.Settings}, jsonDest{&v.Client.Scopes}, timeDest(&v.Client.DisabledAt), timeDest(&v.Tenant.DisabledAt), boolDest{&v.Revoked})
		v.Account.ID = v.Session.Account
		return err
	}, `SELECT s.id, s.account_id, s.expires_at, s.ended_at, CASE WHEN s.client_id = c.id THEN s.claims ELSE '{}' END,
		a.email, a.login, a.username, a.name, a.email_verified_at, a.disabled_at, a.locked_at, a.updated_at, a.locale, a.picture,
		c.id, c.kind, c.settings, CASE WHEN s.claims = '{}' THEN 'null' ELSE c.scopes END, c.disabled_at, t.disabled_at,
`+ofAccessToken, jti, tx.tenant, session, client)
}

// MachineTokenStatus is TokenStatus for a client that acts for itself.
func (tx *Tx) MachineTokenStatus(client auth.ClientID, jti string) (TokenStatus, error) {
	return queryRow(tx.q, func(s scanner, v *TokenStatus) error {
		return s.Scan(&v.Client.ID, timeDest(&v.Client.DisabledAt), timeDest(&v.Tenant.DisabledAt), boolDest{&v.Revoked})
	}, `SELECT c.id, c.disabled_at, t.disabled_at,
		(SELECT count(*) FROM single_use u WHERE u.tenant_id = c.tenant_id AND u.kind = 'revoked_access' AND u.digest = $1)
		FROM clients c JOIN tenants t ON t.id = c.tenant_id
		WHERE c.tenant_id = $2 AND c.id = $3`, jti, tx.tenant, client)
}

// PasswordState is an account that signs in with a password.
type PasswordState struct {
	Account auth.Account
	Hash    string      // empty without a password
	Tenant  auth.Tenant // Settings
}

// PasswordState finds an account by a canonical address or user name, with its password and tenant;
// ErrNotFound without an account.
func (tx *Tx) PasswordState(login string) (PasswordState, error) {
	condition := hasLogin
	if auth.IsUsername(login) {
		condition = hasUsername
	}
	return queryRow(tx.q, func(s scanner, v *PasswordState) error {
		return s.Scan(append(accountDest(&v.Account), textDest(&v.Hash), jsonDest{&v.Tenant.Settings})...)
	}, "SELECT "+accountCols+`,
		(SELECT c.secret FROM credentials c WHERE c.tenant_id = accounts.tenant_id AND c.account_id = accounts.id AND c.kind = 'password'),
		(SELECT t.settings FROM tenants t WHERE t.id = accounts.tenant_id)
		FROM accounts WHERE tenant_id = $1 AND `+condition, tx.tenant, login)
}

// ClientAuthState is a client to authenticate, with its tenant.
type ClientAuthState struct {
	Client auth.Client // ID, Type, FirstParty, Secrets, Scopes, Settings, DisabledAt
	Tenant auth.Tenant // ID, Settings, DisabledAt
}

// ClientAuthState reads a client and its tenant in one snapshot; ErrNotFound for an unknown
// client and for one of another tenant.
func (tx *Tx) ClientAuthState(id auth.ClientID) (ClientAuthState, error) {
	return queryRow(tx.q, func(s scanner, v *ClientAuthState) error {
		c, t := &v.Client, &v.Tenant
		err := s.Scan(&c.ID, &c.Type, boolDest{&c.FirstParty}, jsonDest{&c.Secrets}, jsonDest{&c.Scopes}, jsonDest{&c.Settings}, jsonDest{&c.Bounds}, timeDest(&c.DisabledAt),
			&t.ID, jsonDest{&t.Settings}, timeDest(&t.DisabledAt))
		*c = c.Bounded()
		return err
	}, `SELECT c.id, c.kind, c.first_party, c.secrets, c.scopes, c.settings, c.bounds, c.disabled_at, t.id, t.settings, t.disabled_at
		FROM clients c JOIN tenants t ON t.id = c.tenant_id
		WHERE c.tenant_id = $1 AND c.id = $2`, tx.tenant, id)
}

// SignedIn finds the session of a cookie, with its account, expired ones included.
func (tx *Tx) SignedIn(digest string) (auth.Session, auth.Account, error) {
	type pair struct {
		s auth.Session
		a auth.Account
	}
	p, err := queryRow(tx.q, func(row scanner, p *pair) error {
		s, a := &p.s, &p.a
		return row.Scan(&s.ID, &s.Account, &s.Client, textDest(&s.Digest), timeDest(&s.AuthAt), &s.ACR, jsonDest{&s.AMR}, &s.IP, &s.UserAgent,
			timeDest(&s.CreatedAt), timeDest(&s.SeenAt), timeDest(&s.IdleAt), timeDest(&s.ExpiresAt), timeDest(&s.EndedAt), textDest(&s.EndReason), textDest(&s.RememberMe),
			&a.ID, &a.Email.Address, &a.Email.Login, &a.Username, &a.Name, timeDest(&a.EmailVerifiedAt),
			timeDest(&a.DisabledAt), timeDest(&a.DeleteAt), timeDest(&a.LastLoginAt), timeDest(&a.CreatedAt), timeDest(&a.UpdatedAt), &a.Locale, &a.Picture)
	}, `SELECT s.id, s.account_id, s.client_id, s.digest, s.auth_at, s.acr, s.amr, s.ip, s.user_agent,
		s.created_at, s.seen_at, s.idle_at, s.expires_at, s.ended_at, s.end_reason, s.series_id,
		a.id, a.email, a.login, a.username, a.name, a.email_verified_at, a.disabled_at, a.delete_at, a.last_login_at, a.created_at, a.updated_at, a.locale, a.picture
		FROM sessions s JOIN accounts a ON a.tenant_id = s.tenant_id AND a.id = s.account_id
		WHERE s.tenant_id = $1 AND s.digest = $2`, tx.tenant, digest)
	return p.s, p.a, err
}

// Profile is an account with the names of its roles and permissions.
type Profile struct {
	auth.Account
	Roles       []string // sorted
	Permissions []string // sorted
}

// Profile reads an account with its rights; ErrNotFound for an unknown account.
func (tx *Tx) Profile(id auth.AccountID) (Profile, error) {
	return queryRow(tx.q, func(s scanner, p *Profile) error {
		return s.Scan(&p.ID, &p.Email.Address, &p.Email.Login, &p.Username, &p.Name, timeDest(&p.EmailVerifiedAt), timeDest(&p.DisabledAt), timeDest(&p.DeleteAt),
			timeDest(&p.LastLoginAt), timeDest(&p.CreatedAt), timeDest(&p.UpdatedAt), &p.Locale, &p.Picture, namesDest{&p.Roles}, namesDest{&p.Permissions})
	}, `SELECT id, email, login, username, name, email_verified_at, disabled_at, delete_at, last_login_at, created_at, updated_at, locale, picture,
		`+rightsCols+`
		FROM accounts a WHERE a.tenant_id = $1 AND a.id = $2`, tx.tenant, id)
}
