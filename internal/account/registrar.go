package account

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// registrar identifies who registered an address: a browser, or the network of a client
// without one. The zero value is unknown.
type registrar struct {
	Browser string `json:"browser,omitempty"` // the digest of the browser's secret
	Network string `json:"network,omitempty"`
}

// operatorRegistrar is the registrar of accounts that an operator creates.
var operatorRegistrar = registrar{Network: "operator"}

// contestedRegistrar is auth.Account.Registrar of an address with several registrars.
const contestedRegistrar = "several"

// String returns the value of auth.Account.Registrar.
func (r registrar) String() string {
	if r.Browser != "" {
		return "browser " + r.Browser
	}
	return "network " + r.Network
}

func registrarOf(browser string, actor auth.Actor) registrar {
	if browser != "" {
		return registrar{Browser: secret.Digest(browser)}
	}
	return registrar{Network: limit.AddressKey(actor.Addr())}
}

func (r registrar) equal(other registrar) bool { return r == other && r != registrar{} }

// isBrowser reports whether the browser with the secret is the registrar.
func (r registrar) isBrowser(browser string) bool {
	return browser != "" && r.Browser == secret.Digest(browser)
}

// ownLinks returns the digests of a registrar's live verification links of an account,
// never nil.
func ownLinks(tx *store.Tx, id auth.AccountID, r registrar) ([]string, error) {
	own := []string{}
	uses, err := tx.LiveSingleUses(id, auth.UseVerifyEmail)
	if err != nil {
		return own, fmt.Errorf("read links of registrar: %w", err)
	}
	for _, use := range uses {
		var data linkData
		if err := json.Unmarshal([]byte(use.Data), &data); err != nil {
			return own, fmt.Errorf("decode link: %w", err)
		}
		if data.registrar.equal(r) {
			own = append(own, use.Digest)
		}
	}
	return own, nil
}

// contest deletes password and names of an unverified account with a second registrar. Only
// the mailbox shows which of the two is the owner, so every link then leads to a choice
// of password.
func contest(tx *store.Tx, a auth.Account, actor auth.Actor) error {
	a.Name, a.Username, a.Registrar = "", "", contestedRegistrar
	if err := tx.UpdateAccount(a); err != nil {
		return err
	}
	if err := removeFactors(tx, a.ID, actor); err != nil {
		return err
	}
	return tx.DeletePassword(a.ID)
}

// isProtected reports whether a registration must not change an unverified account: an
// operator created it, or it is in use.
func isProtected(tx *store.Tx, t auth.Tenant, a auth.Account) (bool, error) {
	if a.Registrar == operatorRegistrar.String() {
		return true, nil
	}
	return inUse(tx, t, a)
}

// inUse reports whether an unverified account has been used: it has signed in, could sign
// in without verification, or has roles.
func inUse(tx *store.Tx, t auth.Tenant, a auth.Account) (bool, error) {
	roles, _, err := tx.Rights(a.ID)
	return t.Settings.AllowUnverified || !a.LastLoginAt.IsZero() || len(roles) > 0, err
}

// removeUnverified deletes the account of a login if it is unverified, unused and not
// created by an operator. It reports whether the login is free.
func removeUnverified(tx *store.Tx, login string, actor auth.Actor) (bool, error) {
	a, err := tx.AccountByLogin(login)
	if errors.Is(err, auth.ErrNotFound) {
		return true, nil
	} else if err != nil {
		return false, err
	}
	free, err := isReplaceable(tx, a)
	if err != nil || !free {
		return false, err
	}
	return true, deleteUnproved(tx, a.ID, actor)
}

// deleteUnproved deletes an account for someone else, who has proved its address.
func deleteUnproved(tx *store.Tx, id auth.AccountID, actor auth.Actor) error {
	if err := tx.DeleteAccount(id); err != nil {
		return err
	}
	return tx.Record(auth.Event{Kind: auth.EventAccountDeleted, Actor: actor, Account: id, Detail: map[string]string{"reason": "address_not_proved"}})
}

// isReplaceable reports whether an account is only a registration. Its user has never signed
// in, so it has no sessions.
func isReplaceable(tx *store.Tx, a auth.Account) (bool, error) {
	if a.Verified() || a.Disabled() {
		return false, nil
	}
	protected, err := isProtected(tx, auth.Tenant{}, a)
	return !protected, err
}
