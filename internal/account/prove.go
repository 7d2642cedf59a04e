package account

import (
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// addressProof says who proves an address, and what goes on.
type addressProof struct {
	registrar bool           // the person who registered the account, so what they did before stands
	session   auth.SessionID // goes on in any case, if it is not empty
	reason    string         // for which the others end
}

// proveAddress is the only way by which the address of an account that exists becomes
// proved. Until then nobody knew whose account it was: unless its registrar proves it,
// what is older than the proof may be somebody else's, and ends. That is every session
// with its refresh tokens and the sessions of clients, every browser that is
// remembered, every consent and every link. Passwords are the caller's.
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
		return nil // a change of address: whose account it is was known
	}
	return tx.DeleteConsents(a.ID)
}
