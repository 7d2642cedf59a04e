package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/otp"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

const (
	// mailedCodeLifetime is how long a mailed code works.
	mailedCodeLifetime = 10 * time.Minute
	// mailedCodeGuesses is how many wrong guesses end a mailed code.
	mailedCodeGuesses = 5
	// mailedCodePause is the shortest time between two mails with one code.
	mailedCodePause = 30 * time.Second
)

// mailedCode is the stored data of a code that was mailed for a flow. The code itself is derived
// from the nonce and stored nowhere.
type mailedCode struct {
	Nonce   string    `json:"nonce"`
	Login   string    `json:"login"` // the address when it was mailed
	SentAt  time.Time `json:"sent_at"`
	Guesses int       `json:"guesses,omitempty"` // wrong ones
}

// live reports whether the code works at the given time.
func (c mailedCode) live(v auth.SingleUse, at time.Time) bool {
	return v.Live(at) && c.Guesses < mailedCodeGuesses
}

// codeUse is what a mailed code is for: ProofEmailLink instead of a password or ProofEmailCode beside
// it, in a flow.
type codeUse struct {
	method auth.ProofMethod
	flow   auth.FlowID
}

func (u codeUse) digest() string { return secret.Digest(string(u.method) + " " + string(u.flow)) }

// read reads the code that was mailed. It reports whether it works.
func (u codeUse) read(tx *store.Tx) (v auth.SingleUse, code mailedCode, live bool, err error) {
	v, err = tx.SingleUse(auth.UseMailedCode, u.digest())
	if errors.Is(err, auth.ErrNotFound) {
		return v, code, false, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(v.Data), &code)
	}
	return v, code, err == nil && code.live(v, tx.Now), err
}

// match reports whether a user has typed the code.
func (u codeUse) match(code, typed string) bool {
	if u.method == auth.ProofEmailLink {
		canonical, ok := otp.CanonicalMailedLetters(typed)
		return ok && secret.Equal(code, canonical)
	}
	return otp.EqualMailedCode(code, typed)
}

// readOf is read for the code of an account at its present address.
func (u codeUse) readOf(tx *store.Tx, a auth.Account) (v auth.SingleUse, code mailedCode, live bool, err error) {
	v, code, live, err = u.read(tx)
	return v, code, live && v.Account == a.ID && code.Login == a.Email.Login, err
}

// codeText returns the code as it is mailed. One that stands for a password is longer, since anyone can
// ask for it.
func (s *Service) codeText(tx *store.Tx, u codeUse, a auth.AccountID, nonce string) string {
	key, values := secret.Derive(s.cfg.Root, "mailed codes"), []string{string(tx.Tenant()), string(u.method), string(u.flow), string(a), nonce}
	if u.method == auth.ProofEmailLink {
		return otp.MailedLetters(key, values...)
	}
	return otp.MailedCode(key, values...)
}

// MailCode mails the code that a flow needs as second factor. A form that was sent twice sends one
// mail. Refusals are those of flow.CheckForm, session_invalid, no_factor and rate_limited.
func (s *Service) MailCode(ctx context.Context, in flow.FormRef) (flow.Step, error) {
	f, err := s.cfg.Flows.CheckForm(ctx, in)
	if err != nil {
		return flow.Step{}, err
	}
	a, err := s.readPending(ctx, in, f)
	if err == nil {
		err = s.mailFlowCode(ctx, in, a)
	}
	if err != nil {
		e, err := s.refuseInFlow(ctx, PasswordForm{FormRef: in}, err)
		return e.Step, err
	}
	return s.cfg.Flows.FormStep(ctx, in)
}

func (s *Service) mailFlowCode(ctx context.Context, in flow.FormRef, a auth.Account) error {
	return s.mailCode(ctx, in.Tenant, a, in.Browser.Actor, func(tx *store.Tx) (auth.Flow, error) { return s.cfg.Flows.Resume(tx, in) })
}

// MailPendingCode mails the code that a sign-in by the JSON API needs as second factor. Refusals:
// invalid_mfa_token, no_factor, rate_limited.
func (s *Service) MailPendingCode(ctx context.Context, tenant auth.TenantID, token string, actor auth.Actor) error {
	a, err := s.readPendingAccount(ctx, tenant, token, actor)
	if err != nil {
		return err
	}
	return s.mailCode(ctx, tenant, a, actor, func(tx *store.Tx) (auth.Flow, error) { return readPendingFlow(tx, token, actor) })
}

// mailCode counts a mail and sends the code of a flow.
func (s *Service) mailCode(ctx context.Context, tenant auth.TenantID, a auth.Account, actor auth.Actor, read func(*store.Tx) (auth.Flow, error)) error {
	if err := s.countMail(ctx, "email_code", tenant, a.Email.Login, actor); err != nil {
		return err
	}
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		f, err := read(tx)
		if err != nil {
			return err
		}
		if a, err = tx.Account(a.ID); err != nil {
			return err
		}
		if ok, err := mailsCodes(tx, a); err != nil {
			return err
		} else if !ok {
			return auth.Refuse(auth.KindConflict, auth.CodeNoFactor, "codes are mailed to accounts without an authenticator, where the tenant allows it")
		}
		return s.enqueueCode(tx, codeUse{auth.ProofEmailCode, f.ID}, a, a.Email.Login, actor)
	})
	if err != nil {
		return fmt.Errorf("mail code: %w", err)
	}
	return nil
}

