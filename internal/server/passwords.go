package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// maxKinds bounds the kinds of password hashes that are measured.
const maxKinds = 200

// measurePasswordKinds measures one stored hash of each kind, so that wrong passwords take the
// same time for all of them.
func (s *Server) measurePasswordKinds(ctx context.Context) error {
	after := ""
	for range maxKinds {
		var hash string
		err := s.DB.ReadSystem(ctx, func(tx *store.SystemTx) (err error) {
			hash, err = tx.NextPasswordHash(after)
			return err
		})
		if errors.Is(err, auth.ErrNotFound) {
			return nil
		}
		if err == nil {
			after, err = s.Hasher.MeasureKind(ctx, hash)
		}
		if err != nil {
			return fmt.Errorf("measure kinds of password hashes: %w", err)
		}
	}
	return nil
}
