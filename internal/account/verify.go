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
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// Verification is a request to use a verification link.
type Verification struct {
	Token string
	// Password becomes the password of the account. For a change of address it is the
	// current password instead.
	Password string
	Browser  string           // the secret of the browser that opened the link
	Page     string           // the secret of the page of the link, which its form sends back
	SignedIn []auth.AccountID // the accounts signed in in that browser
	// Program is set for an API client, which vouches for the password of its user. A page
	// must not set it: anyone who reads the mail can open a link. It has no effect on a
	// change of address.
	Program bool
}

// Missing is what a link requires in addition to a click.
type Missing string

// Values of Missing.
const (
	MissingNothing         Missing = ""
	MissingPassword        Missing = "password"         // a new password of the account
	MissingCurrentPassword Missing = "current_password" // the current password of the account
)

// LinkRequirements is what the page of a verification link shows and asks for.
type LinkRequirements struct {
	Missing Missing
	Address string // the address that the link verifies
	Invited bool   // an operator created the account, and its owner must choose a password
	// MinLength is the minimum length of a new password.
	MinLength int
	// Flow is where the link leads, as in LinkOutcome.
	Flow auth.Flow
	// Recovers says that the link recovers an account without a password. Before it works it can
	// cancel that.
	Recovers bool
	// Used is set if this browser has just used the link. Nothing is missing then.
	Used *LinkOutcome
}

// bearer returns the link with what identifies its bearer.
func (v Verification) bearer() bearer {
	if v.Program {
		return bearer{token: v.Token}
	}
	return bearer{v.Token, v.Browser, v.Page}
}

// VerifyEmail consumes a link that verifies an address: that of a registration, or the new
// one of a change. It verifies only that address for that account. It does not sign the
// user in.
//
// The password of the registration stays only if the link is opened in the browser that
// registered, or by a program while no other registrar has registered the address and the
// account is unused. Otherwise a password is required
// (docs/decisions/043-passwords-older-than-the-proof.md).
//
// Refusals: invalid_link, password_needed and password_refused, which leave the link
// usable; wrong_password and rate_limited for a change of address.
func (s *Service) VerifyEmail(ctx context.Context, tenant auth.TenantID, r Verification, actor auth.Actor) (LinkOutcome, error) {
	if !secret.Valid(linkPrefix, r.Token) {
		return LinkOutcome{}, errInvalidLink()
	}
	v := pendingVerification{s: s, Verification: r, actor: actor}
	err := v.verify(ctx, tenant)
	if errors.Is(err, errRepeated) {
		return s.repeatLink(ctx, tenant, r.bearer(), r.Password, auth.UseVerifyEmail, auth.UseChangeEmail)
	}
	return v.outcome, err
}

// VerifyRequirements returns what VerifyEmail requires, without consuming the link.
// Refusal: invalid_link.
func (s *Service) VerifyRequirements(ctx context.Context, tenant auth.TenantID, r Verification) (LinkRequirements, error) {
	if !secret.Valid(linkPrefix, r.Token) {
		return LinkRequirements{}, errInvalidLink()
	}
	o, err := s.openLink(ctx, tenant, r.bearer(), auth.UseVerifyEmail, auth.UseChangeEmail)
	if errors.Is(err, errRepeated) {
		used, err := s.repeatLink(ctx, tenant, r.bearer(), "", auth.UseVerifyEmail, auth.UseChangeEmail)
		return LinkRequirements{Used: &used}, err
	}
	if err != nil {
		return LinkRequirements{}, err
	}
	n := LinkRequirements{Address: o.account.Email.Address, Flow: o.flow, MinLength: s.tenantPolicy(o.tenant, o.needsFactor).MinLength}
	if o.use.Kind == auth.UseChangeEmail {
		n.Address = o.data.Address
	}
	err = s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) (err error) {
		n.Missing, err = pendingVerification{s: s, Verification: r}.missing(tx, o.use.Kind, o.data, o.account)
		return err
	})
	if err != nil {
		return LinkRequirements{}, fmt.Errorf("read link: %w", err)
	}
	n.Invited = n.Missing == MissingPassword && o.data.registrar.equal(operatorRegistrar)
	return n, nil
}

// pendingVerification is a Verification ready to be written.
type pendingVerification struct {
	s *Service
	Verification
	hash             string // of the new password
	passwordVerified bool   // the current password was correct
	actor            auth.Actor

	outcome LinkOutcome
}

