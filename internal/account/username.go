package account

import (
	"errors"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// A registration only wants its user name. The name is the account's once the address is verified,
// if no other account has it by then. If registrations reserved names, the second of two would
// tell whether the address of the first has an account.

// parseUsername returns the canonical user name of a new account; empty for none. Refusals:
// username_invalid, username_reserved.
func parseUsername(t auth.Tenant, name string) (string, error) {
	switch {
	case name == "" && t.Settings.Identifiers == auth.IdentifyByUsername:
		return "", auth.Invalid(auth.CodeUsernameInvalid, "username", "username: a user name is required")
	case name == "":
		return "", nil
	case !t.Settings.Identifiers.Usernames():
		return "", auth.Invalid(auth.CodeUsernameInvalid, "username", "username: users of this tenant have no user names")
	}
	return auth.ParseUsername(name)
}

// requireFreeUsername refuses a user name that another account has, or has given up lately.
func requireFreeUsername(tx *store.Tx, name string, own auth.AccountID) error {
	other, err := tx.AccountByUsername(name)
	if err == nil && other.ID != own {
		return errUsernameTaken()
	}
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return err
	}
	former, err := tx.SingleUse(auth.UseFormerName, secret.Digest(name))
	if err == nil && former.Account != own && tx.Now.Before(former.ExpiresAt) {
		return errUsernameTaken()
	}
	if errors.Is(err, auth.ErrNotFound) {
		return nil
	}
	return err
}

// maxFormerNames bounds the user names that one account reserves.
const maxFormerNames = 5

// giveUpUsername notifies the owner of an account that its user name is about to change, and reserves the
// name for the account: an attacker with a session could take it, and the owner signs in with it.
func giveUpUsername(tx *store.Tx, a auth.Account, actor auth.Actor) error {
	if !a.Verified() {
		return nil // a name that was only wanted
	}
	if err := session.Notify(tx, a, auth.MailUsernameChanged, auth.Mail{IP: actor.IP}); err != nil {
		return err
	}
	reserved, err := tx.LiveSingleUses(a.ID, auth.UseFormerName)
	if err != nil || a.Username == "" || len(reserved) >= maxFormerNames {
		return err
	}
	return tx.PutSingleUse(auth.SingleUse{
		Kind: auth.UseFormerName, Digest: secret.Digest(a.Username), Account: a.ID, Data: "{}",
		CreatedAt: tx.Now, ExpiresAt: tx.Now.Add(session.SecureLifetime),
	})
}

func errUsernameTaken() error {
	e := auth.Refuse(auth.KindConflict, auth.CodeUsernameTaken, "username: another account has it")
	e.Field = "username"
	return e
}

// claimUsername gives an account whose address has just been verified the user name that it
// wants, or none if another account has it.
func claimUsername(tx *store.Tx, a *auth.Account) error {
	err := requireFreeUsername(tx, a.Username, a.ID)
	if auth.CodeOf(err) == auth.CodeUsernameTaken {
		a.Username, err = "", nil
	}
	return err
}
