package access

import (
	"context"
	"fmt"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// RightsSize returns the largest size in bytes of roles and permissions in a token of an account
// with the role. The limit is auth.MaxRights. Refusals: role_unknown.
func (s *Service) RightsSize(ctx context.Context, tenant auth.TenantID, roleName string) (size int, err error) {
	err = s.db.Read(ctx, tenant, func(tx *store.Tx) error {
		r, err := findRole(tx, roleName)
		if err == nil {
			size, err = tx.LargestRights(r.ID)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("measure rights: %w", err)
	}
	return size, nil
}

// checkRightsSize refuses a permission that would exceed auth.MaxRights in the token of an
// account with the role. It reads outside of the write, because a role may have a million
// accounts and other writes would wait.
func (s *Service) checkRightsSize(ctx context.Context, tenant auth.TenantID, roleName, permission string) error {
	size := 0
	err := s.db.Read(ctx, tenant, func(tx *store.Tx) error {
		r, err := findRole(tx, roleName)
		if err != nil || slices.Contains(r.Permissions, permission) {
			return err
		}
		if size, err = tx.LargestRights(r.ID); size > 0 {
			size += auth.RightsSize(nil, []string{permission})
		}
		return err
	})
	switch {
	case err != nil:
		return fmt.Errorf("measure rights: %w", err)
	case size > auth.MaxRights:
		return tooLong(size)
	}
	return nil
}

func rightsSize(tx *store.Tx, account auth.AccountID) (int, error) {
	roles, permissions, err := tx.Rights(account)
	return auth.RightsSize(roles, permissions), err
}

func tooLong(size int) error {
	return auth.Refuse(auth.KindConflict, auth.CodeRightsTooLong, fmt.Sprintf(
		"roles and permissions: the names would take %d bytes in a token, want at most %d; use fewer or shorter ones", size, auth.MaxRights))
}
