package account

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// Registration is a request to register an account.
type Registration struct {
	Email, Password, Name string
	Username              string // that the user wants, where the tenant has user names
	Browser               string // the secret of the browser; empty for programs
	// Flow is the flow from whose page the request came. The link then leads back into it.
	// Programs have none.
	Flow auth.FlowID
	// Locale is the language of the page: that of the account until its owner chooses one. Empty for none.
	Locale string
}

// Register creates an account with an unverified address and mails a link to it. The
// result, the hash and the statements are the same for an address that already has an
// account: its owner is notified by mail, and the account does not change.
//
// An unverified, unused account has no owner yet. If the same registrar registers it
// again, it restarts with the new password and a new link. If another registrar registers
// it, even beyond the limit or after the links expired, the password is deleted and
// every link leads to a choice of password. A registration never changes an account that
// an operator created.
//
// Refusals: email_invalid, name_…, username_…, password_refused, registration_closed.
func (s *Service) Register(ctx context.Context, tenant auth.TenantID, r Registration, actor auth.Actor) error {
	email, name, err := parseEmailAndName(r.Email, r.Name)
	if err != nil {
		return err
	}
	if !email.Public() {
		return errEmailNotPublic()
	}
	t, err := s.tenant(ctx, tenant)
	if err != nil {
		return err
	}
	if !s.RegistrationOpen(t) {
		return auth.Refuse(auth.KindForbidden, auth.CodeRegistrationClosed, "registration is closed")
	}
	username, err := parseUsername(t, r.Username)
	if err != nil {
		return err
	}
	hash, err := s.hashPassword(ctx, t, newPassword{"password", r.Password, email, name, username, s.newAccountNeedsFactor(t)})
	if err != nil {
		return err
	}
	_, err = limit.TakeAll(ctx, s.cfg.Limiter, limit.Bucket{Key: "register.account|" + string(tenant) + "|" + email.Login, Rate: s.cfg.Rates["register.account"]})
	suppressed := auth.KindOf(err) == auth.KindThrottled
	if err != nil && !suppressed {
		return err
	}
	reg := pendingRegistration{s: s, tenant: t, email: email, username: username, name: name, hash: hash, token: secret.New(linkPrefix), actor: actor,
		registrar: registrarOf(r.Browser, actor), flow: r.Flow, locale: r.Locale, suppressed: suppressed}
	err = s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		if err := (submission{r.Browser, string(r.Flow)}).record(tx, "register", email.Login, r.Password); err != nil {
			return err
		}
		return reg.write(tx)
	})
	if err != nil && !errors.Is(err, errRepeated) {
		return fmt.Errorf("register: %w", err)
	}
	return nil
}

func parseEmailAndName(address, name string) (auth.Email, string, error) {
	email, err := auth.ParseEmail(address)
	if err != nil {
		return email, "", err
	}
	name, err = auth.ParseName(name)
	return email, name, err
}

func (s *Service) tenant(ctx context.Context, tenant auth.TenantID) (auth.Tenant, error) {
	var t auth.Tenant
	err := s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) (err error) {
		t, err = tx.CurrentTenant()
		return err
	})
	if err != nil {
		return t, fmt.Errorf("read tenant: %w", err)
	}
	return t, nil
}

// RegistrationOpen reports whether users may register with the tenant.
func (s *Service) RegistrationOpen(t auth.Tenant) bool {
	if t.Settings.Registration == "" {
		return s.cfg.RegistrationOpen
	}
	return t.Settings.Registration == "open"
}

// pendingRegistration is a Registration ready to be written.
type pendingRegistration struct {
	s      *Service
	tenant auth.Tenant
	email  auth.Email
	// username is the canonical name that the user wants; empty for none.
	username string
	name     string
	hash     string
	token    secret.Text
	actor    auth.Actor

	registrar  registrar
	flow       auth.FlowID
	locale     string
	suppressed bool // beyond the limit: nothing is sent
}

// write refuses a user name that another account has. For every address it executes the same kinds of
// statements: an insert that may conflict, a read, a write of the password (which matches no row of an
// owned account), a link or a decoy, a mail, an audit line.
func (r *pendingRegistration) write(tx *store.Tx) error {
	if err := requireFreeUsername(tx, r.username, ""); err != nil {
		return err
	}
	if r.suppressed {
		return r.recordSuppressed(tx)
	}
	a := auth.Account{ID: auth.AccountID(secret.NewID(tx.Now)), Email: r.email, Username: r.username, Name: r.name, Locale: r.locale, CreatedAt: tx.Now, UpdatedAt: tx.Now, Registrar: r.registrar.String()}
	inserted := tx.InsertAccount(a)
	if inserted != nil && !errors.Is(inserted, auth.ErrConflict) {
		return inserted
	}
	a, err := tx.AccountByLogin(r.email.Login)
	if err != nil {
		return err
	}
	if inserted == nil {
		return r.start(tx, a, []string{})
	}
	if a.Verified() || a.Disabled() {
		return r.notifyExisting(tx, a)
	}
	protected, err := isProtected(tx, r.tenant, a)
	if err != nil {
		return err
	}
	if protected {
		return r.sendClaimLink(tx, a)
	}
	return r.restart(tx, a)
}

