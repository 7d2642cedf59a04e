package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// Resolve finds a client by its id, with its tenant, for endpoints at which a client does not
// authenticate. It returns auth.ErrNotFound for a client that is unknown, of another tenant or
// disabled, and for a disabled tenant; callers cannot tell these apart.
func (s *Service) Resolve(ctx context.Context, tenant auth.TenantID, id auth.ClientID, actor auth.Actor) (c auth.Client, t auth.Tenant, err error) {
	if _, err := auth.ParseClientID(string(id)); err != nil {
		return c, t, fmt.Errorf("client: %w", auth.ErrNotFound)
	}
	if err := s.refreshDocument(ctx, tenant, id, actor); err != nil {
		return c, t, err
	}
	err = s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) (err error) {
		if c, err = tx.Client(id); err != nil {
			return err
		}
		t, err = tx.CurrentTenant()
		return err
	})
	switch {
	case err != nil && !errors.Is(err, auth.ErrNotFound):
		return auth.Client{}, auth.Tenant{}, fmt.Errorf("read client: %w", err)
	case err != nil || c.Disabled() || t.Disabled():
		return auth.Client{}, auth.Tenant{}, fmt.Errorf("client: %w", auth.ErrNotFound)
	}
	return c, t, nil
}