// countMail counts a mail that a sign-in asks for.
func (s *Service) countMail(ctx context.Context, rule string, tenant auth.TenantID, login string, actor auth.Actor) error {
	known, err := s.cfg.Sessions.VerifyKnownBrowser(ctx, tenant, login, actor.Known)
	if err != nil {
		return err
	}
	mail := limit.Attempt{Rule: rule, Account: string(tenant) + "|" + login, KnownBrowser: known, Addr: actor.Addr()}
	_, err = limit.TakeAll(ctx, s.cfg.Limiter, mail.MailBuckets(s.cfg.Rates["email_code.account"])...)
	return err
}

// mailsCodes reports whether the second factor of the account is a mailed code.
func mailsCodes(tx *store.Tx, a auth.Account) (bool, error) {
	tenant, err := tx.CurrentTenant()
	if err != nil {
		return false, err
	}
	list, err := tx.Factors(a.ID)
	return err == nil && !a.Disabled() && tenant.Settings.Factors.MailsCodes(a, list), err
}

// enqueueCode mails a code. In the first half of its life the same code is mailed again: it does not matter
// which of two mails the user reads. Without an account it executes the same statements and mails nothing.
func (s *Service) enqueueCode(tx *store.Tx, u codeUse, a auth.Account, login string, actor auth.Actor) error {
	v, code, live, err := u.read(tx)
	if err != nil {
		return err
	}
	live = live && v.Account == a.ID && code.Login == login
	if live && tx.Now.Before(code.SentAt.Add(mailedCodePause)) {
		return nil
	}
	if !live || !tx.Now.Before(v.ExpiresAt.Add(-mailedCodeLifetime/2)) {
		code = mailedCode{Nonce: secret.Encode(secret.Bytes(16)), Login: login}
		v = auth.SingleUse{Kind: auth.UseMailedCode, Digest: u.digest(), Account: a.ID, CreatedAt: tx.Now, ExpiresAt: tx.Now.Add(mailedCodeLifetime)}
	}
	code.SentAt = tx.Now
	if err := putMailedCode(tx, v, code); err != nil {
		return err
	}
	m := auth.Mail{To: a.Email.Address, Locale: a.Locale, Code: s.codeText(tx, u, a.ID, code.Nonce), ExpiresAt: v.ExpiresAt, IP: actor.IP, At: tx.Now}
	kind, event := auth.MailCode, auth.Event{Kind: auth.EventCodeMailed, Actor: actor, Account: a.ID, Detail: map[string]string{"method": string(u.method)}}
	if u.method == auth.ProofEmailLink {
		kind, m.Token = auth.MailSignIn, m.Code+"."+string(u.flow)
	}
	if a.ID == "" {
		kind, m.To, event.Outcome = auth.MailNone, login, auth.Failure
		event.Detail["reason"] = ReasonUnknown
	}
	if err := tx.Enqueue(kind, m); err != nil {
		return err
	}
	return tx.Record(event)
}

func putMailedCode(tx *store.Tx, v auth.SingleUse, code mailedCode) error {
	text, err := json.Marshal(code)
	if err != nil {
		return fmt.Errorf("encode mailed code: %w", err)
	}
	v.Data = string(text)
	return tx.PutSingleUse(v)
}

// useMailedCode uses up the code that was mailed for a flow. A wrong guess counts against the code,
// if the caller commits.
func (s *Service) useMailedCode(tx *store.Tx, account auth.AccountID, f auth.FlowID, typed string) error {
	a, err := tx.Account(account)
	if err != nil {
		return err
	}
	u := codeUse{auth.ProofEmailCode, f}
	v, code, live, err := u.readOf(tx, a)
	if err != nil {
		return err
	}
	if live {
		live, err = mailsCodes(tx, a)
	}
	if err != nil {
		return err
	}
	if !live {
		return errInvalidCode()
	}
	if !u.match(s.codeText(tx, u, account, code.Nonce), typed) {
		code.Guesses++
		if err := putMailedCode(tx, v, code); err != nil {
			return err
		}
		return errInvalidCode()
	}
	if _, err = tx.Consume(auth.UseMailedCode, v.Digest); errors.Is(err, auth.ErrNotFound) {
		return errInvalidCode()
	}
	return err
}

// CodeMailed reports whether a mailed code of the flow works, so that the page asks for it.
func (s *Service) CodeMailed(ctx context.Context, tenant auth.TenantID, f auth.FlowID, a auth.Account) (live bool, err error) {
	err = s.cfg.DB.ReadOne(ctx, tenant, func(tx *store.Tx) (err error) {
		_, _, live, err = codeUse{auth.ProofEmailCode, f}.readOf(tx, a)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("read mailed code: %w", err)
	}
	return live, nil
}

// ignoreUnsent ignores that a code was not mailed that the user has not asked for yet.
func (s *Service) ignoreUnsent(err error) error {
	switch auth.KindOf(err) {
	case auth.KindThrottled, auth.KindUnavailable, auth.KindConflict:
		s.cfg.Log.Info("code not mailed", "error", err)
		return nil
	}
	return err
}
