// Package session starts, finds, renews and ends sessions, and reads and writes the values of
// their cookies.
//
// The cookie of a browser session is a random secret, of which only the digest is stored; the id
// of a session is public and gives no rights. Refresh token families belong to a session and end
// with it.
//
// It does not know HTTP: package web knows the cookie's name and attributes. Its clock is that of
// the database. It mails the notices that can lock an account (Notify). It writes no audit events, except that a
// sign-in has cancelled a recovery: the caller that starts or ends a session knows the reason.
package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// Config configures a Service.
type Config struct {
	// DB is needed only by the methods that take no Tx.
	DB *store.DB
	// Lifetimes apply where a tenant has none of its own.
	Lifetimes auth.Lifetimes
	// Root is a secret that all nodes share and that is not stored in the clear. It is random
	// when nil; other processes then cannot derive the same remember-me successor.
	Root []byte
	// Retry is how long a used remember-me token yields the same successor, until that has been
	// used.
	Retry time.Duration
}

// Prefix begins every secret of a session cookie.
const Prefix = "wwa_"

// touchEvery is the shortest interval at which the use of a session is recorded.
const touchEvery = time.Minute

// Service starts, finds and ends sessions. It is safe for concurrent use.
type Service struct {
	db              *store.DB
	lifetimes       auth.Lifetimes
	successorKey    []byte // of remember-me tokens
	retry           time.Duration
	knownBrowserKey []byte
}

// Params are the parameters of Start.
type Params struct {
	Account auth.AccountID
	Client  auth.ClientID
	ACR     string   // OpenID Connect Core §2
	AMR     []string // RFC 8176
	Cookie  bool     // the session has a cookie
	Actor   auth.Actor

	AuthAt     time.Time         // when the user authenticated; now when zero
	RememberMe auth.RememberMeID // the remember-me series of the session, if there is one
	Until      time.Time         // the expiry of that series: the session does not outlive it
}

// New returns a Service.
func New(cfg Config) *Service {
	root := cfg.Root
	if root == nil {
		root = secret.Bytes(32)
	}
	return &Service{db: cfg.DB, lifetimes: cfg.Lifetimes, retry: cfg.Retry,
		successorKey: secret.Derive(root, "remember-me successor"), knownBrowserKey: secret.Derive(root, "known browser")}
}

// Start starts a session and returns the secret of its cookie, empty without Cookie. A session
// with a cookie has the lifetimes of sessions, one without has those of refresh tokens.
func (s *Service) Start(tx *store.Tx, p Params) (auth.Session, secret.Text, error) {
	tenant, err := tx.CurrentTenant()
	if err != nil {
		return auth.Session{}, "", fmt.Errorf("read tenant: %w", err)
	}
	life := tenant.Settings.Lifetimes.Or(s.lifetimes)
	idle, absolute := life.RefreshIdle, life.RefreshAbsolute
	var cookie secret.Text
	v := auth.Session{
		ID: auth.SessionID(secret.NewID(tx.Now)), Account: p.Account, Client: p.Client,
		AuthAt: p.AuthAt, ACR: p.ACR, AMR: p.AMR, IP: p.Actor.IP, UserAgent: auth.Clip(p.Actor.UserAgent, 256),
		CreatedAt: tx.Now, SeenAt: tx.Now, RememberMe: p.RememberMe,
	}
	if v.AuthAt.IsZero() {
		v.AuthAt = tx.Now
	}
	if p.Cookie {
		idle, absolute = life.SessionIdle, life.SessionAbsolute
		cookie = secret.New(Prefix)
		v.Digest = secret.Digest(cookie.Reveal())
	}
	v.ExpiresAt = tx.Now.Add(absolute)
	if !p.Until.IsZero() {
		v.ExpiresAt = auth.Earlier(v.ExpiresAt, p.Until)
	}
	v.IdleAt = auth.Earlier(tx.Now.Add(idle), v.ExpiresAt)
	if _, err := tx.EndOldestSessions(p.Account, MaxSessions-1, auth.EndTooManySessions); err != nil {
		return auth.Session{}, "", fmt.Errorf("end the oldest sessions: %w", err)
	}
	if err := tx.InsertSession(v); err != nil {
		return auth.Session{}, "", fmt.Errorf("store session: %w", err)
	}
	return v, cookie, nil
}