func (v *pendingVerification) verify(ctx context.Context, tenant auth.TenantID) error {
	if v.Password != "" {
		if err := v.usePassword(ctx, tenant); err != nil {
			return err
		}
	}
	if err := v.s.cfg.DB.Write(ctx, tenant, v.write); err != nil {
		return fmt.Errorf("verify address: %w", err)
	}
	return nil
}

// usePassword checks and hashes the new password, or verifies the current one.
func (v *pendingVerification) usePassword(ctx context.Context, tenant auth.TenantID) error {
	o, err := v.s.openLink(ctx, tenant, v.bearer(), auth.UseVerifyEmail, auth.UseChangeEmail)
	if err != nil {
		return err
	}
	if o.use.Kind == auth.UseChangeEmail {
		_, err := v.s.verifyPassword(ctx, tenant, o.account.ID, v.Password, auth.Event{Kind: auth.EventEmailChanged, Actor: v.actor})
		v.passwordVerified = err == nil
		return err
	}
	v.hash, err = v.s.hashPassword(ctx, o.tenant, newPassword{"password", v.Password, o.account.Email, o.account.Name, o.account.Username, o.needsFactor})
	return err
}

func (v *pendingVerification) write(tx *store.Tx) error {
	use, data, a, err := consumeLink(tx, v.bearer(), auth.Event{Kind: auth.EventVerified, Actor: v.actor}, auth.UseVerifyEmail, auth.UseChangeEmail)
	if err != nil {
		return err
	}
	missing, err := v.missing(tx, use.Kind, data, a)
	if err != nil {
		return err
	}
	if missing == MissingCurrentPassword && !v.passwordVerified || missing == MissingPassword && v.hash == "" {
		return errPasswordNeeded(missing)
	}
	if v.outcome, err = recordBearer(tx, use, data, v.bearer(), v.hash); err != nil {
		return err
	}
	if use.Kind == auth.UseChangeEmail {
		return v.s.finishChange(tx, a, data, v.actor)
	}
	if err := v.s.setVerified(tx, &a, addressVerification{registrar: v.hash == "" && data.isBrowser(v.Browser), reason: auth.EndProved, actor: v.actor}); err != nil {
		return err
	}
	if v.hash != "" {
		if err := tx.SetPassword(a.ID, v.hash); err != nil {
			return err
		}
	}
	return tx.Record(auth.Event{Kind: auth.EventVerified, Actor: v.actor, Account: a.ID})
}

// missing returns what is required in addition to the link.
func (v pendingVerification) missing(tx *store.Tx, kind auth.SingleUseKind, data linkData, a auth.Account) (Missing, error) {
	if kind == auth.UseChangeEmail {
		return v.missingForChange(tx, data, a)
	}
	_, err := tx.PasswordHash(a.ID)
	if errors.Is(err, auth.ErrNotFound) {
		return MissingPassword, nil
	}
	if err != nil || data.isBrowser(v.Browser) {
		return MissingNothing, err
	}
	if !v.Program {
		return MissingPassword, nil
	}
	t, err := tx.CurrentTenant()
	if err != nil {
		return "", err
	}
	used, err := inUse(tx, t, a)
	if used {
		return MissingPassword, err
	}
	return MissingNothing, err
}

// missingForChange returns what the link of a change of address requires: nothing in the session that
// requested it or in another one of the account, and otherwise the current password.
func (v pendingVerification) missingForChange(tx *store.Tx, data linkData, a auth.Account) (Missing, error) {
	if slices.Contains(v.SignedIn, a.ID) {
		return MissingNothing, nil
	}
	requester, err := tx.Session(data.Session)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return "", err
	}
	if data.isBrowser(v.Browser) && (data.Session == "" || requester.Live(tx.Now)) {
		return MissingNothing, nil
	}
	return MissingCurrentPassword, nil
}

// openedLink is a valid link with its account and tenant.
type openedLink struct {
	use     auth.SingleUse
	data    linkData
	account auth.Account
	tenant  auth.Tenant
	flow    auth.Flow // as in LinkOutcome
	// needsFactor reports whether a password is not enough to sign in to the account.
	needsFactor bool
}

