package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// LinkRequest is a request to mail a link to an address.
type LinkRequest struct {
	Email   string
	Browser string      // as in Registration
	Flow    auth.FlowID // as in Registration
	Again   bool        // the user requests another mail, on the page that follows the first
}

// Forgot mails a link that sets a new password and deletes the previous link. For an
// address without an account, or with a disabled one, it does the same work and mails
// nothing. An account with second factors and without a password gets a link that works a
// day later, unless its owner is signed in. The only refusal is email_invalid.
func (s *Service) Forgot(ctx context.Context, tenant auth.TenantID, r LinkRequest, actor auth.Actor) error {
	return s.requestLink(ctx, tenant, pendingLinkRequest{
		LinkRequest: r,
		name:        "forgot", rate: s.cfg.Rates["forgot.account"], event: auth.EventPasswordResetRequested, actor: actor,
		kind: auth.UseResetPassword, mail: auth.MailReset, life: s.cfg.ResetLifetime,
		eligible: func(a auth.Account) bool { return !a.Disabled() },
	})
}

// pendingLinkRequest is a LinkRequest with what its purpose determines.
type pendingLinkRequest struct {
	LinkRequest
	name     string // of the limit
	from     registrar
	rate     limit.Rate
	event    auth.EventKind
	kind     auth.SingleUseKind
	mail     auth.MessageKind
	life     time.Duration
	actor    auth.Actor
	eligible func(auth.Account) bool
}

// requestLink executes the same statements for every address: one read, a link or a decoy,
// a mail or its empty counterpart, an audit line.
func (s *Service) requestLink(ctx context.Context, tenant auth.TenantID, q pendingLinkRequest) error {
	email, err := auth.ParseEmail(q.Email)
	if err != nil {
		return err
	}
	a, err := s.newMailAttempt(ctx, q.name, tenant, email.Login, q.actor)
	if err != nil {
		return err
	}
	_, err = limit.TakeAll(ctx, s.cfg.Limiter, a.MailBuckets(q.rate)...)
	if auth.KindOf(err) == auth.KindThrottled {
		return s.recordSuppressed(ctx, tenant, q.event, q.actor)
	}
	if err != nil {
		return err
	}
	token := secret.New(linkPrefix)
	err = s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		if err := (submission{q.Browser, cmp.Or(string(q.Flow), string(q.actor.Session))}).record(tx, q.name, email.Login, strconv.FormatBool(q.Again)); err != nil {
			return err
		}
		a, err := tx.AccountByLogin(email.Login)
		if err != nil && !errors.Is(err, auth.ErrNotFound) {
			return err
		}
		eligible := err == nil && q.eligible(a)
		l, err := q.newLink(tx, a, linkData{Login: email.Login, Flow: q.Flow})
		if err != nil {
			return err
		}
		l.token = token
		kind := q.mail
		if l.data.Recover {
			kind = auth.MailRecovery
		}
		to, mail, event := email.Address, auth.MailNone, auth.Event{Kind: q.event, Outcome: auth.Failure, Actor: q.actor, Account: a.ID}
		if eligible {
			l.account, mail, event.Outcome = a.ID, kind, auth.Success
			to = a.Email.Address // the address of the account, not the spelling of the request
		}
		expires, err := l.issue(tx)
		if err != nil {
			return err
		}
		m := newMail(tx, a, q.actor)
		m.To, m.Token, m.NotBefore, m.ExpiresAt = to, token.Reveal(), l.data.NotBefore, expires
		if err := tx.Enqueue(mail, m); err != nil {
			return err
		}
		return tx.Record(event)
	})
	if err != nil && !errors.Is(err, errRepeated) {
		return fmt.Errorf("%s: %w", q.name, err)
	}
	return nil
}

// newLink returns the link to issue. A verification link replaces those of the same
// registrar and belongs to their registration.
func (q pendingLinkRequest) newLink(tx *store.Tx, a auth.Account, data linkData) (link, error) {
	l := link{kind: q.kind, data: data, life: q.life}
	if q.kind == auth.UseResetPassword {
		return l, l.delay(tx, a.ID, q.actor)
	}
	own, err := ownLinks(tx, a.ID, q.from)
	if len(own) > 0 {
		l.data.registrar = q.from
	}
	l.replaces = own
	return l, err
}

// PasswordReset is a request to use a reset link in a browser.
type PasswordReset struct {
	Token    string
	Password string
	Browser  string // the secret of the browser that opened the link
	Page     string // the secret of the page of the link, which its form sends back
}

func (r PasswordReset) bearer() bearer { return bearer{r.Token, r.Browser, r.Page} }

