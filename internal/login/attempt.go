package login

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/password"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// errCredentials returns the same refusal for all failures that must not be distinguished.
func errCredentials() error {
	return auth.Refuse(auth.KindUnauthenticated, auth.CodeInvalidCredentials, "wrong name or password")
}

// signIn is the only way from a password to a session. Password and SignInBrowser differ in what begin and keep
// write.
func (s *Service) signIn(ctx context.Context, a *attempt) error {
	reason, err := a.verifyWithinLimit(ctx)
	switch {
	case err == nil:
		s.cfg.Observe("success", "")
	case reason == ReasonUnavailable:
		s.cfg.Observe("error", reason)
	default:
		s.cfg.Observe("failure", reason)
	}
	return err
}

// attempt is one try to sign in.
type attempt struct {
	s               *Service
	tenant          auth.TenantID
	email, password string // email is an email address or a user name
	actor           auth.Actor
	acr             []string // as in Request
	// begin writes the session of a user who has sent the right password. It may run twice.
	begin func(tx *store.Tx, a auth.Account, params session.Params) (auth.Session, error)
	// keep stores the proof of a user who has sent the right password and needs a second factor. It may run twice.
	keep func(tx *store.Tx, p auth.Proof) error
	need auth.Need // what the sign-in lacks after the right password
	// trusted is the new cookie of a trusted browser, if it changes.
	trusted secret.Text

	newDevice bool // the owner has not signed in from such a browser before

	login        string       // canonicalLogin of email
	reachesLimit bool         // this attempt reaches the limit
	account      auth.Account // zero for an unknown login
	hash         string       // empty for an account without a password
	compared     password.Result
	rehashed     string // a new hash of the same password, if the stored one is outdated
}

// verifyWithinLimit counts the attempt before anything is read or hashed, and verifies it. It refunds the
// count unless the password was wrong.
func (a *attempt) verifyWithinLimit(ctx context.Context) (string, error) {
	if _, err := password.Normalize(a.password); err != nil {
		return ReasonInvalid, password.Refusal("password", err)
	}
	a.login = canonicalLogin(a.email)
	buckets, err := a.buckets(ctx)
	if err != nil {
		return ReasonUnavailable, err
	}
	decision, err := limit.TakeAll(ctx, a.s.cfg.Limiter, buckets...)
	if err != nil {
		return limitReason(err), err
	}
	a.reachesLimit = decision.Remaining == 0
	reason, err := a.verify(ctx)
	if err == nil || reason == ReasonUnverified || reason == ReasonLocked || reason == ReasonUnavailable || reason == ReasonLimited {
		// The right password is not a failed attempt, nor is a failure of the server.
		limit.RefundAll(ctx, a.s.cfg.Limiter, a.s.cfg.Log, buckets...)
	}
	return reason, err
}

// canonicalLogin returns the name to look up. Text that is neither an address nor a user name has none, and
// is handled like a name without an account.
func canonicalLogin(name string) string {
	login, err := auth.ParseLogin(name)
	if err != nil {
		return ""
	}
	return login
}

// buckets returns the buckets of the attempt. They count by the canonical address of the account, so every
// spelling and the user name have one counter. A name without an account is counted by digest: it may be a
// password in the wrong field.
func (a *attempt) buckets(ctx context.Context) ([]limit.Bucket, error) {
	address, err := a.resolveAddress(ctx)
	if err != nil {
		return nil, err
	}
	known, err := a.s.cfg.Sessions.VerifyKnownBrowser(ctx, a.tenant, address, a.actor.Known)
	if err != nil {
		return nil, err
	}
	id := cmp.Or(address, "?"+secret.Digest(cmp.Or(a.login, strings.TrimSpace(a.email))))
	return limit.Attempt{Rule: "login", Account: string(a.tenant) + "|" + id, KnownBrowser: known, Addr: a.actor.Addr()}.GuessBuckets(a.s.cfg.Rates["login.account"]), nil
}

