package login

import (
	"context"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// comparedSignIns is how many sign-ins of an account a new one is compared with.
const comparedSignIns = 50

// isNewDevice reports whether nobody has signed in to the account from such a device before: the
// browser is not known to it, and no recent sign-in had the same program and network. The first
// sign-in to an account is from no new device.
func (s *Service) isNewDevice(ctx context.Context, tenant auth.TenantID, a auth.Account, actor auth.Actor) (bool, error) {
	if a.LastLoginAt.IsZero() || !a.Verified() {
		return false, nil
	}
	known, err := s.cfg.Sessions.VerifyKnownBrowser(ctx, tenant, a.Email.Login, actor.Known)
	if known != "" || err != nil {
		return false, err
	}
	// Outside the transaction of the sign-in, which would conflict with other sign-ins.
	found := false
	err = s.cfg.DB.ReadOne(ctx, tenant, func(tx *store.Tx) (err error) {
		found, err = tx.FindSignIn(a.ID, comparedSignIns, func(v auth.Actor) bool {
			return v.UserAgent == actor.UserAgent && limit.AddressKey(v.Addr()) == limit.AddressKey(actor.Addr())
		})
		return err
	})
	if err != nil {
		return false, fmt.Errorf("read sign-ins: %w", err)
	}
	return !found, nil
}

// isNewDeviceOf is isNewDevice for the ID of an account.
func (s *Service) isNewDeviceOf(ctx context.Context, tenant auth.TenantID, id auth.AccountID, actor auth.Actor) (bool, error) {
	var a auth.Account
	err := s.cfg.DB.ReadOne(ctx, tenant, func(tx *store.Tx) (err error) {
		a, err = tx.Account(id)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("read account: %w", err)
	}
	return s.isNewDevice(ctx, tenant, a, actor)
}

// notifyNewDevice mails the owner of an account a notice of a sign-in from a new device. A full
// outbox does not keep users from signing in.
func notifyNewDevice(tx *store.Tx, a auth.Account, actor auth.Actor) error {
	err := session.Notify(tx, a, auth.MailNewDevice, auth.Mail{IP: actor.IP, UserAgent: actor.UserAgent})
	if auth.KindOf(err) == auth.KindUnavailable {
		return nil
	}
	return err
}
