package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// An account without a password is protected by its passkeys. If they are lost, only the address
// is left. Whoever reads its mail for an hour must not get the account, so the link works a day
// later, and until then its owner can cancel it by the same link, or by signing in.

const (
	recoveryDelay    = 24 * time.Hour
	recoveryLifetime = 24 * time.Hour // after the delay
)

// needsRecovery reports whether the account has second factors and no password.
func needsRecovery(tx *store.Tx, id auth.AccountID) (bool, error) {
	_, err := tx.PasswordHash(id)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return false, err
	}
	hasPassword := err == nil
	factors, err := tx.Factors(id)
	return !hasPassword && slices.ContainsFunc(factors, auth.Factor.Usable), err
}

// delay makes a link for a new password one that recovers the account, if the account needs that and the
// actor is not its owner. It takes the place of a recovery that is pending, and its times: strangers can ask
// for it, too, and must not keep putting it off. A link that works earlier stays.
func (l *link) delay(tx *store.Tx, id auth.AccountID, actor auth.Actor) error {
	recovers, err := needsRecovery(tx, id)
	if err != nil {
		return err
	}
	live, err := tx.LiveSingleUses(id, l.kind)
	if err != nil || !recovers || actor.Account() == id {
		return err
	}
	l.data.Recover, l.data.NotBefore, l.life = true, tx.Now.Add(recoveryDelay), recoveryDelay+recoveryLifetime
	l.replaces = []string{}
	for _, use := range live {
		var data linkData
		if err := json.Unmarshal([]byte(use.Data), &data); err != nil {
			return fmt.Errorf("decode link: %w", err)
		}
		if !data.Recover {
			continue
		}
		l.data.NotBefore, l.life = data.NotBefore, use.ExpiresAt.Sub(tx.Now)
		if err := tx.DeleteSingleUse(id, l.kind, use.Digest); err != nil {
			return err
		}
	}
	return nil
}

// CancelRecovery cancels the recovery of an account by its link, also before the link begins to
// work. A link that was used within the last ten minutes is no error. Refusal: invalid_link.
func (s *Service) CancelRecovery(ctx context.Context, tenant auth.TenantID, token string, actor auth.Actor) error {
	if !secret.Valid(linkPrefix, token) {
		return errInvalidLink()
	}
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		used, err := usedJustNow(tx, auth.UseResetPassword, token)
		if err != nil || used {
			return err
		}
		use, err := tx.Consume(auth.UseResetPassword, secret.Digest(token))
		if errors.Is(err, auth.ErrNotFound) {
			return errInvalidLink()
		}
		if err != nil {
			return err
		}
		var data linkData
		if err := json.Unmarshal([]byte(use.Data), &data); err != nil {
			return fmt.Errorf("decode link: %w", err)
		}
		if !data.Recover {
			return errInvalidLink() // rolled back: the link still sets a password
		}
		return tx.Record(auth.Event{Kind: auth.EventRecoveryCancelled, Actor: actor, Account: use.Account, Detail: map[string]string{"by": "link"}})
	})
	if err != nil {
		return fmt.Errorf("cancel recovery: %w", err)
	}
	return nil
}
