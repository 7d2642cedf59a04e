package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// Initial access tokens (RFC 7591 §3): their bearers may register clients where
// registration is open only to them.

// Limits of an initial access token.
const (
	MaxInitialUses     = 10_000
	MaxInitialLifetime = 366 * 24 * time.Hour
)

// initialUses is the Data of an initial access token.
type initialUses struct {
	Left int `json:"left"`
}

// NewInitialToken creates a token that can register the given number of clients until it expires. The
// token is returned once and stored as a digest.
func (s *Service) NewInitialToken(ctx context.Context, tenant auth.TenantID, uses int, lifetime time.Duration, actor auth.Actor) (secret.Text, time.Time, error) {
	if uses < 1 || uses > MaxInitialUses {
		return "", time.Time{}, auth.Invalid(auth.CodeUsesInvalid, "uses", "uses: 1 to 10000")
	}
	if lifetime < time.Minute || lifetime > MaxInitialLifetime {
		return "", time.Time{}, auth.Invalid(auth.CodeExpiresInvalid, "expires", "expires: a minute to a year")
	}
	token, expires := secret.New(initialPrefix), time.Time{}
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		expires = tx.Now.Add(lifetime)
		if _, err := tx.CurrentTenant(); err != nil {
			return err
		}
		err := tx.InsertSingleUse(auth.SingleUse{Kind: auth.UseInitialAccess, Digest: secret.Digest(token.Reveal()), Data: encodeUses(uses),
			CreatedAt: tx.Now, ExpiresAt: expires})
		if err != nil {
			return err
		}
		return tx.Record(auth.Event{Kind: auth.EventClientChanged, Actor: actor, Detail: map[string]string{"change": "registration_token_created", "uses": fmt.Sprint(uses)}})
	})
	if errors.Is(err, auth.ErrNotFound) {
		return "", time.Time{}, auth.TenantNotFound()
	} else if err != nil {
		return "", time.Time{}, fmt.Errorf("create initial access token: %w", err)
	}
	return token, expires, nil
}

func encodeUses(n int) string {
	b, _ := json.Marshal(initialUses{n}) // a number
	return string(b)
}

// consumeInitialToken consumes one use of a token. It is safe for concurrent use.
func consumeInitialToken(tx *store.Tx, digest string) error {
	for range 10 {
		stored, err := tx.SingleUse(auth.UseInitialAccess, digest)
		if err != nil {
			return err
		}
		var uses initialUses
		if err := json.Unmarshal([]byte(stored.Data), &uses); err != nil {
			return fmt.Errorf("initial access token: %w", err)
		}
		if uses.Left <= 1 {
			if _, err = tx.Consume(auth.UseInitialAccess, digest); errors.Is(err, auth.ErrNotFound) {
				return invalidToken(true)
			}
			return err
		}
		if ok, err := tx.CompareAndSwapSingleUse(auth.UseInitialAccess, digest, stored.Data, encodeUses(uses.Left-1)); ok || err != nil {
			return err
		}
	}
	return auth.Unavailable(errors.New("too many concurrent registrations with one token"), time.Second)
}
