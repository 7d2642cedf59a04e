package store

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
)

// health remembers that the database file turned out to be broken. From then on
// the server only reads: what it still knows may be right, what it would write
// might destroy more.
type health struct{ err atomic.Pointer[error] }

// errCorrupt is in the chain of what the check of the file finds.
var errCorrupt = errors.New("a check failed")

func (h *health) markCorrupt(cause error, log *slog.Logger) {
	err := fmt.Errorf("the database file is damaged; writing is switched off until it is restored from a backup: %w", cause)
	if h.err.CompareAndSwap(nil, &err) {
		log.Error("database damaged: read-only from here", "error", err)
	}
}

func (h *health) corruption() error {
	if p := h.err.Load(); p != nil {
		return *p
	}
	return nil
}
