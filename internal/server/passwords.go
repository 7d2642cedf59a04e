package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// mostKinds bounds how many kinds of password hashes are looked for.
const mostKinds = 200

// measurePasswordKinds shows the hasher one stored hash of each kind, so that wrong passwords
// take as long for all of them.
func (s *Server) measurePasswordKinds(ctx context.Context) error {
	after := ""
	for range mostKinds {
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
			return fmt.Errorf("learn kinds of password hashes: %w", err)
		}
	}
	return nil
}