// start sets the password of an account and mails a link that replaces own.
func (r *pendingRegistration) start(tx *store.Tx, a auth.Account, own []string) error {
	if err := tx.SetPassword(a.ID, r.hash); err != nil {
		return err
	}
	return r.sendVerification(tx, a, own)
}

func (r *pendingRegistration) sendVerification(tx *store.Tx, a auth.Account, own []string) error {
	l := link{kind: auth.UseVerifyEmail, account: a.ID, data: linkData{Login: a.Email.Login, Flow: r.flow, registrar: r.registrar},
		token: r.token, life: r.s.cfg.VerifyLifetime, replaces: own}
	return r.enqueueLink(tx, a, l, auth.MailVerify, auth.EventRegistered)
}

// restart registers an unverified, unused account again. It replaces password, name and
// links of the same registrar. If the registrar is another, the account is contested.
func (r *pendingRegistration) restart(tx *store.Tx, a auth.Account) error {
	own, err := ownLinks(tx, a.ID, r.registrar)
	if err != nil {
		return err
	}
	if _, err := r.s.cfg.Sessions.EndAll(tx, a.ID, "", auth.EndPassword); err != nil {
		return err
	}
	if a.Registrar != r.registrar.String() {
		if err := contest(tx, a, r.actor); err != nil {
			return err
		}
		return r.sendVerification(tx, a, own)
	}
	a.Email, a.Username, a.Name, a.Locale = r.email, r.username, r.name, r.locale
	if err := tx.UpdateAccount(a); err != nil {
		return err
	}
	if err := tx.DeleteSingleUses(a.ID, auth.UseResetPassword, auth.UseChangeEmail); err != nil {
		return err
	}
	return r.start(tx, a, own)
}

// recordSuppressed records a registration beyond the limit. Nothing is sent, but it
// contests an account that another registrar registered. Otherwise an attacker could use
// up the limit, so that the owner's registration is lost and the attacker's password
// stays.
func (r *pendingRegistration) recordSuppressed(tx *store.Tx) error {
	event := auth.Event{Kind: auth.EventRegistered, Outcome: auth.Failure, Actor: r.actor, Detail: map[string]string{"reason": "rate_limited"}}
	a, err := tx.AccountByLogin(r.email.Login)
	if errors.Is(err, auth.ErrNotFound) || err == nil && (a.Verified() || a.Disabled()) {
		return tx.Record(event)
	} else if err != nil {
		return err
	}
	protected, err := isProtected(tx, r.tenant, a)
	if err != nil {
		return err
	}
	if !protected && a.Registrar != r.registrar.String() {
		if err := contest(tx, a, r.actor); err != nil {
			return err
		}
	}
	return tx.Record(event)
}

// sendClaimLink mails a reset link to the address of a protected, unverified account. The
// link sets a new password, which verifies the address and ends every session. Until then
// the account does not change, except that earlier links of the registrar are deleted.
func (r *pendingRegistration) sendClaimLink(tx *store.Tx, a auth.Account) error {
	if _, err := tx.CompareAndSwapPassword(a.ID, "", r.hash); err != nil {
		return err
	}
	own, err := ownLinks(tx, a.ID, r.registrar)
	if err != nil {
		return err
	}
	if err := (link{kind: auth.UseVerifyEmail, replaces: own}).deletePrevious(tx); err != nil {
		return err
	}
	l := link{kind: auth.UseResetPassword, account: a.ID, data: linkData{Login: a.Email.Login, Flow: r.flow}, token: r.token, life: r.s.cfg.ResetLifetime}
	return r.enqueueLink(tx, a, l, auth.MailReset, auth.EventRegisterKnown)
}

// notifyExisting notifies the owner of the address about the attempted registration.
func (r *pendingRegistration) notifyExisting(tx *store.Tx, a auth.Account) error {
	if _, err := tx.CompareAndSwapPassword(a.ID, "", r.hash); err != nil {
		return err
	}
	l := link{kind: auth.UseVerifyEmail, data: linkData{Login: a.Email.Login, Flow: r.flow}, token: r.token}
	return r.enqueueLink(tx, a, l, auth.MailKnownAddress, auth.EventRegisterKnown)
}

func (r *pendingRegistration) enqueueLink(tx *store.Tx, a auth.Account, l link, mail auth.MessageKind, event auth.EventKind) error {
	expires, err := l.issue(tx)
	if err != nil {
		return err
	}
	m := newMail(tx, a, r.actor)
	if l.account != "" {
		m.Token, m.ExpiresAt = r.token.Reveal(), expires
	}
	if err := tx.Enqueue(mail, m); err != nil {
		return err
	}
	return tx.Record(auth.Event{Kind: event, Actor: r.actor, Account: a.ID})
}

// recordSuppressed records a request beyond the limit of an address. It does not look up
// whether the address has an account.
func (s *Service) recordSuppressed(ctx context.Context, tenant auth.TenantID, kind auth.EventKind, actor auth.Actor) error {
	return s.record(ctx, tenant, auth.Event{Kind: kind, Outcome: auth.Failure, Actor: actor, Detail: map[string]string{"reason": "rate_limited"}})
}

// record writes an audit line in its own transaction.
func (s *Service) record(ctx context.Context, tenant auth.TenantID, e auth.Event) error {
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error { return tx.Record(e) })
	if err != nil {
		return fmt.Errorf("record %s: %w", e.Kind, err)
	}
	return nil
}
