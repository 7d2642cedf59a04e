package account

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// A mailed link is a single-use secret: its bearer reads the mail of one address. It is
// stored as a digest, bound to tenant, purpose, account and address. A new link replaces
// the previous links of the same purpose. A verification link replaces only those of the
// same registrar: another user who registers the address must not invalidate the owner's
// link.

const linkPrefix = session.LinkPrefix

// unavailableRetry is the Retry-After when a check is temporarily unavailable.
const unavailableRetry = 5 * time.Second

// linkData is the stored data of a link.
type linkData struct {
	Login   string         `json:"login"`             // the address when the link was issued
	Address string         `json:"address,omitempty"` // the new address of a change
	Session auth.SessionID `json:"session,omitempty"` // the session that requested the change
	Flow    auth.FlowID    `json:"flow,omitempty"`    // the flow from whose page the link was requested
	Bearer  string         `json:"user,omitempty"`    // the digest of the identity of the bearer who consumed the link
	// NotBefore is when the link begins to work, and Recover says that it removes lost second factors.
	NotBefore time.Time `json:"not_before,omitzero"`
	Recover   bool      `json:"recover,omitempty"`

	Set string `json:"set,omitempty"` // the digest of the password hash that the link has set
	registrar
}

// link is a link to issue.
type link struct {
	kind     auth.SingleUseKind
	account  auth.AccountID // empty: a decoy
	data     linkData
	token    secret.Text
	life     time.Duration
	replaces []string // the digests of the links of the same kind that it replaces; nil: all
}

// issue stores the link, deletes those it replaces and returns its expiry. A link without
// an account is a decoy: the same statements for an address without an account. The token
// of a decoy is not sent and has already expired.
func (l link) issue(tx *store.Tx) (time.Time, error) {
	if err := l.deletePrevious(tx); err != nil {
		return time.Time{}, fmt.Errorf("delete previous link: %w", err)
	}
	expires := tx.Now.Add(l.life)
	if l.account == "" {
		expires = tx.Now
	}
	text, err := json.Marshal(l.data)
	if err != nil {
		return time.Time{}, fmt.Errorf("encode link: %w", err)
	}
	err = tx.InsertSingleUse(auth.SingleUse{
		Kind: l.kind, Digest: secret.Digest(l.token.Reveal()), Account: l.account, Data: string(text),
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

// newMail returns a mail to the address of an account. The name of an unverified account could be spam, so it is
// left out.
func newMail(tx *store.Tx, a auth.Account, actor auth.Actor) auth.Mail {
	m := auth.Mail{To: a.Email.Address, Locale: a.Locale, IP: actor.IP, At: tx.Now}
	if a.Verified() {
		m.Name = a.Name
	}
	return m
}

// bearer is a presented link with what identifies its bearer. Programs have no browser.
type bearer struct {
	token   string
	browser string
	page    string // of the link, in a browser without a cookie
}

// identity returns the secret that identifies the bearer when the link is used again; empty
// for programs.
func (b bearer) identity() string { return cmp.Or(b.browser, b.page) }

// consumeLink consumes a link of one of the kinds and returns its account. If the account
// may not use it, the error is a refusal that commits: the link stays consumed, and the
// event is recorded as a failure. If the same browser has just consumed the link, the error
// is errRepeated. Refusals: invalid_link; link_not_yet_valid, which leaves the link usable.
func consumeLink(tx *store.Tx, b bearer, event auth.Event, kinds ...auth.SingleUseKind) (auth.SingleUse, linkData, auth.Account, error) {
	var data linkData
	use, err := consumeAny(tx, secret.Digest(b.token), kinds)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return use, data, auth.Account{}, fmt.Errorf("consume link: %w", err)
	}
	if err != nil {
		if err := checkRepeated(tx, b, kinds); err != nil {
			return use, data, auth.Account{}, err
		}
	}
	event.Outcome, event.Account = auth.Failure, use.Account
	refuse := func(reason string) error {
		event.Detail = map[string]string{"reason": reason}
		if err := tx.Record(event); err != nil {
			return err
		}
		return store.CommitWith(errInvalidLink())
	}
	if err != nil {
		return use, data, auth.Account{}, refuse("link_unknown_spent_or_expired")
	}
	if err := json.Unmarshal([]byte(use.Data), &data); err != nil {
		return use, data, auth.Account{}, fmt.Errorf("decode link: %w", err)
	}
	a, err := tx.Account(use.Account) // deleting an account deletes its links
	if err != nil {
		return use, data, a, fmt.Errorf("read account of link: %w", err)
	}
	reason, err := data.refusalReason(tx, use.Kind, a)
	if reason != "" {
		err = refuse(reason)
	}
	return use, data, a, err
}

// refusalReason returns why the account may not use the link; empty if it may. Refusal: link_not_yet_valid for a link
// that works later.
func (data linkData) refusalReason(tx *store.Tx, kind auth.SingleUseKind, a auth.Account) (string, error) {
	ended, err := data.requesterEnded(tx, kind)
	switch {
	case err != nil:
		return "", err
	case a.Disabled():
		return "account_disabled", nil
	case a.Email.Login != data.Login:
		return "address_changed", nil
	case ended:
		return "session_ended", nil
	case tx.Now.Before(data.NotBefore):
		return "", errLinkNotYetValid(data.NotBefore) // rolled back: the link stays
	}
	return "", nil
}

// requesterEnded reports whether someone has ended the session that requested a change of address, or signed
// out of it. The change ends with it: whoever ends a stolen session ends what was begun in it.
func (data linkData) requesterEnded(tx *store.Tx, kind auth.SingleUseKind) (bool, error) {
	if kind != auth.UseChangeEmail || data.Session == "" {
		return false, nil
	}
	v, err := tx.Session(data.Session)
	if errors.Is(err, auth.ErrNotFound) {
		return true, nil
	}
	return !v.EndedAt.IsZero(), err
}

// readAny reads a link of one of the kinds, also a consumed one.
func readAny(tx *store.Tx, digest string, kinds []auth.SingleUseKind) (use auth.SingleUse, err error) {
	for _, kind := range kinds {
		if use, err = tx.SingleUse(kind, digest); !errors.Is(err, auth.ErrNotFound) {
			return use, err
		}
	}
	return use, auth.ErrNotFound
}

func consumeAny(tx *store.Tx, digest string, kinds []auth.SingleUseKind) (use auth.SingleUse, err error) {
	for _, kind := range kinds {
		if use, err = tx.Consume(kind, digest); !errors.Is(err, auth.ErrNotFound) {
			return use, err
		}
	}
	return use, auth.ErrNotFound
}
