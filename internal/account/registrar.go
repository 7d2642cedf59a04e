package account

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// registrar is who registered an address, as far as it can be told: the browser that
// did, or the network of a program without one. The zero value is nobody.
type registrar struct {
	Browser string `json:"browser,omitempty"` // the digest of the browser's secret
	Network string `json:"network,omitempty"`
}

// operatorRegistrar is the registrar of accounts that an operator makes.
var operatorRegistrar = registrar{Network: "operator"}

// contestedRegistrar is auth.Account.Registrar of an address that more than one have registered.
const contestedRegistrar = "several"

// String is the form of auth.Account.Registrar.
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
	addr, _ := netip.ParseAddr(actor.IP)
	return registrar{Network: limit.AddressKey(addr)}
}

func (r registrar) equal(other registrar) bool { return r == other && r != registrar{} }

// isBrowser reports whether the browser with the secret is the one that registered.
func (r registrar) isBrowser(browser string) bool {
	return browser != "" && r.Browser == secret.Digest(browser)
}

// ownLinks returns the digests of the links of a registrar that would still prove the
// address of an account, never nil.
func ownLinks(tx *store.Tx, id auth.AccountID, r registrar) ([]string, error) {
	own := []string{}
	uses, err := tx.LiveSingleUses(id, auth.UseVerifyEmail)
	if err != nil {
		return own, fmt.Errorf("links of registrar: %w", err)
	}
	for _, use := range uses {
		var p proof
		if err := json.Unmarshal([]byte(use.Data), &p); err != nil {
			return own, fmt.Errorf("decode link: %w", err)
		}
		if p.registrar.equal(r) {
			own = append(own, use.Digest)
		}
	}
	return own, nil
}

// contest takes the password and the name of an unproved account away until its address is
// proved: two have registered it, and only the mailbox can tell which of them is its owner.
// Every link then leads to a choice of password.
func contest(tx *store.Tx, a auth.Account) error {
	a.Name, a.Registrar = "", contestedRegistrar
	if err := tx.UpdateAccount(a); err != nil {
		return err
	}
	return tx.DeletePassword(a.ID)
}

// isProtected reports whether another registration must not change an unproved account:
// an operator made it, or it is in use.
func isProtected(tx *store.Tx, t auth.Tenant, a auth.Account) (bool, error) {
	if a.Registrar == operatorRegistrar.String() {
		return true, nil
	}
	return inUse(tx, t, a)
}

// inUse reports whether an account whose address was never proved may already mean
// something to somebody: it has signed in, or could without proof, or was given roles.
func inUse(tx *store.Tx, t auth.Tenant, a auth.Account) (bool, error) {
	roles, _, err := tx.Rights(a.ID)
	return t.Settings.AllowUnverified || !a.LastLoginAt.IsZero() || len(roles) > 0, err
}

// removeUnproved removes the account of a login, if nobody has proved or used it and no
// operator made it: the address belongs to whoever shows more than a registration. It
// reports whether the login is free.
func removeUnproved(tx *store.Tx, login string, actor auth.Actor) (bool, error) {
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
	if err := tx.DeleteAccount(a.ID); err != nil {
		return false, err
	}
	event := auth.Event{Kind: auth.EventAccountDeleted, Actor: actor, Account: a.ID, Detail: map[string]string{"reason": "address_not_proved"}}
	return true, tx.Record(event)
}

// isReplaceable reports whether an account is no more than a registration: it has never
// signed in, so it has no sessions either.
func isReplaceable(tx *store.Tx, a auth.Account) (bool, error) {
	if a.Verified() || a.Disabled() {
		return false, nil
	}
	protected, err := isProtected(tx, auth.Tenant{}, a)
	return !protected, err
}
