package session

import (
	"encoding/json"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// CancelRecovery cancels the pending recovery of an account whose owner has just signed in, and so has lost
// nothing. It mails a notice: someone else may have asked for the recovery.
func CancelRecovery(tx *store.Tx, id auth.AccountID, actor auth.Actor) error {
	links, err := tx.LiveSingleUses(id, auth.UseResetPassword)
	if err != nil {
		return fmt.Errorf("read pending recovery: %w", err)
	}
	cancelled := false
	for _, use := range links {
		var link struct {
			Recover bool `json:"recover"`
		}
		if err := json.Unmarshal([]byte(use.Data), &link); err != nil {
			return fmt.Errorf("decode link: %w", err)
		}
		if !link.Recover {
			continue
		}
		if err := tx.DeleteSingleUse(id, auth.UseResetPassword, use.Digest); err != nil {
			return fmt.Errorf("cancel recovery: %w", err)
		}
		cancelled = true
	}
	if !cancelled {
		return nil
	}
	a, err := tx.Account(id)
	if err != nil {
		return fmt.Errorf("read account: %w", err)
	}
	if err := Notify(tx, a, auth.MailRecoveryCancelled, auth.Mail{IP: actor.IP}); err != nil {
		return err
	}
	return tx.Record(auth.Event{Kind: auth.EventRecoveryCancelled, Actor: actor, Account: id, Detail: map[string]string{"by": "sign_in"}})
}
