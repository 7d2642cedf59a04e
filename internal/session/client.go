package session

import (
	"errors"

	"github.com/watchword-auth/watchword/internal/auth"
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

// StartClient signs a client in under a browser's session: it uses the client's
// session there again, or begins one. With offline_access a third-party or native
// client's session outlives the log-out of its parent, and lives by the limits of
// refresh tokens; every other ends at the latest with its parent. It refuses with
// Unauthenticated session_invalid when the parent, or the session with the given id,
// has ended.
func (s *Service) StartClient(tx *store.Tx, parent auth.Session, b BeginClient) (auth.Session, error) {
	return auth.Session{}, errors.ErrUnsupported
}
