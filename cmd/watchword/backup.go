package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/watchword-auth/watchword/internal/fault"
	"github.com/watchword-auth/watchword/internal/store"
)

type backupCmd struct {
	File string `arg:"" help:"The file to write, which must not be there yet."`
}

// Run copies the SQLite database, also beside a running server, and verifies the copy.
func (c backupCmd) Run(e *env) error {
	cfg, err := e.database()
	if err != nil {
		return err
	}
	made, err := store.Backup(e.ctx, cfg, c.File)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return e.print(map[string]any{"file": c.File, "bytes": made.Bytes, "schema": made.Schema},
		"%s: %d bytes, schema %d, whole, and opens under the configured master key.\nKeep the master key apart from it: the backup cannot be used without.", c.File, made.Bytes, made.Schema)
}

type restoreCmd struct {
	File string `arg:"" help:"The backup, as watchword backup made it."`
	Yes  bool   `help:"Do it. Without this the command only says what it would do."`
}

// Run puts a backup in the place of the SQLite database, of which no server may run.
func (c restoreCmd) Run(e *env) error {
	cfg, err := e.database()
	if err != nil {
		return err
	}
	if !c.Yes {
		return fmt.Errorf("restore: this puts %s in the place of %s, whose file is kept beside it; add --yes", c.File, cfg.URL)
	}
	ctx, cancel := context.WithTimeout(e.ctx, 10*time.Minute)
	defer cancel()
	kept, made, err := store.Restore(ctx, cfg, c.File)
	if err != nil {
		err = fmt.Errorf("restore: %w", err)
		if kept != "" {
			err = errors.Join(err, fmt.Errorf("the former database is %s", kept))
		}
		return err
	}
	former := "There was no database before."
	if kept != "" {
		former = "The former database is kept as " + filepath.Base(kept) + " beside it; remove that when all is well."
	}
	return e.print(map[string]any{"file": c.File, "bytes": made.Bytes, "schema": made.Schema, "former": kept},
		"Restored: %d bytes, schema %d, whole, and opens under the configured master key.\n%s\nSessions and tokens are as they were then: see docs/operations.md.", made.Bytes, made.Schema, former)
}

// database is the configured database with its master keys, not opened.
func (e *env) database() (store.Config, error) {
	cfg, err := e.load()
	if err != nil {
		return store.Config{}, err
	}
	if _, ok := cfg.SQLite(); !ok {
		return store.Config{}, store.ErrNoFile
	}
	if err := devDefaults(cfg); err != nil {
		return store.Config{}, err
	}
	if cfg.MasterKey.IsZero() {
		return store.Config{}, noMasterKey(cfg)
	}
	ring, err := keyring(cfg)
	if err != nil {
		return store.Config{}, err
	}
	return store.Config{URL: cfg.DatabaseURL(), Keyring: ring, Now: fault.Now}, nil
}
