package session

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// LinkPrefix is the prefix of the secrets of mailed links.
const LinkPrefix = "wwl_"

// SecureLifetime is how long the link of a notice locks the account. What was added to an account for
// longer is its owner's.
const SecureLifetime = 72 * time.Hour

// SecureLink is the stored data of a link that locks an account.
type SecureLink struct {
	Address string `json:"address"` // to which it was mailed
	// Username is the user name at that time, before what the notice is about. A link of the
	// previous version has none.
	Username *string `json:"username,omitempty"`
	// Protected says that the account had a second factor before what the notice is about.
	Protected bool `json:"protected,omitempty"`
}

// Notify enqueues a notice to the owner of an account, with a link that locks the account and gives back
// the address and the user name of a. It skips an unverified address, which may belong to another user.
func Notify(tx *store.Tx, a auth.Account, kind auth.MessageKind, m auth.Mail) error {
	if !a.Verified() {
		return nil
	}
	factors, err := tx.Factors(a.ID)
	if err != nil {
		return fmt.Errorf("read factors: %w", err)
	}
	link := SecureLink{Address: a.Email.Address, Username: &a.Username, Protected: slices.ContainsFunc(factors, func(f auth.Factor) bool { return f.Binds() && f.StandsBefore(tx.Now) })}
	data, err := json.Marshal(link)
	if err != nil {
		return fmt.Errorf("encode link of notice: %w", err)
	}
	token := secret.New(LinkPrefix)
	m.Token, m.ExpiresAt = token.Reveal(), tx.Now.Add(SecureLifetime)
	err = tx.InsertSingleUse(auth.SingleUse{
		Kind: auth.UseSecureAccount, Digest: secret.Digest(m.Token), Account: a.ID, Data: string(data), CreatedAt: tx.Now, ExpiresAt: m.ExpiresAt,
	})
	if err != nil {
		return fmt.Errorf("store link of notice: %w", err)
	}
	return tx.Notify(a, kind, m)
}
