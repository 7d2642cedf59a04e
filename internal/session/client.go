package session

import (
	"errors"
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// ClientParams says which client is signed in, and for what.
type ClientParams struct {
	// ID is the one set aside when the code was issued (auth.CodeGrant), or a new one for
	// a session that must not be shared, as of a device. When empty, the client's live
	// session under the parent is used again if there is one.
	ID     auth.SessionID
	Client auth.Client
	Scope  auth.Scope // that was granted
	Claims auth.ClaimsRequest
	Actor  auth.Actor
}

// Offline reports whether the grant outlives the logout of the browser. The user allowed offline
// access, and the client is not first-party or is native. Other first-party clients end with the
// browser session.
func (b ClientParams) Offline() bool {
	return b.Scope.Has(auth.ScopeOffline) && b.Client.Allows(auth.GrantRefreshToken) &&
		(!b.Client.FirstParty || b.Client.Type == auth.ClientNative)
}

// StartClient signs a client in under a browser's session: it uses the client's
// session there again, or begins one. A session that is Offline outlives the log-out
// of its parent, and lives by the limits of refresh tokens; every other ends at the
// latest with its parent. It refuses with Unauthenticated session_invalid when the
// parent, or the session with the given id, has ended.
func (s *Service) StartClient(tx *store.Tx, parent auth.Session, b ClientParams) (auth.Session, error) {
	// Read again: a code may be redeemed a minute after it was issued.
	parent, err := tx.Session(parent.ID)
	if errors.Is(err, auth.ErrNotFound) {
		return auth.Session{}, auth.SessionInvalid()
	} else if err != nil {
		return auth.Session{}, fmt.Errorf("read session: %w", err)
	}
	former, err := readExisting(tx, parent, b)
	if err != nil {
		return auth.Session{}, err
	}
	tenant, err := tx.CurrentTenant()
	if err != nil {
		return auth.Session{}, fmt.Errorf("read tenant: %w", err)
	}
	v, err := s.PlanClient(tx.Now, ClientState{Tenant: tenant, Parent: parent, Existing: former}, b)
	if err != nil {
		return auth.Session{}, err
	}
	if former.ID != "" {
		err = tx.UpdateClientSession(v)
	} else {
		err = tx.InsertSession(v)
	}
	if err != nil {
		return auth.Session{}, fmt.Errorf("store the session of a client: %w", err)
	}
	return v, nil
}

// readExisting reads the session to use again, which has no ID when there is none.
func readExisting(tx *store.Tx, parent auth.Session, b ClientParams) (auth.Session, error) {
	read := func() (auth.Session, error) { return tx.Session(b.ID) }
	if b.ID == "" {
		read = func() (auth.Session, error) { return tx.ClientSession(parent.ID, b.Client.ID) }
	}
	v, err := read()
	if errors.Is(err, auth.ErrNotFound) || err == nil && b.ID == "" && !v.Live(tx.Now) { // unused for too long
		return auth.Session{}, nil
	}
	if err != nil {
		return auth.Session{}, fmt.Errorf("read the session of a client: %w", err)
	}
	return v, nil
}

// ClientState is what the session of a client rests on, as it was read.
type ClientState struct {
	Tenant   auth.Tenant
	Parent   auth.Session // of the browser
	Existing auth.Session // of the client, to use again; no ID when there is none
}

// PlanClient is StartClient without the database: it returns the session that is to be
// stored, the former one with what changes or a new one.
func (s *Service) PlanClient(now time.Time, on ClientState, b ClientParams) (auth.Session, error) {
	parent, v := on.Parent, on.Existing
	if !parent.Live(now) || parent.Parent != "" {
		return auth.Session{}, auth.SessionInvalid()
	}
	switch {
	case v.ID == "":
		v = auth.Session{
			ID: b.ID, Account: parent.Account, Client: b.Client.ID, Parent: parent.ID,
			IP: b.Actor.IP, UserAgent: auth.Clip(b.Actor.UserAgent, 256), CreatedAt: now,
		}
		if v.ID == "" {
			v.ID = auth.SessionID(secret.NewID(now))
		}
	case v.Parent != parent.ID || v.Client != b.Client.ID || !v.Live(now):
		return auth.Session{}, auth.SessionInvalid()
	}
	v.AuthAt, v.ACR, v.AMR, v.Claims = parent.AuthAt, parent.ACR, parent.AMR, b.Claims
	v.Offline = v.Offline || b.Offline()
	life := on.Tenant.Settings.Lifetimes.Or(s.lifetimes)
	v.ExpiresAt = parent.ExpiresAt
	if v.Offline {
		v.ExpiresAt = now.Add(life.RefreshAbsolute)
	}
	v.IdleAt = earlier(now.Add(life.RefreshIdle), v.ExpiresAt)
	v.SeenAt = now
	return v, nil
}
