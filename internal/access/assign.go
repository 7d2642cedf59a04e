package access

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// Assign assigns a role to an account. Refusals: role_unknown; not_found for the account,
// also for one of another tenant; email_not_verified for one with a password and an
// unverified address; rights_too_long.
func (s *Service) Assign(ctx context.Context, tenant auth.TenantID, account auth.AccountID, roleName string, actor auth.Actor) error {
	return s.write(ctx, tenant, "assign role", func(tx *store.Tx) error {
		if err := requireVerified(tx, account); err != nil {
			return err
		}
		before, err := rightsSize(tx, account)
		if err != nil {
			return err
		}
		if err := assign(tx, account, roleName, tx.AssignRole, auth.Event{Kind: auth.EventRoleAssigned, Actor: actor}); err != nil {
			return err
		}
		after, err := rightsSize(tx, account)
		if err == nil && after > before && after > auth.MaxRights {
			err = tooLong(after)
		}
		return err
	})
}

// Unassign removes a role from an account. Refusals: role_unknown, not_found,
// last_administrator.
func (s *Service) Unassign(ctx context.Context, tenant auth.TenantID, account auth.AccountID, roleName string, actor auth.Actor, allowed ...auth.Override) error {
	return s.write(ctx, tenant, "unassign role", func(tx *store.Tx) error {
		return tx.RequireAdministrator(allowed, func() error {
			return assign(tx, account, roleName, tx.UnassignRole, auth.Event{Kind: auth.EventRoleUnassigned, Actor: actor})
		})
	})
}

func assign(tx *store.Tx, account auth.AccountID, roleName string, do func(auth.AccountID, auth.RoleID) (bool, error), e auth.Event) error {
	if err := requireAccount(tx, account); err != nil {
		return err
	}
	r, err := findRole(tx, roleName)
	if err != nil {
		return err
	}
	if ok, err := do(account, r.ID); !ok || err != nil {
		return err
	}
	e.Account, e.Detail = account, map[string]string{"role": roleName}
	return tx.Record(e)
}

// requireVerified refuses an account with a password and an unverified address. Another user may
// have registered the address and would get the role. An account without a password, such as an
// invitation, cannot be used before its address is verified.
func requireVerified(tx *store.Tx, account auth.AccountID) error {
	a, err := tx.Account(account)
	if errors.Is(err, auth.ErrNotFound) || err == nil && a.Verified() {
		return nil // assign reports an unknown account
	}
	if err != nil {
		return err
	}
	if _, err = tx.PasswordHash(account); errors.Is(err, auth.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return auth.Refuse(auth.KindConflict, auth.CodeEmailNotVerified, "the address of this account is not confirmed; another user may have registered it")
}

func requireAccount(tx *store.Tx, account auth.AccountID) error {
	_, err := tx.Account(account)
	if errors.Is(err, auth.ErrNotFound) {
		return auth.AccountNotFound()
	}
	return err
}

// RightsOf returns the account's roles and all of their permissions, each sorted.
func (s *Service) RightsOf(ctx context.Context, tenant auth.TenantID, account auth.AccountID) (roles, permissions []string, err error) {
	err = s.db.Read(ctx, tenant, func(tx *store.Tx) error {
		if err := requireAccount(tx, account); err != nil {
			return err
		}
		roles, permissions, err = tx.Rights(account)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("rights of account: %w", err)
	}
	return roles, permissions, nil
}
