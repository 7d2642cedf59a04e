package account

import (
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// addressProof describes who verifies an address and which session continues.
type addressProof struct {
	registrar bool           // by the registrar, whose sessions and consents stay
	session   auth.SessionID // the session that continues, may be empty
	reason    string         // why the other sessions end
}

// proveAddress is the only place that marks the address of an existing account as
// verified. Unless the registrar verifies it, anything older may belong to another user,
// so it ends every session, deletes every remember-me token, consent and link. The caller
// handles passwords.
func (s *Service) proveAddress(tx *store.Tx, a *auth.Account, p addressProof) error {
	first := !a.Verified()
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
	return tx.DeleteConsents(a.ID)
}
