package flow

import (
	"errors"
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// LiveProofs returns the proofs of a flow that count. A password counts until it is replaced: its
// owner may have replaced it because somebody else knows it. A rescue link counts until another one replaces it.
// What was mailed or proved beside them counts until the account is locked or disabled, or gets another password
// or address.
func LiveProofs(tx *store.Tx, f auth.Flow) ([]auth.Proof, error) {
	proofs := f.LiveProofs(tx.Now)
	for _, p := range proofs {
		live, err := isLive(tx, p)
		if err != nil {
			return nil, fmt.Errorf("read proof: %w", err)
		}
		if !live {
			return nil, nil // what was proved beside it was to complete this sign-in
		}
	}
	return proofs, nil
}

func isLive(tx *store.Tx, p auth.Proof) (live bool, err error) {
	switch p.Method {
	case auth.ProofPassword:
		since, e := tx.PasswordSince(p.Account)
		live, err = !p.At.Before(since), e
	case auth.ProofRescueLink:
		_, err = tx.SingleUse(auth.UseRescue, p.Link)
		live = true
	default:
		since, e := securedSince(tx, p.Account)
		live, err = !p.At.Before(since), e
	}
	if errors.Is(err, auth.ErrNotFound) {
		return false, nil
	}
	return live, err
}

// securedSince returns when the account was last given to the owner of its present address and password, or taken
// from everybody.
func securedSince(tx *store.Tx, id auth.AccountID) (time.Time, error) {
	a, err := tx.Account(id)
	if err != nil {
		return time.Time{}, err
	}
	since, err := tx.PasswordSince(id)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return since, err
	}
	for _, at := range []time.Time{a.EmailVerifiedAt, a.LockedAt, a.DisabledAt} {
		if at.After(since) {
			since = at
		}
	}
	return since, nil
}