// MaxSessions bounds the live sessions of an account, not counting client sessions. One more ends
// the oldest, so that a program that signs in for each request does not fill the table.
const MaxSessions = 100

// Find returns the current session of a cookie and its account, or refuses with Unauthenticated
// session_invalid. It moves the idle timeout, at most once a minute. An expired cookie stays
// invalid even if the clock is set back.
func (s *Service) Find(ctx context.Context, tenant auth.TenantID, cookie string) (auth.Session, auth.Account, error) {
	secrets := ParseCookie(cookie)
	if len(secrets) == 0 {
		return auth.Session{}, auth.Account{}, auth.SessionInvalid()
	}
	return s.find(ctx, tenant, secrets[0])
}

func (s *Service) find(ctx context.Context, tenant auth.TenantID, cookie string) (auth.Session, auth.Account, error) {
	var v auth.Session
	var a auth.Account
	var now time.Time // the database's clock does not run backwards
	err := s.db.ReadOne(ctx, tenant, func(tx *store.Tx) (err error) {
		now = tx.Now
		v, a, err = tx.SignedIn(secret.Digest(cookie))
		return err
	})
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return auth.Session{}, auth.Account{}, auth.SessionInvalid()
	case err != nil:
		return auth.Session{}, auth.Account{}, fmt.Errorf("find session: %w", err)
	}
	if !v.Live(now) {
		if err := s.clearExpired(ctx, tenant, v); err != nil {
			return auth.Session{}, auth.Account{}, err
		}
		return auth.Session{}, auth.Account{}, auth.SessionInvalid()
	}
	if a.Disabled() {
		return auth.Session{}, auth.Account{}, auth.SessionInvalid()
	}
	// A clock that was set back leaves seen_at in the future, which needs no write.
	if now.Sub(v.SeenAt) >= touchEvery {
		if err := s.touch(ctx, tenant, &v); err != nil {
			return auth.Session{}, auth.Account{}, err
		}
	}
	return v, a, nil
}

// clearExpired deletes the cookie digest of an expired session, so that a clock set back cannot
// revive it. Refresh families have limits of their own.
func (s *Service) clearExpired(ctx context.Context, tenant auth.TenantID, v auth.Session) error {
	err := s.db.Write(ctx, tenant, func(tx *store.Tx) error { return tx.ClearSessionDigest(v.ID, v.Digest) })
	if err != nil && auth.KindOf(err) != auth.KindUnavailable { // refused either way
		return fmt.Errorf("clear expired session: %w", err)
	}
	return nil
}

// touch records the use of the session. It ignores a database that is temporarily unavailable.
func (s *Service) touch(ctx context.Context, tenant auth.TenantID, v *auth.Session) error {
	var seen, idle time.Time
	err := s.db.Write(ctx, tenant, func(tx *store.Tx) error {
		t, err := tx.CurrentTenant()
		if err != nil {
			return err
		}
		seen = tx.Now
		idle = auth.Earlier(tx.Now.Add(t.Settings.Lifetimes.Or(s.lifetimes).SessionIdle), v.ExpiresAt)
		return tx.TouchSession(v.ID, idle)
	})
	switch {
	case err == nil:
		v.SeenAt, v.IdleAt = seen, idle
	case auth.KindOf(err) != auth.KindUnavailable:
		return fmt.Errorf("touch session: %w", err)
	}
	return nil
}

// AuthContext describes how a user has just authenticated. AuthAt is older than that when the assurance rests
// on an older proof.
type AuthContext struct {
	ACR        string
	AMR        []string
	AuthAt     time.Time
	RememberMe auth.RememberMeID // the new remember-me series of the session, if there is one
}

// Renew gives the session a new cookie after its user has entered the password, and invalidates the old
// one. The password makes only a session recent that rests on nothing else. For a session without a cookie
// the secret is empty. It returns auth.ErrNotFound when the session has ended.
func (s *Service) Renew(tx *store.Tx, id auth.SessionID) (secret.Text, error) {
	v, err := readLive(tx, id)
	if err != nil || v.Digest == "" {
		return "", err
	}
	if auth.ParseACR(v.ACR) <= auth.AssuranceOneFactor {
		v.AuthAt = tx.Now
	}
	_, cookie, err := s.renew(tx, v)
	return cookie, err
}

