package token

import (
	"context"
	"errors"
	"time"

	"github.com/watchword-auth/watchword/guard"
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
		if err := checkRefresh(r); err != nil {
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

// RevokeAccess revokes an access token. Verify and introspection refuse it at once; resource
// servers that verify tokens by themselves accept it until it expires. The caller has verified
// the token.
func (s *Service) RevokeAccess(ctx context.Context, tenant auth.TenantID, c Verified, actor auth.Actor) error {
	// A little longer than the token itself, because verifiers allow for clock skew.
	until := c.ExpiresAt.Add(guard.DefaultLeeway + time.Minute)
	err := s.db.Write(ctx, tenant, func(tx *store.Tx) error {
		err := tx.InsertSingleUse(auth.SingleUse{Kind: auth.UseRevokedAccess, Digest: c.JTI, Client: auth.ClientID(c.ClientID), Data: "{}",
			CreatedAt: tx.Now, ExpiresAt: until, UsedAt: tx.Now})
		if errors.Is(err, auth.ErrConflict) {
			return nil // revoked before
		}
		if err != nil {
			return err
		}
		return tx.Record(auth.Event{Kind: auth.EventTokenRevoked, Actor: actor, Account: c.Account,
			Detail: map[string]string{"client": c.ClientID, "jti": c.JTI}})
	})
	if err != nil {
		return wrapInternal("revoke access token", err)
	}
	return nil
}
