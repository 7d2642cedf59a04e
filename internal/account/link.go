package account

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// A link in a mail is a single-use secret that proves one thing: whoever holds it
// reads the mail of one address. It is stored as a digest, bound to tenant,
// purpose, account and address. A newer one takes the place of the older of the same
// purpose; of links that prove an address, only of those of the same registrar, since
// a stranger who registers somebody's address must not make the owner's link fail.

const linkPrefix = "wwl_"

// retryPolicy is what we say when a part of the check is missing for now.
const retryPolicy = 5 * time.Second

// proof is what a link was issued for.
type proof struct {
	Login   string         `json:"login"`             // the address at that time
	Address string         `json:"address,omitempty"` // the new address, when it changes
	Session auth.SessionID `json:"session,omitempty"` // that asked for the change
	registrar
}

// link is one to be issued.
type link struct {
	kind     auth.SingleUseKind
	account  auth.AccountID // empty: a decoy
	proof    proof
	token    secret.Text
	life     time.Duration
	replaces []string // the digests of links of the same kind in whose place it comes; nil: of all
}

// issue stores the link in the place of the account's earlier one of that kind and
// returns when it expires. A link without an account is a decoy: the same
// statements for an address that nobody has; its token is never given to anyone
// and has expired at birth.
func (l link) issue(tx *store.Tx) (time.Time, error) {
	if err := l.deletePrevious(tx); err != nil {
		return time.Time{}, fmt.Errorf("drop older link: %w", err)
	}
	expires := tx.Now.Add(l.life)
	if l.account == "" {
		expires = tx.Now
	}
	data, err := json.Marshal(l.proof)
	if err != nil {
		return time.Time{}, fmt.Errorf("encode link: %w", err)
	}
	err = tx.InsertSingleUse(auth.SingleUse{
		Kind: l.kind, Digest: secret.Digest(l.token.Reveal()), Account: l.account, Data: string(data),
		CreatedAt: tx.Now, ExpiresAt: expires,
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("store link: %w", err)
	}
	return expires, nil
}

func (l link) deletePrevious(tx *store.Tx) error {
	if l.replaces == nil {
		return tx.DeleteSingleUses(l.account, l.kind)
	}
	for _, digest := range l.replaces {
		if _, err := tx.Consume(l.kind, digest); err != nil && !errors.Is(err, auth.ErrNotFound) {
			return err
		}
	}
	return nil
}

// consumeLink takes a link of one of the kinds, of which only one can know the token. It
// returns the account that the link was issued to, if that account may still use
// it; otherwise a kept refusal, so that the link stays spent and leaves a line of
// the given kind in the audit log.
func consumeLink(tx *store.Tx, token string, event auth.Event, kinds ...auth.SingleUseKind) (auth.SingleUse, proof, auth.Account, error) {
	var p proof
	use, err := consumeAny(tx, secret.Digest(token), kinds)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return use, p, auth.Account{}, fmt.Errorf("take link: %w", err)
	}
	event.Outcome, event.Account = auth.Failure, use.Account
	refuse := func(reason string) error {
		event.Detail = map[string]string{"reason": reason}
		if err := tx.Record(event); err != nil {
			return err
		}
		return store.CommitWith(errLink())
	}
	if err != nil {
		return use, p, auth.Account{}, refuse("link_unknown_spent_or_expired")
	}
	if err := json.Unmarshal([]byte(use.Data), &p); err != nil {
		return use, p, auth.Account{}, fmt.Errorf("decode link: %w", err)
	}
	a, err := tx.Account(use.Account) // the row goes with its account
	if err != nil {
		return use, p, a, fmt.Errorf("account of link: %w", err)
	}
	if a.Disabled() {
		return use, p, a, refuse("account_disabled")
	}
	if a.Email.Login != p.Login {
		return use, p, a, refuse("address_changed")
	}
	return use, p, a, nil
}

func consumeAny(tx *store.Tx, digest string, kinds []auth.SingleUseKind) (use auth.SingleUse, err error) {
	for _, kind := range kinds {
		if use, err = tx.Consume(kind, digest); !errors.Is(err, auth.ErrNotFound) {
			return use, err
		}
	}
	return use, auth.ErrNotFound
}
