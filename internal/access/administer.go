package access

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// Caller is the caller of the administration API: a user, or a client that acts for itself, and
// the scope of the access token.
type Caller struct {
	Actor auth.Actor
	Scope auth.Scope
}

// Administer allows a user who has the administrator permission, and a client that is registered
// for it as a scope. Both need it in the scope of the token. The database decides, not the roles
// and permissions of the token. Refusals: Forbidden not_an_admin, insufficient_scope.
func (s *Service) Administer(ctx context.Context, tenant auth.TenantID, c Caller) error {
	var ok bool
	err := s.db.ReadOne(ctx, tenant, func(tx *store.Tx) (err error) {
		if c.Actor.Kind == auth.ActorClient {
			client, err := tx.Client(auth.ClientID(c.Actor.ID))
			ok = slices.Contains(client.Scopes, auth.AdminPermission)
			return err
		}
		_, permissions, err := tx.Rights(auth.AccountID(c.Actor.ID))
		ok = slices.Contains(permissions, auth.AdminPermission)
		return err
	})
	switch {
	case err != nil && !errors.Is(err, auth.ErrNotFound):
		return fmt.Errorf("administer: %w", err)
	case !ok:
		return auth.Refuse(auth.KindForbidden, auth.CodeNotAnAdmin, "the caller is not an administrator of this tenant")
	}
	return auth.RequireScope(c.Scope, auth.AdminPermission)
}
