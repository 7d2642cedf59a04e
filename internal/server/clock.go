package server

import (
	"context"
	"fmt"

	"github.com/watchword-auth/watchword/internal/store"
)

// compareClocks notices that the clock of this node has gone astray: all nodes compare
// with the one of the database. What a node with a wrong clock issues, the others take
// for expired or not yet valid.
func (s *Server) compareClocks(ctx context.Context) error {
	skew, err := s.DB.ClockSkew(ctx)
	if err != nil {
		return fmt.Errorf("compare clocks: %w", err)
	}
	s.clockSkew.Set(skew.Seconds())
	if skew.Abs() > store.ClockTolerance {
		s.log.Warn("the clock of this machine differs from the database's; tokens and sessions depend on the time", "ahead_seconds", skew.Seconds())
	}
	return nil
}