// resolveAddress returns the canonical address of the attempt: as entered, or of the account with the user
// name; empty without one.
func (a *attempt) resolveAddress(ctx context.Context) (address string, err error) {
	if a.login == "" || !auth.IsUsername(a.login) {
		return a.login, nil
	}
	err = a.s.cfg.DB.ReadOne(ctx, a.tenant, func(tx *store.Tx) error {
		named, err := tx.AccountByUsername(a.login)
		if address = named.Email.Login; errors.Is(err, auth.ErrNotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("look up user name: %w", err)
	}
	return address, nil
}

// countSuccess counts a sign-in with the right password against the limit of the account. Each
// stores a session, so the limit bounds what a program in a loop can store.
func (s *Service) countSuccess(ctx context.Context, tenant auth.TenantID, account auth.AccountID) error {
	b := limit.Bucket{Key: "login.success|" + string(tenant) + "|" + string(account), Rate: s.cfg.Rates["login.success"]}
	_, err := limit.Take(ctx, s.cfg.Limiter, b, 1)
	return err
}

// limitReason returns the reason of an attempt that a limit refused.
func limitReason(refusal error) string {
	if auth.KindOf(refusal) == auth.KindThrottled {
		return ReasonLimited
	}
	return ReasonUnavailable
}

// errHashChanged means that the hash changed between comparison and transaction. Another sign-in may have
// upgraded it, so the password is compared again.
var errHashChanged = errors.New("password hash changed meanwhile")

func (a *attempt) verify(ctx context.Context) (reason string, err error) {
	for range 3 {
		if reason, err = a.verifyOnce(ctx); !errors.Is(err, errHashChanged) {
			return reason, err
		}
	}
	return ReasonUnavailable, auth.Unavailable(err, time.Second)
}

func (a *attempt) verifyOnce(ctx context.Context) (string, error) {
	if err := a.loadAccount(ctx); err != nil {
		return ReasonUnavailable, err
	}
	right, err := a.compare(ctx)
	if err != nil {
		return ReasonUnavailable, err
	}
	if !right {
		return a.fail(ctx, a.failureReason())
	}
	// decide checks this again. Here it makes the response for a disabled account and the right password
	// exactly that for a wrong password.
	if a.account.Disabled() {
		if err := a.s.cfg.Hasher.DelayFailure(ctx, a.compared); err != nil {
			return ReasonUnavailable, password.Refusal("password", err)
		}
		return a.fail(ctx, ReasonDisabled)
	}
	if err := a.s.countSuccess(ctx, a.tenant, a.account.ID); err != nil {
		return limitReason(err), err
	}
	if a.newDevice, err = a.s.isNewDevice(ctx, a.tenant, a.account, a.actor); err != nil {
		return ReasonUnavailable, err
	}
	return a.startSession(ctx)
}

// loadAccount reads account and hash.
func (a *attempt) loadAccount(ctx context.Context) error {
	var state store.PasswordState
	err := a.s.cfg.DB.ReadOne(ctx, a.tenant, func(tx *store.Tx) (err error) {
		state, err = tx.PasswordState(a.login)
		return err
	})
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return fmt.Errorf("look up login: %w", err)
	}
	if !state.Tenant.Settings.Identifiers.SignsIn(state.Account, a.login) {
		state = store.PasswordState{}
	}
	a.account, a.hash, a.rehashed = state.Account, state.Hash, "" // also of an earlier comparison
	return nil
}

// compare compares the password once in every case.
func (a *attempt) compare(ctx context.Context) (bool, error) {
	h := a.s.cfg.Hasher
	if a.hash == "" {
		if _, err := h.VerifyNone(ctx, a.password); err != nil {
			return false, password.Refusal("password", err)
		}
		return false, nil
	}
	res, err := h.Verify(ctx, a.hash, a.password)
	if err != nil && isUnusableHash(err) {
		a.s.cfg.Log.Error("stored password hash cannot be used", "tenant", a.tenant, "account", a.account.ID, "error", err)
		return false, nil
	}
	if err != nil {
		return false, password.Refusal("password", err)
	}
	a.compared = res
	if res.Rehash && !a.account.Disabled() {
		// Without a new hash this time, the next sign-in tries again.
		if a.rehashed, err = h.Hash(ctx, a.password); err != nil {
			a.s.cfg.Log.Warn("password hash not upgraded", "account", a.account.ID, "error", err)
		}
	}
	return res.OK, nil
}

func isUnusableHash(err error) bool {
	return errors.Is(err, password.ErrUnknownHash) || errors.Is(err, password.ErrMalformedHash) ||
		errors.Is(err, password.ErrCostlyHash) || errors.Is(err, password.ErrNoSalt)
}

func (a *attempt) failureReason() string {
	if a.account.ID == "" {
		return ReasonUnknown
	}
	return ReasonPassword
}

// fail records a failed attempt and returns the uniform refusal.
func (a *attempt) fail(ctx context.Context, reason string) (string, error) {
	err := a.s.cfg.DB.Write(ctx, a.tenant, func(tx *store.Tx) error { return a.record(tx, reason) })
	if err != nil {
		return ReasonUnavailable, fmt.Errorf("record failed login: %w", err)
	}
	return reason, errCredentials()
}

// record records a failure, never with the text of the form: it may be a password in the wrong field.
func (a *attempt) record(tx *store.Tx, reason string) error {
	detail := map[string]string{"reason": reason}
	if a.reachesLimit {
		detail["limit"] = "reached"
	}
	return tx.Record(auth.Event{Kind: auth.EventLogin, Outcome: auth.Failure, Actor: a.actor, Account: a.account.ID, Detail: detail})
}

// startSession starts the session of a user who has sent the right password. The transaction reads again
// what the comparison depended on, decides, and writes the session with all that belongs to it.
func (a *attempt) startSession(ctx context.Context) (string, error) {
	var refused string
	err := a.s.cfg.DB.Write(ctx, a.tenant, func(tx *store.Tx) (err error) {
		var params session.Params
		if params, refused, err = a.decide(tx); err != nil || refused != "" {
			return err
		}
		if a.need != auth.NeedNothing {
			return a.keepFirstFactor(tx)
		}
		v, err := a.begin(tx, a.account, params)
		if err != nil {
			return err
		}
		return a.recordSuccess(tx, v)
	})
	if err != nil && refused != "" {
		return refused, err
	}
	if err != nil {
		return ReasonUnavailable, fmt.Errorf("sign in: %w", err)
	}
	return "", nil
}

// decide decides whether the right password is enough for a session. It records the refusal if it is not.
func (a *attempt) decide(tx *store.Tx) (params session.Params, reason string, err error) {
	hash, err := tx.PasswordHash(a.account.ID)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return params, "", err
	}
	if err != nil || hash != a.hash {
		return params, "", errHashChanged // a reset in between must not leave a session of the old password
	}
	if a.account, err = tx.Account(a.account.ID); err != nil {
		return params, "", err
	}
	if a.account.Disabled() {
		reason, err = a.refuse(tx, ReasonDisabled, errCredentials())
		return params, reason, err
	}
	params, a.need, a.trusted, err = a.s.checkInBrowser(tx, a.account, []auth.Proof{a.proof(tx)}, a.actor, a.acr...)
	if isRefusal(err) {
		switch auth.CodeOf(err) {
		case auth.CodeEmailNotVerified:
			reason = ReasonUnverified
		case auth.CodeAccountLocked:
			reason = ReasonLocked
		default:
			reason = ReasonRefused
		}
		reason, err = a.refuse(tx, reason, err)
	}
	return params, reason, err
}

