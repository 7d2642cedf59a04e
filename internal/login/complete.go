package login

import (
	"errors"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
)

var errProofsInsufficient = errors.New("the proofs are not enough for a session")

// checkProofs checks the account and whether the proofs are enough for a session, and returns the parameters
// of the session. Pages, the JSON API and remember-me start sessions only after it; a device is approved with
// the session of a page. Every refusal is an *auth.Error; every other error is a fault.
func (s *Service) checkProofs(tx *store.Tx, a auth.Account, proofs []auth.Proof, actor auth.Actor) (session.Params, error) {
	tenant, err := tx.CurrentTenant()
	if err != nil {
		return session.Params{}, err
	}
	client, err := tx.Client(auth.FirstParty)
	if err != nil {
		return session.Params{}, err
	}
	if err := token.CheckIssuance(tenant, a, client); err != nil {
		return session.Params{}, err
	}
	proved, need := auth.SignIn{Account: a.ID, Proofs: proofs, Now: tx.Now}.Decide()
	if need != auth.NeedNothing {
		refusal := auth.SessionInvalid()
		refusal.Err = errProofsInsufficient
		return session.Params{}, refusal
	}
	return session.Params{Account: a.ID, Client: auth.FirstParty, ACR: proved.Assurance.ACR(), AMR: proved.AMR, AuthAt: proved.At, Actor: actor}, nil
}
