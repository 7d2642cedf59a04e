package store

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
)

// health records that the database file is corrupt. From then on the server only reads, because
// writing could destroy more.
type health struct{ err atomic.Pointer[error] }

// errCorrupt is in the chain of errors found by the integrity check.
var errCorrupt = errors.New("the integrity check failed")

func (h *health) markCorrupt(cause error, log *slog.Logger) {
	err := fmt.Errorf("the database file is damaged; it is read-only until it is restored from a backup: %w", cause)
	if h.err.CompareAndSwap(nil, &err) {
		log.Error("database damaged; read-only from now on", "error", err)
	}
}

func (h *health) corruption() error {
	if p := h.err.Load(); p != nil {
		return *p
	}
	return nil
}
