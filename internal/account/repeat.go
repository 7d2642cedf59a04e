package account

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/password"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// A browser sends the same request twice when its user clicks twice, goes back or retries
// after a lost response. It then shows the second response. So the second request changes
// nothing and has the outcome of the first (docs/decisions/073-repeated-acts.md). For
// programs and other browsers a consumed link is an invalid link.

// linkWindow is how long the browser that consumed a link sees its outcome again.
const linkWindow = 10 * time.Minute

// errRepeated reports a repeated request. It does not leave the package.
var errRepeated = errors.New("repeated by the same browser")

// submission is a form that a browser sent from a page.
type submission struct {
	browser string
	page    string // the flow or the session that the page is about; programs have none
}

// record returns errRepeated if the browser has just sent the same form with the same
// fields.
func (f submission) record(tx *store.Tx, fields ...string) error {
	if f.browser == "" || f.page == "" {
		return nil
	}
	err := session.RecordForm(tx, session.FormDigest(f.browser, slices.Insert(fields, 0, f.page)...), "")
	if errors.Is(err, auth.ErrConflict) {
		return errRepeated
	}
	return err
}

// LinkOutcome is where a consumed link leads.
type LinkOutcome struct {
	// Flow is the flow from whose page the link was requested. It is the zero value if the
	// flow has reached its end, cannot continue or began in another browser.
	Flow auth.Flow
	// PasswordSet reports whether the link has set a password.
	PasswordSet bool
	// Known is the known-browser cookie after ResetIn.
	Known secret.Text
}

// recordBearer records which browser consumed a link and the hash of the password that the link
// has set, if it has.
func recordBearer(tx *store.Tx, use auth.SingleUse, data linkData, b bearer, hash string) (LinkOutcome, error) {
	returnTo, err := ownFlow(tx, data.Flow, b.browser)
	out := LinkOutcome{Flow: returnTo, PasswordSet: hash != ""}
	if err != nil || b.identity() == "" {
		return out, err
	}
	data.Bearer = secret.Digest(b.identity())
	if hash != "" {
		data.Set = secret.Digest(hash)
	}
	text, err := json.Marshal(data)
	if err != nil {
		return out, fmt.Errorf("encode link: %w", err)
	}
	return out, tx.AnnotateSingleUse(use.Kind, use.Digest, string(text))
}

// ownFlow returns a flow if the browser can return to it, else the zero value.
func ownFlow(tx *store.Tx, id auth.FlowID, browser string) (auth.Flow, error) {
	if id == "" || browser == "" {
		return auth.Flow{}, nil
	}
	f, err := tx.Flow(id)
	if errors.Is(err, auth.ErrNotFound) {
		return auth.Flow{}, nil
	}
	if err != nil {
		return auth.Flow{}, fmt.Errorf("read flow of link: %w", err)
	}
	if ok, err := flow.CanReturn(tx, f, flow.Browser{Secret: browser}); err != nil || !ok {
		return auth.Flow{}, err
	}
	return f, nil
}

// checkRepeated returns errRepeated if the same browser has just consumed the link.
func checkRepeated(tx *store.Tx, b bearer, kinds []auth.SingleUseKind) error {
	_, err := findUsed(tx, b, kinds)
	if errors.Is(err, auth.ErrNotFound) {
		return nil
	}
	return cmp.Or(err, errRepeated)
}

// findUsed returns a link that the same browser has just consumed and whose change is still
// in effect, with the hash of the password that it has set. It returns ErrNotFound for every other link.
func findUsed(tx *store.Tx, b bearer, kinds []auth.SingleUseKind) (usedLink, error) {
	var u usedLink
	if b.identity() == "" {
		return u, auth.ErrNotFound
	}
	use, err := readAny(tx, secret.Digest(b.token), kinds)
	if err != nil {
		return u, err
	}
	if use.UsedAt.IsZero() || !tx.Now.Before(use.UsedAt.Add(linkWindow)) {
		return u, auth.ErrNotFound
	}
	if err := json.Unmarshal([]byte(use.Data), &u.data); err != nil {
		return u, fmt.Errorf("decode link: %w", err)
	}
	if !secret.Equal(u.data.Bearer, secret.Digest(b.identity())) {
		return u, auth.ErrNotFound
	}
	a, err := tx.Account(use.Account)
	if err != nil {
		return u, err
	}
	if a.Disabled() || a.Email.Login != u.data.loginAfter(use.Kind) {
		return u, auth.ErrNotFound
	}
	if u.data.Set == "" {
		return u, nil
	}
	if u.hash, err = tx.PasswordHash(a.ID); err == nil && secret.Digest(u.hash) != u.data.Set {
		err = auth.ErrNotFound
	}
	return u, err
}

type usedLink struct {
	data linkData
	hash string
}

// loginAfter returns the login of the account once the link is consumed.
func (data linkData) loginAfter(kind auth.SingleUseKind) string {
	if kind != auth.UseChangeEmail {
		return data.Login
	}
	email, _ := auth.ParseEmail(data.Address)
	return email.Login
}

// repeatLink returns the outcome of a link to the browser that has just consumed it. A
// password, if there is one, must be the one that the link has set. Refusal: invalid_link.
func (s *Service) repeatLink(ctx context.Context, tenant auth.TenantID, b bearer, pw string, kinds ...auth.SingleUseKind) (LinkOutcome, error) {
	var out LinkOutcome
	var u usedLink
	err := s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) (err error) {
		if u, err = findUsed(tx, b, kinds); err == nil {
			out.Flow, err = ownFlow(tx, u.data.Flow, b.browser)
		}
		return err
	})
	if errors.Is(err, auth.ErrNotFound) {
		return LinkOutcome{}, errInvalidLink()
	}
	if err != nil {
		return LinkOutcome{}, fmt.Errorf("read consumed link: %w", err)
	}
	out.PasswordSet = u.data.Set != ""
	if pw == "" || !out.PasswordSet {
		return out, nil
	}
	res, err := s.cfg.Hasher.Verify(ctx, u.hash, pw)
	if err != nil {
		return LinkOutcome{}, password.Refusal("password", err)
	}
	if !res.OK {
		return LinkOutcome{}, errInvalidLink()
	}
	return out, nil
}

// usedJustNow reports whether a link was used within the last ten minutes, by any browser. It is
// for links whose effect shows nothing about the account.
func usedJustNow(tx *store.Tx, kind auth.SingleUseKind, token string) (bool, error) {
	use, err := tx.SingleUse(kind, secret.Digest(token))
	if errors.Is(err, auth.ErrNotFound) {
		return false, nil
	}
	return err == nil && !use.UsedAt.IsZero() && tx.Now.Before(use.UsedAt.Add(linkWindow)), err
}
