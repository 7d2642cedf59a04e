package account

import (
	"errors"

	"github.com/watchword-auth/watchword/internal/auth"
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

// requireFreeUsername refuses a user name that another account has.
func requireFreeUsername(tx *store.Tx, name string, own auth.AccountID) error {
	other, err := tx.AccountByUsername(name)
	if errors.Is(err, auth.ErrNotFound) || err == nil && other.ID == own {
		return nil
	}
	if err != nil {
		return err
	}
	return errUsernameTaken()
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
	if refusal, ok := errors.AsType[*auth.Error](err); ok && refusal.Code == auth.CodeUsernameTaken {
		a.Username, err = "", nil
	}
	return err
}