// ResetRequirements returns what the page of a reset link shows, without consuming the link.
// Refusals: invalid_link, link_not_yet_valid.
func (s *Service) ResetRequirements(ctx context.Context, tenant auth.TenantID, r PasswordReset) (LinkRequirements, error) {
	if !secret.Valid(linkPrefix, r.Token) {
		return LinkRequirements{}, errInvalidLink()
	}
	o, err := s.openLink(ctx, tenant, r.bearer(), auth.UseResetPassword)
	if errors.Is(err, errRepeated) {
		used, err := s.repeatLink(ctx, tenant, r.bearer(), "", auth.UseResetPassword)
		return LinkRequirements{Used: &used}, err
	}
	return LinkRequirements{Missing: MissingPassword, Address: o.account.Email.Address, Flow: o.flow, MinLength: s.tenantPolicy(o.tenant, o.needsFactor).MinLength,
		Recovers: o.data.Recover}, err
}

// Reset consumes a reset link and sets a new password. The link was mailed, so it also
// verifies the address. It ends every session and refresh token of the account, deletes
// every other link and mails a notice. Refusals: password_refused, which leaves the link
// usable; invalid_link, link_not_yet_valid.
func (s *Service) Reset(ctx context.Context, tenant auth.TenantID, token, pw string, actor auth.Actor) error {
	_, err := s.reset(ctx, tenant, PasswordReset{Token: token, Password: pw}, actor)
	return err
}

// ResetIn resets the password like Reset, in a browser. The outcome has the new
// known-browser cookie: the mailed link has proved the owner, who can then sign in from
// there while attempts of other browsers are limited.
func (s *Service) ResetIn(ctx context.Context, tenant auth.TenantID, r PasswordReset, actor auth.Actor) (LinkOutcome, error) {
	out, err := s.reset(ctx, tenant, r, actor)
	if errors.Is(err, errRepeated) {
		out, err = s.repeatLink(ctx, tenant, r.bearer(), r.Password, auth.UseResetPassword)
	}
	if err != nil {
		return LinkOutcome{}, err
	}
	login, now, err := s.readConsumedLogin(ctx, tenant, r.Token)
	if err != nil {
		s.cfg.Log.Warn("known-browser cookie not issued", "error", err) // the password is set
		return out, nil
	}
	out.Known = s.cfg.Sessions.IssueKnownBrowser(tenant, login, actor.Known, now)
	return out, nil
}

func (s *Service) reset(ctx context.Context, tenant auth.TenantID, r PasswordReset, actor auth.Actor) (LinkOutcome, error) {
	if !secret.Valid(linkPrefix, r.Token) {
		return LinkOutcome{}, errInvalidLink()
	}
	// Opening does not consume the link: an invalid link causes no hashing, and a refused password
	// does not use up the link.
	o, err := s.openLink(ctx, tenant, r.bearer(), auth.UseResetPassword)
	if err != nil {
		return LinkOutcome{}, err
	}
	hash, err := s.hashPassword(ctx, o.tenant, newPassword{"password", r.Password, o.account.Email, o.account.Name, o.account.Username, o.needsFactor})
	if err != nil {
		return LinkOutcome{}, err
	}
	var out LinkOutcome
	err = s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		event := auth.Event{Kind: auth.EventPasswordReset, Actor: actor}
		use, data, a, err := consumeLink(tx, r.bearer(), event, auth.UseResetPassword)
		if err != nil {
			return err
		}
		if out, err = recordBearer(tx, use, data, r.bearer(), hash); err != nil {
			return err
		}
		if !a.Verified() {
			if err := s.setVerified(tx, &a, addressVerification{reason: auth.EndReset, actor: actor}); err != nil {
				return err
			}
		}
		if data.Recover {
			if err := removeFactors(tx, a.ID, actor); err != nil {
				return err
			}
		}
		event.Account = a.ID
		return s.replacePassword(tx, a, hash, passwordChange{event: event, reason: auth.EndReset})
	})
	if err != nil {
		return LinkOutcome{}, fmt.Errorf("reset password: %w", err)
	}
	return out, nil
}

// passwordChange describes how a password is replaced.
type passwordChange struct {
	event  auth.Event
	reason string         // why sessions end
	keep   auth.SessionID // the session that continues, may be empty
}

// replacePassword sets the hash and unlocks the account. It also ends other sessions and their refresh tokens,
// deletes links that could undo the change, notifies the owner and records the event.
func (s *Service) replacePassword(tx *store.Tx, a auth.Account, hash string, r passwordChange) error {
	if err := tx.SetPassword(a.ID, hash); err != nil {
		return err
	}
	if a.Locked() {
		if err := unlock(tx, a, r.event.Actor); err != nil {
			return err
		}
	}
	if _, err := s.cfg.Sessions.EndAll(tx, a.ID, r.keep, r.reason); err != nil {
		return err
	}
	kinds := []auth.SingleUseKind{auth.UseResetPassword, auth.UseChangeEmail}
	if a.Verified() {
		kinds = append(kinds, auth.UseVerifyEmail)
	}
	if err := tx.DeleteSingleUses(a.ID, kinds...); err != nil {
		return err
	}
	if err := session.Notify(tx, a, auth.MailPasswordChanged, auth.Mail{IP: r.event.Actor.IP}); err != nil {
		return err
	}
	return tx.Record(r.event)
}
