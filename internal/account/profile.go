package account

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// Patch is a change of one's own account; a nil field is unchanged.
type Patch struct {
	Name   *string
	Locale *string
	Email  *string
	// Username is the new user name; empty removes it.
	Username *string
	// CurrentPassword is required to change the address or the user name, unless the session is Fresh.
	CurrentPassword string
	// Fresh says that the session of the actor is fresh (auth.SignIn.Fresh).
	Fresh   bool
	Browser string // as in Registration
}

// Update changes name and language immediately. A new address is pending until its mailed link is
// used; until then the account keeps the current address. A new user name is mailed to the owner as a
// notice, and the old one stays reserved for the account for as long as its link works. Only the mailbox of the new
// address sees whether another account has it. Requesting the current address cancels a
// pending change. Refusals: name_…, username_…, locale_invalid, email_invalid, wrong_password, rate_limited,
// not_found, session_invalid, changed_meanwhile.
func (s *Service) Update(ctx context.Context, tenant auth.TenantID, id auth.AccountID, p Patch, actor auth.Actor) (auth.Account, error) {
	change := profileUpdate{s: s, actor: actor, browser: p.Browser}
	if p.Name != nil {
		name, err := auth.ParseName(*p.Name)
		if err != nil {
			return auth.Account{}, err
		}
		change.name = &name
	}
	if p.Locale != nil {
		locale, err := auth.ParseLocale(*p.Locale)
		if err != nil {
			return auth.Account{}, err
		}
		change.locale = &locale
	}
	if p.Email != nil {
		email, err := auth.ParseEmail(*p.Email)
		if err != nil {
			return auth.Account{}, err
		}
		if !email.Public() {
			return auth.Account{}, errEmailNotPublic()
		}
		if change.credentials, err = s.authorizeChange(ctx, tenant, id, email, p, actor); err != nil {
			return auth.Account{}, err
		}
		change.email, change.token = &email, secret.New(linkPrefix)
	}
	if p.Username != nil {
		var err error
		if change.credentials, err = s.authorizeOwner(ctx, tenant, id, p, auth.Event{Kind: auth.EventProfileChanged, Actor: actor}); err != nil {
			return auth.Account{}, err
		}
		username, err := parseUsername(change.credentials.tenant, *p.Username)
		if err != nil {
			return auth.Account{}, err
		}
		change.username = &username
	}
	var a auth.Account
	err := session.WriteFor(ctx, s.cfg.DB, tenant, actor, func(tx *store.Tx) (err error) {
		a, err = change.write(tx, id)
		return err
	})
	return a, mapNotFound("update account", err)
}

// authorizeOwner verifies the password unless the session is fresh.
func (s *Service) authorizeOwner(ctx context.Context, tenant auth.TenantID, id auth.AccountID, p Patch, event auth.Event) (credentials, error) {
	if p.Fresh {
		return s.readCredentials(ctx, tenant, id)
	}
	return s.verifyPassword(ctx, tenant, id, p.CurrentPassword, event)
}

// authorizeChange is authorizeOwner, and limits mails to the new address.
func (s *Service) authorizeChange(ctx context.Context, tenant auth.TenantID, id auth.AccountID, email auth.Email, p Patch, actor auth.Actor) (credentials, error) {
	stored, err := s.authorizeOwner(ctx, tenant, id, p, auth.Event{Kind: auth.EventEmailChangeRequested, Actor: actor})
	if err != nil {
		return stored, err
	}
	_, err = limit.TakeAll(ctx, s.cfg.Limiter, newAttempt("change", tenant, email.Login, actor).MailBuckets(s.cfg.Rates["resend.account"])...)
	return stored, err
}

// profileUpdate is a Patch ready to be written.
type profileUpdate struct {
	s           *Service
	name        *string
	locale      *string
	username    *string
	email       *auth.Email
	credentials credentials
	token       secret.Text
	actor       auth.Actor

	browser string
}

func (c profileUpdate) write(tx *store.Tx, id auth.AccountID) (auth.Account, error) {
	a, err := tx.Account(id)
	if err != nil {
		return a, err
	}
	if c.email != nil {
		if _, err := c.credentials.reload(tx); err != nil {
			return a, err
		}
		if err := c.requestEmailChange(tx, a); err != nil && !errors.Is(err, errRepeated) {
			return a, err
		}
	}
	var changed []string
	if c.username != nil && *c.username != a.Username {
		if _, err := c.credentials.reload(tx); err != nil {
			return a, err
		}
		if err := requireFreeUsername(tx, *c.username, id); err != nil {
			return a, err
		}
		if err := giveUpUsername(tx, a, c.actor); err != nil {
			return a, err
		}
		a.Username, changed = *c.username, append(changed, "username")
	}
	if c.name != nil && *c.name != a.Name {
		a.Name, changed = *c.name, append(changed, "name")
	}
	if c.locale != nil && *c.locale != a.Locale {
		a.Locale, changed = *c.locale, append(changed, "locale")
	}
	if len(changed) == 0 {
		return a, nil
	}
	a.UpdatedAt = tx.Now
	if err := tx.UpdateAccount(a); err != nil {
		return a, err
	}
	return a, tx.Record(auth.Event{Kind: auth.EventProfileChanged, Actor: c.actor, Account: id, Detail: map[string]string{"field": strings.Join(changed, " ")}})
}

// requestEmailChange mails a link to the new address. If another account has it, the same
// statements are executed and that account's owner gets a notice instead.
func (c profileUpdate) requestEmailChange(tx *store.Tx, a auth.Account) error {
	if c.email.Address == a.Email.Address {
		return tx.DeleteSingleUses(a.ID, auth.UseChangeEmail)
	}
	if err := (submission{c.browser, string(c.actor.Session)}).record(tx, "change", c.email.Address); err != nil {
		return err
	}
	other, err := tx.AccountByLogin(c.email.Login)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return err
	}
	taken := other.ID != "" && other.ID != a.ID
	if taken { // a verified change replaces an unverified registration
		free, err := isReplaceable(tx, other)
		if err != nil {
			return err
		}
		taken = !free
	}
	data := linkData{Login: a.Email.Login, Address: c.email.Address, Session: c.actor.Session, registrar: registrarOf(c.browser, c.actor)}
	l := link{kind: auth.UseChangeEmail, account: a.ID, data: data, token: c.token, life: c.s.cfg.VerifyLifetime}
	expires, err := l.issue(tx)
	if err != nil {
		return fmt.Errorf("issue link: %w", err)
	}
	kind, m := auth.MailChangeEmail, newMail(tx, a, c.actor)
	if taken {
		// The pending link exists, but its token is not sent.
		kind, m = auth.MailKnownAddress, newMail(tx, other, c.actor)
	} else {
		// The address is not proved to be the owner's, so the name could be spam.
		m.To, m.Name, m.NewEmail = c.email.Address, "", c.email.Address
		m.Token, m.ExpiresAt = c.token.Reveal(), expires
	}
	if err := tx.Enqueue(kind, m); err != nil {
		return err
	}
	return tx.Record(auth.Event{Kind: auth.EventEmailChangeRequested, Actor: c.actor, Account: a.ID})
}