// openLink reads a link without consuming it. If the same browser has just consumed the link, the error is
// errRepeated. Refusals: invalid_link, link_not_yet_valid.
func (s *Service) openLink(ctx context.Context, tenant auth.TenantID, b bearer, kinds ...auth.SingleUseKind) (openedLink, error) {
	var o openedLink
	err := s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) (err error) {
		o = openedLink{}
		o.use, err = readAny(tx, secret.Digest(b.token), kinds)
		if errors.Is(err, auth.ErrNotFound) || err == nil && (o.use.Account == "" || !o.use.Live(tx.Now)) {
			return cmp.Or(checkRepeated(tx, b, kinds), errInvalidLink())
		}
		if err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(o.use.Data), &o.data); err != nil {
			return fmt.Errorf("decode link: %w", err)
		}
		if o.account, err = tx.Account(o.use.Account); err != nil {
			return err
		}
		reason, err := o.data.refusalReason(tx, o.use.Kind, o.account)
		if reason != "" {
			err = errInvalidLink()
		}
		if err != nil {
			return err
		}
		if o.tenant, err = tx.CurrentTenant(); err != nil {
			return err
		}
		if o.needsFactor, err = o.passwordNeedsFactor(tx); err != nil {
			return err
		}
		o.flow, err = ownFlow(tx, o.data.Flow, b.browser)
		return err
	})
	if err != nil {
		return o, fmt.Errorf("read link: %w", err)
	}
	return o, nil
}

// passwordNeedsFactor reports whether the password that the link sets will not be enough to sign in. Factors
// that the link removes do not count.
func (o openedLink) passwordNeedsFactor(tx *store.Tx) (bool, error) {
	if o.data.Recover || !o.account.Verified() && o.account.Registrar != operatorRegistrar.String() {
		return needsFactorWith(tx, o.tenant, o.account, nil)
	}
	return needsFactor(tx, o.tenant, o.account)
}

// finishChange changes the address of the account to the one that was just verified, even
// if an unverified, unused registration has it. It deletes links to the old address and
// ends every session except the one that requested the change.
func (s *Service) finishChange(tx *store.Tx, a auth.Account, data linkData, actor auth.Actor) error {
	email, err := auth.ParseEmail(data.Address)
	if err != nil {
		return err
	}
	free := email.Login == a.Email.Login
	if !free {
		if free, err = removeUnverified(tx, email.Login, actor); err != nil {
			return err
		}
	}
	if !free {
		event := auth.Event{Kind: auth.EventEmailChanged, Outcome: auth.Failure, Actor: actor, Account: a.ID, Detail: map[string]string{"reason": "address_taken"}}
		if err := tx.Record(event); err != nil {
			return err
		}
		return store.CommitWith(errInvalidLink())
	}
	old := a
	a.Email = email
	if err := s.setVerified(tx, &a, addressVerification{session: data.Session, reason: auth.EndEmail, actor: actor}); err != nil {
		return err
	}
	if err := notifyChangedEmail(tx, old, email, actor); err != nil {
		return err
	}
	return tx.Record(auth.Event{Kind: auth.EventEmailChanged, Actor: actor, Account: a.ID})
}

// notifyChangedEmail mails a notice to the address that an account had. If the new address is one that it had
// lately, the owner of that one moves back by hand: links that were mailed since then, and one in this notice,
// could only take the account from them again.
func notifyChangedEmail(tx *store.Tx, old auth.Account, email auth.Email, actor auth.Actor) error {
	m := auth.Mail{NewEmail: email.Address, IP: actor.IP}
	notices, err := tx.LiveSingleUses(old.ID, auth.UseSecureAccount)
	if err != nil {
		return err
	}
	var since time.Time
	for _, use := range notices {
		var data session.SecureLink
		if err := json.Unmarshal([]byte(use.Data), &data); err != nil {
			return fmt.Errorf("decode link of notice: %w", err)
		}
		if address, err := auth.ParseEmail(data.Address); err == nil && address.Login == email.Login && (since.IsZero() || use.CreatedAt.Before(since)) {
			since = use.CreatedAt
		}
	}
	if since.IsZero() || email.Login == old.Email.Login {
		return session.Notify(tx, old, auth.MailEmailChanged, m)
	}
	if err := tx.DeleteSingleUsesSince(old.ID, auth.UseSecureAccount, since); err != nil {
		return err
	}
	return tx.Notify(old, auth.MailEmailChanged, m)
}

// Resend mails a new link to an unverified address. It replaces the previous link of the
// same registrar. For every other address it does the same work and mails nothing. The
// only refusal is email_invalid.
func (s *Service) Resend(ctx context.Context, tenant auth.TenantID, r LinkRequest, actor auth.Actor) error {
	return s.requestLink(ctx, tenant, pendingLinkRequest{
		LinkRequest: r,
		name:        "resend", from: registrarOf(r.Browser, actor), rate: s.cfg.Rates["resend.account"], event: auth.EventVerificationSent, actor: actor,
		kind: auth.UseVerifyEmail, mail: auth.MailVerify, life: s.cfg.VerifyLifetime,
		eligible: func(a auth.Account) bool { return !a.Disabled() && !a.Verified() },
	})
}
