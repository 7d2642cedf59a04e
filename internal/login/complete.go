package login

import (
	"errors"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
)

var errProofsInsufficient = errors.New("the proofs are not enough for a session")

// checkProofs is the only way from proofs to a session, for pages, the JSON API and remember-me. A device is
// approved with the session of a page. It checks the account and whether the proofs are enough, and returns
// the parameters of the session, or what the sign-in lacks. Proofs that no further proof makes enough are
// refused. Every refusal is an *auth.Error; every other error is a fault. A program may ask for more than the
// policy by values of acr, as of auth.SignIn.Wish.
func (s *Service) checkProofs(tx *store.Tx, a auth.Account, proofs []auth.Proof, actor auth.Actor, acr ...string) (session.Params, auth.Need, error) {
	tenant, err := tx.CurrentTenant()
	if err != nil {
		return session.Params{}, "", err
	}
	client, err := tx.Client(auth.FirstParty)
	if err != nil {
		return session.Params{}, "", err
	}
	if err := token.CheckIssuance(tenant, a, client); err != nil {
		return session.Params{}, "", err
	}
	signIn, err := newSignIn(tx, tenant, client, a, proofs)
	if err != nil {
		return session.Params{}, "", err
	}
	signIn.Wish(acr)
	proved, need := signIn.Decide()
	switch need {
	case auth.NeedNothing:
		if err := s.finishRescue(tx, a, signIn, actor); err != nil {
			return session.Params{}, "", err
		}
		return session.Params{Account: a.ID, Client: auth.FirstParty, ACR: proved.Assurance.ACR(), AMR: proved.AMR, AuthAt: proved.At, Actor: actor}, need, nil
	case auth.NeedFirstFactor:
		refusal := auth.SessionInvalid()
		refusal.Err = errProofsInsufficient
		return session.Params{}, need, refusal
	}
	return session.Params{}, need, nil
}

// isRefusal reports whether err refuses what a user has sent. A limit and a failure of the server, such as a full
// outbox, refuse nothing: the same may be sent again.
func isRefusal(err error) bool {
	switch auth.KindOf(err) {
	case auth.KindInternal, auth.KindThrottled, auth.KindUnavailable:
		return false
	}
	return true
}

// refuseSignIn records a refused sign-in. What the transaction has written stays.
func refuseSignIn(tx *store.Tx, actor auth.Actor, account auth.AccountID, method, reason string, refusal error) error {
	detail := map[string]string{"method": method, "reason": reason}
	err := tx.Record(auth.Event{Kind: auth.EventLogin, Outcome: auth.Failure, Actor: actor, Account: account, Detail: detail})
	if err != nil {
		return err
	}
	return store.CommitWith(refusal)
}

// recordFirstFactor records that the first factor of a sign-in was right.
func recordFirstFactor(tx *store.Tx, p auth.Proof, need auth.Need, actor auth.Actor) error {
	detail := map[string]string{"method": string(p.Method), "need": string(need)}
	return tx.Record(auth.Event{Kind: auth.EventFirstFactor, Actor: actor, Account: p.Account, Detail: detail})
}

// recordSignIn writes the time and the event of a sign-in.
func recordSignIn(tx *store.Tx, v auth.Session, method string, actor auth.Actor) error {
	if err := tx.TouchLogin(v.Account); err != nil {
		return err
	}
	detail := map[string]string{"method": method, "session": string(v.ID)}
	return tx.Record(auth.Event{Kind: auth.EventLogin, Actor: actor, Account: v.Account, Detail: detail})
}

// newSignIn reads what the decision about proofs depends on.
func newSignIn(tx *store.Tx, t auth.Tenant, c auth.Client, a auth.Account, proofs []auth.Proof) (auth.SignIn, error) {
	signIn := auth.SignIn{Account: a.ID, Proofs: proofs, Now: tx.Now}
	var err error
	if signIn.Factors, err = tx.Factors(a.ID); err != nil {
		return signIn, err
	}
	roles, err := tx.FactorRoles(t, a.ID)
	signIn.EmailCode = t.Settings.Factors.MailsCodes(a, signIn.Factors)
	signIn.Policy, signIn.Due = t.Settings.Factors.For(a, roles, c)
	return signIn, err
}
