package session

import (
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// BeginClient says which client is signed in, and for what.
type BeginClient struct {
	// ID is the one set aside when the code was issued (auth.CodeGrant), or a new one for
	// a session that must not be shared, as of a device. When empty, the client's live
	// session under the parent is used again if there is one.
	ID     auth.SessionID
	Client auth.Client
	Scope  auth.Scope // that was granted
	Claims auth.ClaimsRequest
	Actor  auth.Actor
}

// Offline reports whether what is granted outlives the log-out of the browser: the
// person allowed access while they are away, and the client is not a part of the
// house that ought to go dark with it.
func (b BeginClient) Offline() bool {
	return b.Scope.Has(auth.ScopeOffline) && b.Client.Allows(auth.GrantRefreshToken) &&
		(!b.Client.FirstParty || b.Client.Type == auth.ClientNative)
}

// StartClient signs a client in under a browser's session: it uses the client's
// session there again, or begins one. A session that is Offline outlives the log-out
// of its parent, and lives by the limits of refresh tokens; every other ends at the
// latest with its parent. It refuses with Unauthenticated session_invalid when the
// parent, or the session with the given id, has ended.
func (s *Service) StartClient(tx *store.Tx, parent auth.Session, b BeginClient) (auth.Session, error) {
	// Read again: a code may be redeemed a minute after it was issued.
	parent, err := tx.Session(parent.ID)
	if errors.Is(err, auth.ErrNotFound) || err == nil && (!parent.Live(tx.Now) || parent.Parent != "") {
		return auth.Session{}, refused()
	}
	if err != nil {
		return auth.Session{}, fmt.Errorf("read session: %w", err)
	}
	v, found, err := s.former(tx, parent, b)
	if err != nil {
		return auth.Session{}, err
	}
	v.AuthAt, v.ACR, v.AMR, v.Claims = parent.AuthAt, parent.ACR, parent.AMR, b.Claims
	v.Offline = v.Offline || b.Offline()
	tenant, err := tx.Self()
	if err != nil {
		return auth.Session{}, fmt.Errorf("read tenant: %w", err)
	}
	life := tenant.Settings.Lifetimes.Or(s.lifetimes)
	v.ExpiresAt = parent.ExpiresAt
	if v.Offline {
		v.ExpiresAt = tx.Now.Add(life.RefreshAbsolute)
	}
	v.IdleAt = earlier(tx.Now.Add(life.RefreshIdle), v.ExpiresAt)
	if found {
		v.SeenAt = tx.Now
		err = tx.UpdateClientSession(v)
	} else {
		err = tx.InsertSession(v)
	}
	if err != nil {
		return auth.Session{}, fmt.Errorf("store the session of a client: %w", err)
	}
	return v, nil
}

// former finds the session to use again, or makes the beginning of a new one.
func (s *Service) former(tx *store.Tx, parent auth.Session, b BeginClient) (auth.Session, bool, error) {
	var v auth.Session
	var err error
	if b.ID != "" {
		v, err = tx.Session(b.ID)
	} else {
		v, err = tx.ClientSession(parent.ID, b.Client.ID)
	}
	switch {
	case err == nil && b.ID == "" && !v.Live(tx.Now): // unused for too long
		err = auth.ErrNotFound
	case err == nil && (v.Parent != parent.ID || v.Client != b.Client.ID || !v.Live(tx.Now)):
		return v, false, refused()
	case err == nil:
		return v, true, nil
	}
	if !errors.Is(err, auth.ErrNotFound) {
		return v, false, fmt.Errorf("read the session of a client: %w", err)
	}
	v = auth.Session{
		ID: b.ID, Account: parent.Account, Client: b.Client.ID, Parent: parent.ID,
		IP: b.Actor.IP, UserAgent: auth.Clip(b.Actor.UserAgent, 256), CreatedAt: tx.Now, SeenAt: tx.Now,
	}
	if v.ID == "" {
		v.ID = auth.SessionID(secret.NewID(tx.Now))
	}
	return v, false, nil
}