// proof is that of the right password.
func (a *attempt) proof(tx *store.Tx) auth.Proof {
	return auth.Proof{Method: auth.ProofPassword, Account: a.account.ID, At: tx.Now}
}

func (a *attempt) refuse(tx *store.Tx, reason string, refusal error) (string, error) {
	if err := a.record(tx, reason); err != nil {
		return "", err
	}
	return reason, store.CommitWith(refusal)
}

// recordSuccess writes the effects of a successful attempt: the new hash, the time, the audit event.
func (a *attempt) recordSuccess(tx *store.Tx, v auth.Session) error {
	if err := a.upgradeHash(tx); err != nil {
		return err
	}
	if a.newDevice {
		if err := notifyNewDevice(tx, a.account, a.actor); err != nil {
			return err
		}
	}
	return recordSignIn(tx, v, string(auth.ProofPassword), a.actor)
}

// keepFirstFactor keeps the proof of the right password for the second factor.
func (a *attempt) keepFirstFactor(tx *store.Tx) error {
	if err := a.upgradeHash(tx); err != nil {
		return err
	}
	p := a.proof(tx)
	if err := a.keep(tx, p); err != nil {
		return err
	}
	return recordFirstFactor(tx, p, a.need, a.actor)
}

// upgradeHash stores the new hash of the same password, if there is one.
func (a *attempt) upgradeHash(tx *store.Tx) error {
	if a.rehashed == "" {
		return nil
	}
	swapped, err := tx.CompareAndSwapPassword(a.account.ID, a.hash, a.rehashed)
	if err == nil && swapped {
		err = tx.Record(auth.Event{Kind: auth.EventPasswordRehashed, Actor: auth.System, Account: a.account.ID})
	}
	return err
}
