package client

import (
	"context"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
)

// hasSecret reports whether the client authenticates by a secret.
func hasSecret(c auth.Client) bool { return !c.Public() && c.Settings.Auth != auth.AuthPrivateKeyJWT }

// RotateSecret gives the client a new secret. The previous one stays valid for the overlap,
// which may be zero, so that the client's nodes can change one by one. Older ones end at
// once.
func (s *Service) RotateSecret(ctx context.Context, tenant auth.TenantID, id auth.ClientID, overlap time.Duration, actor auth.Actor) (auth.Client, secret.Text, error) {
	if overlap < 0 || overlap > MaxOverlap {
		return auth.Client{}, "", auth.Invalid(auth.CodeOverlapInvalid, "overlap", "overlap: 0 to 90 days")
	}
	newSecret := secret.New(SecretPrefix)
	c, err := s.change(ctx, tenant, id, "secret_rotated", actor, func(c *auth.Client, now time.Time) error {
		if !hasSecret(*c) {
			return auth.Refuse(auth.KindConflict, auth.CodeNoSecret, "this client has no secret")
		}
		c.Secrets = append([]auth.ClientSecret{{Digest: secret.Digest(newSecret.Reveal()), CreatedAt: now}}, expireSecrets(c.Secrets, now, now.Add(overlap))...)
		return nil
	})
	if err != nil {
		return auth.Client{}, "", err
	}
	return c, newSecret, nil
}

// expireSecrets keeps the newest secret, which is the first, until the given time, and drops
// all older ones.
func expireSecrets(secrets []auth.ClientSecret, now, until time.Time) []auth.ClientSecret {
	if len(secrets) == 0 || !until.After(now) || !secrets[0].Live(now) {
		return nil
	}
	last := secrets[0]
	if last.ExpiresAt.IsZero() || until.Before(last.ExpiresAt) {
		last.ExpiresAt = until
	}
	return []auth.ClientSecret{last}
}