// Reauthenticate is Renew for a full sign-in, which also restarts the limits of the session.
func (s *Service) Reauthenticate(tx *store.Tx, id auth.SessionID, p AuthContext) (auth.Session, secret.Text, error) {
	v, err := readLive(tx, id)
	if err != nil {
		return auth.Session{}, "", err
	}
	tenant, err := tx.CurrentTenant()
	if err != nil {
		return auth.Session{}, "", fmt.Errorf("read tenant: %w", err)
	}
	life := tenant.Settings.Lifetimes.Or(s.lifetimes)
	v.ACR, v.AMR, v.AuthAt = p.ACR, p.AMR, p.AuthAt
	if p.RememberMe != "" {
		v.RememberMe = p.RememberMe
	}
	v.ExpiresAt = tx.Now.Add(life.SessionAbsolute)
	v.IdleAt = auth.Earlier(tx.Now.Add(life.SessionIdle), v.ExpiresAt)
	return s.renew(tx, v)
}

// Strengthen gives the session the context of a further proof, without a new sign-in. Its cookie, if
// it has one, is replaced by the returned one. It returns auth.ErrNotFound when the session has ended.
func (s *Service) Strengthen(tx *store.Tx, id auth.SessionID, p AuthContext) (secret.Text, error) {
	v, err := readLive(tx, id)
	if err != nil {
		return "", err
	}
	v.ACR, v.AMR = p.ACR, p.AMR
	if v.Digest == "" {
		if err := tx.UpdateClientSession(v); err != nil {
			return "", fmt.Errorf("strengthen session: %w", err)
		}
		return "", nil
	}
	cookie := secret.New(Prefix)
	v.Digest = secret.Digest(cookie.Reveal())
	if err := tx.RenewSession(v); err != nil {
		return "", fmt.Errorf("strengthen session: %w", err)
	}
	return cookie, nil
}

// WriteFor is DB.Write for a change that an actor makes to its own account. The actor's session must not have
// ended inside the transaction: the request may have waited for its body while the owner ended the session,
// locked the account or chose a new password. An actor without a session is an operator. Refusals:
// session_invalid.
func WriteFor(ctx context.Context, db *store.DB, tenant auth.TenantID, actor auth.Actor, fn func(*store.Tx) error) error {
	return db.Write(ctx, tenant, func(tx *store.Tx) error {
		if actor.Session == "" {
			return fn(tx)
		}
		v, err := tx.Session(actor.Session)
		if errors.Is(err, auth.ErrNotFound) || err == nil && (v.Account != actor.Account() || !v.EndedAt.IsZero()) {
			return auth.SessionInvalid()
		}
		if err != nil {
			return err
		}
		return fn(tx)
	})
}

func readLive(tx *store.Tx, id auth.SessionID) (auth.Session, error) {
	v, err := tx.Session(id)
	if err == nil && !v.EndedAt.IsZero() {
		err = auth.ErrNotFound
	}
	if err != nil {
		return auth.Session{}, fmt.Errorf("renew session: %w", err)
	}
	return v, nil
}

func (s *Service) renew(tx *store.Tx, v auth.Session) (auth.Session, secret.Text, error) {
	cookie := secret.New(Prefix)
	v.Digest = secret.Digest(cookie.Reveal())
	if err := tx.RenewSession(v); err != nil {
		return auth.Session{}, "", fmt.Errorf("renew session: %w", err)
	}
	return v, cookie, nil
}

// End ends one session with its refresh families, client sessions and remember-me series. It
// returns auth.ErrNotFound when the account has no such session or it has ended.
func (s *Service) End(tx *store.Tx, account auth.AccountID, id auth.SessionID, reason string) error {
	return tx.EndSession(account, id, reason)
}

// EndAll ends all sessions of the account except one, which may be empty, and returns their
// number. Client sessions below the excepted one continue.
func (s *Service) EndAll(tx *store.Tx, account auth.AccountID, except auth.SessionID, reason string) (int64, error) {
	return tx.EndSessions(account, except, reason)
}
