package login

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// RequireFresh refuses an actor whose session is not fresh enough to change how the account signs in, by
// auth.SignIn.Fresh. Refusals: insufficient_user_authentication with an auth.StepUp, session_invalid.
func (s *Service) RequireFresh(ctx context.Context, tenant auth.TenantID, actor auth.Actor, age time.Duration) error {
	err := s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) error {
		v, a, err := actorSession(tx, actor)
		if err != nil {
			return err
		}
		return requireFresh(tx, v, a, age)
	})
	if err != nil {
		return fmt.Errorf("check the age of the sign-in: %w", err)
	}
	return nil
}

// requireFresh is RequireFresh for a session of an account.
func requireFresh(tx *store.Tx, v auth.Session, a auth.Account, age time.Duration) error {
	t, err := tx.CurrentTenant()
	if err != nil {
		return err
	}
	client, err := tx.Client(auth.FirstParty)
	if err != nil {
		return err
	}
	signIn, err := newSignIn(tx, t, client, a, v.Proofs())
	if err != nil {
		return err
	}
	return signIn.RequireFresh(age)
}

// actorSession reads the live session of an actor, and its account. Refusals: session_invalid.
func actorSession(tx *store.Tx, actor auth.Actor) (auth.Session, auth.Account, error) {
	v, err := tx.Session(actor.Session)
	if errors.Is(err, auth.ErrNotFound) || err == nil && (v.Account != actor.Account() || !v.Live(tx.Now)) {
		return v, auth.Account{}, auth.SessionInvalid()
	}
	if err != nil {
		return v, auth.Account{}, err
	}
	a, err := tx.Account(v.Account)
	return v, a, err
}

// strengthen adds a proof to the actor's session, if it has one, and returns the new cookie. Without it
// an account whose first authenticator was just added would have to prove that at once.
func (s *Service) strengthen(tx *store.Tx, p auth.Proof, actor auth.Actor) (secret.Text, error) {
	v, a, err := actorSession(tx, actor)
	if auth.KindOf(err) == auth.KindUnauthenticated {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	params, need, err := s.checkProofs(tx, a, append(v.Proofs(), p), actor)
	if err != nil || need != auth.NeedNothing {
		return "", err
	}
	if err := session.RecordForm(tx, actor.Form, v.ID); err != nil {
		return "", err
	}
	return s.cfg.Sessions.Strengthen(tx, v.ID, session.AuthContext{ACR: params.ACR, AMR: params.AMR})
}
