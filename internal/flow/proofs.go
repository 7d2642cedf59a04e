package flow

import (
	"errors"
	"fmt"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// LiveProofs returns the proofs of a flow that count. A password counts until it is replaced: its
// owner may have replaced it because somebody else knows it.
func LiveProofs(tx *store.Tx, f auth.Flow) ([]auth.Proof, error) {
	proofs := f.LiveProofs(tx.Now)
	i := slices.IndexFunc(proofs, func(p auth.Proof) bool { return p.Method == auth.ProofPassword })
	if i < 0 {
		return proofs, nil
	}
	since, err := tx.PasswordSince(proofs[i].Account)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return nil, fmt.Errorf("read time of password: %w", err)
	}
	if err != nil || proofs[i].At.Before(since) {
		return nil, nil // what was proved beside it was to complete this sign-in
	}
	return proofs, nil
}
