package token

import (
	"context"
	"errors"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// IntrospectRefresh returns the family of an active refresh token and its subject for the client.
// It does not consume the token. It refuses as Unauthenticated invalid_refresh_token a token that
// is unknown, used (within the grace period too), expired or revoked, or whose account, client or
// tenant is disabled.
func (s *Service) IntrospectRefresh(ctx context.Context, tenant auth.TenantID, raw string) (f auth.Family, subject string, err error) {
	t, ok := s.form.decode(tenant, raw)
	if !ok {
		return f, "", invalidRefreshToken(nil)
	}
	err = s.db.ReadOne(ctx, tenant, func(tx *store.Tx) error {
		r, err := tx.RefreshState(t.familyID())
		if err != nil {
			return err
		}
		f, subject = r.Family, s.Subject(r.Client, r.Family.Account)
		alive := f.Live(tx.Now) && r.Session.EndedAt.IsZero() && tx.Now.Before(r.Session.ExpiresAt)
		if !alive || int64(t.generation) != f.Generation || !secret.Equal(secret.Digest(raw), f.Digest) {
			return invalidRefreshToken(errors.New("it is inactive"))
		}
		if err := checkRefresh(r, tx.Now); err != nil {
			return invalidRefreshToken(err)
		}
		return nil
	})
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return auth.Family{}, "", invalidRefreshToken(err)
	case err != nil:
		return auth.Family{}, "", wrapInternal("inspect refresh token", err)
	}
	return f, subject, nil
}
