package token

import (
	"context"
	"errors"
	"time"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// End ends the session and the family of a refresh token that belongs to the account, inside the
// caller's Write. It reports whether it did. A token that is malformed, unknown, revoked or of
// another account changes nothing.
func (s *Service) End(tx *store.Tx, account auth.AccountID, raw, reason string) (bool, error) {
	f, err := s.family(tx, raw)
	if errors.Is(err, auth.ErrNotFound) || err == nil && f.Account != account {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return endFamily(tx, f, reason)
}

// ErrOtherClient is returned when a client revokes a token that was issued to another client.
var ErrOtherClient = errors.New("the token was issued to another client")

// Revoke ends the session and the family of a refresh token (RFC 7009 §2.1) and records an audit
// event. A token that is malformed, unknown or revoked changes nothing and is no error (§2.2). For
// a token of another client it returns ErrOtherClient.
func (s *Service) Revoke(ctx context.Context, tenant auth.TenantID, client auth.ClientID, raw string, actor auth.Actor) error {
	if _, ok := s.form.decode(tenant, raw); !ok {
		return nil
	}
	err := s.db.Write(ctx, tenant, func(tx *store.Tx) error {
		f, err := s.family(tx, raw)
		switch {
		case errors.Is(err, auth.ErrNotFound) || err == nil && !f.RevokedAt.IsZero():
			return nil
		case err != nil:
			return err
		case f.Client != client:
			return ErrOtherClient
		}
		ended, err := endFamily(tx, f, auth.EndLogout)
		if err != nil || !ended {
			return err
		}
		return tx.Record(auth.Event{Kind: auth.EventSessionEnded, Actor: actor, Account: f.Account,
			Detail: map[string]string{"session": string(f.Session), "reason": auth.EndLogout, "client": string(f.Client)}})
	})
	if err != nil && !errors.Is(err, ErrOtherClient) {
		return wrapInternal("revoke refresh token", err)
	}
	return err
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

// family reads the family of a token of any generation. The bearer of a used token once had the newest
// one, and may end the family.
func (s *Service) family(tx *store.Tx, raw string) (auth.Family, error) {
	t, ok := s.form.decode(tx.Tenant(), raw)
	if !ok {
		return auth.Family{}, auth.ErrNotFound
	}
	return tx.Family(t.familyID())
}

func endFamily(tx *store.Tx, f auth.Family, reason string) (bool, error) {
	if !f.RevokedAt.IsZero() {
		return false, nil
	}
	if err := tx.RevokeFamily(f.ID, reason); err != nil {
		return false, err
	}
	if err := tx.EndSession(f.Account, f.Session, reason); err != nil && !errors.Is(err, auth.ErrNotFound) {
		return false, err
	}
	return true, nil
}
