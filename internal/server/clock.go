package server

import (
	"context"
	"fmt"

	"github.com/watchword-auth/watchword/internal/store"
)

// compareClocks compares the clock of this node with that of the database, and warns of a
// difference. Other nodes refuse tokens of a node with a wrong clock as expired or not yet valid.
func (s *Server) compareClocks(ctx context.Context) error {
	skew, err := s.DB.ClockSkew(ctx)
	if err != nil {
		return fmt.Errorf("compare clocks: %w", err)
	}
	s.clockSkew.Set(skew.Seconds())
	if skew.Abs() > store.ClockTolerance {
		s.log.Warn("the clock of this machine differs from the database's; expiry of tokens and sessions depends on it", "ahead_seconds", skew.Seconds())
	}
	return nil
}
