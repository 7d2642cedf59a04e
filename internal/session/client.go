package session

import (
	"errors"
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// ClientParams are the parameters of StartClient.
type ClientParams struct {
	// ID is the id that was reserved when the code was issued (auth.CodeGrant), or a new one for
	// a session that must not be shared, such as that of a device. When empty, the client's live
	// session below the parent is reused if there is one.
	ID     auth.SessionID
	Client auth.Client
	Scope  auth.Scope // the granted scope
	Claims auth.ClaimsRequest
	Actor  auth.Actor
}

// Offline reports whether the client session outlives the browser session. The user has allowed
// offline access, and the client is third-party or native. Other first-party client sessions end
// with the browser session.
func (p ClientParams) Offline() bool {
	return p.Scope.Has(auth.ScopeOffline) && p.Client.Allows(auth.GrantRefreshToken) &&
		(!p.Client.FirstParty || p.Client.Type == auth.ClientNative)
}

// StartClient starts a client session below a browser session, or reuses the existing one. An
// Offline session outlives its parent and has the lifetimes of refresh tokens; any other ends
// with its parent or before. StartClient refuses with Unauthenticated session_invalid when the
// parent, or the session with the given id, has ended.
func (s *Service) StartClient(tx *store.Tx, parent auth.Session, p ClientParams) (auth.Session, error) {
	// Read again: a code may be redeemed a minute after it was issued.
	parent, err := tx.Session(parent.ID)
	if errors.Is(err, auth.ErrNotFound) {
		return auth.Session{}, auth.SessionInvalid()
	} else if err != nil {
		return auth.Session{}, fmt.Errorf("read session: %w", err)
	}
	existing, err := readExisting(tx, parent, p)
	if err != nil {
		return auth.Session{}, err
	}
	tenant, err := tx.CurrentTenant()
	if err != nil {
		return auth.Session{}, fmt.Errorf("read tenant: %w", err)
	}
	v, err := s.PlanClient(tx.Now, ClientState{Tenant: tenant, Parent: parent, Existing: existing}, p)
	if err != nil {
		return auth.Session{}, err
	}
	if existing.ID != "" {
		err = tx.UpdateClientSession(v)
	} else {
		err = tx.InsertSession(v)
	}
	if err != nil {
		return auth.Session{}, fmt.Errorf("store client session: %w", err)
	}
	return v, nil
}

// readExisting returns the client session to reuse; its ID is empty when there is none.
func readExisting(tx *store.Tx, parent auth.Session, p ClientParams) (auth.Session, error) {
	read := func() (auth.Session, error) { return tx.Session(p.ID) }
	if p.ID == "" {
		read = func() (auth.Session, error) { return tx.ClientSession(parent.ID, p.Client.ID) }
	}
	v, err := read()
	if errors.Is(err, auth.ErrNotFound) || err == nil && p.ID == "" && !v.Live(tx.Now) { // idle for too long
		return auth.Session{}, nil
	}
	if err != nil {
		return auth.Session{}, fmt.Errorf("read client session: %w", err)
	}
	return v, nil
}

// ClientState is the state from which PlanClient derives a client session.
type ClientState struct {
	Tenant   auth.Tenant
	Parent   auth.Session // the browser session
	Existing auth.Session // the client session to reuse; its ID is empty when there is none
}

// PlanClient is StartClient without the database: it returns the session to store, the changed
// existing one or a new one.
func (s *Service) PlanClient(now time.Time, state ClientState, p ClientParams) (auth.Session, error) {
	parent, v := state.Parent, state.Existing
	if !parent.Live(now) || parent.Parent != "" {
		return auth.Session{}, auth.SessionInvalid()
	}
	switch {
	case v.ID == "":
		v = auth.Session{
			ID: p.ID, Account: parent.Account, Client: p.Client.ID, Parent: parent.ID,
			IP: p.Actor.IP, UserAgent: auth.Clip(p.Actor.UserAgent, 256), CreatedAt: now,
		}
		if v.ID == "" {
			v.ID = auth.SessionID(secret.NewID(now))
		}
	case v.Parent != parent.ID || v.Client != p.Client.ID || !v.Live(now):
		return auth.Session{}, auth.SessionInvalid()
	}
	v.AuthAt, v.ACR, v.AMR, v.Claims = parent.AuthAt, parent.ACR, parent.AMR, p.Claims
	v.Offline = v.Offline || p.Offline()
	life := state.Tenant.Settings.Lifetimes.Or(s.lifetimes)
	v.ExpiresAt = parent.ExpiresAt
	if v.Offline {
		v.ExpiresAt = now.Add(life.RefreshAbsolute)
	}
	v.IdleAt = auth.Earlier(now.Add(life.RefreshIdle), v.ExpiresAt)
	v.SeenAt = now
	return v, nil
}
