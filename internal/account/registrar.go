package account

import (
	"encoding/json"
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

// operator is the registrar of accounts that an operator makes.
var operator = registrar{Network: "operator"}

func registrarOf(browser string, actor auth.Actor) registrar {
	if browser != "" {
		return registrar{Browser: secret.Digest(browser)}
	}
	addr, _ := netip.ParseAddr(actor.IP)
	return registrar{Network: limit.Key(addr)}
}

func (r registrar) is(other registrar) bool { return r == other && r != registrar{} }

// isBrowser reports whether the browser with the secret is the one that registered.
func (r registrar) isBrowser(browser string) bool {
	return browser != "" && r.Browser == secret.Digest(browser)
}

// earlier are the links that would still prove the address of an account.
type earlier struct {
	own    []string // digests of those of the registrar who asks now; never nil
	others int      // how many are those of other registrars
}

func earlierLinks(tx *store.Tx, id auth.AccountID, r registrar) (earlier, error) {
	e := earlier{own: []string{}}
	uses, err := tx.LiveSingleUses(id, auth.UseVerifyEmail)
	if err != nil {
		return e, fmt.Errorf("earlier links: %w", err)
	}
	for _, use := range uses {
		var p proof
		if err := json.Unmarshal([]byte(use.Data), &p); err != nil {
			return e, fmt.Errorf("decode link: %w", err)
		}
		switch {
		case p.registrar.is(r):
			e.own = append(e.own, use.Digest)
		case p.registrar != registrar{}: // a link that was only asked for again stands for no password
			e.others++
		}
	}
	return e, nil
}

// contest takes the password and the name of an unproved account away: two have
// registered it, and only the mailbox can tell which of them is its owner. The link of
// either then leads to a choice of password.
func contest(tx *store.Tx, a auth.Account) error {
	a.Name = ""
	if err := tx.UpdateAccount(a); err != nil {
		return err
	}
	return tx.DeletePassword(a.ID)
}

// inUse reports whether an account whose address was never proved may already mean
// something to somebody: it has signed in, or could without proof, or was given roles.
func inUse(tx *store.Tx, t auth.Tenant, a auth.Account) (bool, error) {
	roles, _, err := tx.Rights(a.ID)
	return t.Settings.AllowUnverified || !a.LastLoginAt.IsZero() || len(roles) > 0, err
}
