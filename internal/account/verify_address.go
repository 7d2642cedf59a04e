package account

import (
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// addressVerification describes how an address was verified and which session continues.
type addressVerification struct {
	registrar bool           // the registrar verified it; sessions and consents stay
	session   auth.SessionID // the session that continues, may be empty
	reason    string         // why the other sessions end
	actor     auth.Actor
}

// setVerified marks the address of an existing account as verified; nothing else does. It
// deletes every link. Unless the registrar verified the address, sessions, remember-me tokens,
// consents and second factors may belong to another user, and setVerified ends or deletes them.
// The caller handles the password.
func (s *Service) setVerified(tx *store.Tx, a *auth.Account, p addressVerification) error {
	first, byOperator := !a.Verified(), a.Registrar == operatorRegistrar.String()
	if first {
		if err := claimUsername(tx, a); err != nil {
			return err
		}
	}
	a.EmailVerifiedAt, a.Registrar = tx.Now, ""
	if err := tx.UpdateAccount(*a); err != nil {
		return err
	}
	if err := tx.DeleteSingleUses(a.ID, auth.UseVerifyEmail, auth.UseResetPassword, auth.UseChangeEmail); err != nil {
		return err
	}
	if p.registrar {
		return nil
	}
	if _, err := s.cfg.Sessions.EndAll(tx, a.ID, p.session, p.reason); err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	if !first {
		return nil // a change of address: the owner was known before
	}
	if !byOperator {
		if err := removeFactors(tx, a.ID, p.actor); err != nil {
			return err
		}
	}
	return tx.DeleteConsents(a.ID)
}
