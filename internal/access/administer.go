package access

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// Caller is who shows an access token to the administration API: a person, or a client
// that acts for itself, and the scope of the token.
type Caller struct {
	Actor auth.Actor
	Scope auth.Scope
}

// Administer lets in a person who has the permission of administrators now, and a client
// that is registered for it as a scope now, with a token that has it as a scope. What the
// token says of roles and permissions does not count. Refusals: Forbidden not_an_admin,
// insufficient_scope.
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
		return auth.Refuse(auth.KindForbidden, auth.CodeNotAnAdmin, "this call is for administrators of this tenant")
	}
	return auth.RequireScope(c.Scope, auth.AdminPermission)
}
