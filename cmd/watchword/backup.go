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
	File string `arg:"" help:"The file to write. It must not exist."`
}

// Run copies the SQLite database, even while a server uses it, and verifies the copy.
func (c backupCmd) Run(e *env) error {
	cfg, err := e.database()
	if err != nil {
		return err
	}
	backup, err := store.Backup(e.ctx, cfg, c.File)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return e.print(map[string]any{"file": c.File, "bytes": backup.Bytes, "schema": backup.Schema},
		"Wrote %s: %d bytes, schema %d, verified with the configured master key.\nStore the master key separately: the backup is useless without it.", c.File, backup.Bytes, backup.Schema)
}

type restoreCmd struct {
	File string `arg:"" help:"A backup written by watchword backup."`
	Yes  bool   `help:"Confirm. Without it the command only prints what it would do."`
}

// Run replaces the SQLite database with a backup. No server may use the database.
func (c restoreCmd) Run(e *env) error {
	cfg, err := e.database()
	if err != nil {
		return err
	}
	if !c.Yes {
		return fmt.Errorf("restore: this replaces %[2]s with %[1]s and keeps the current file next to it; add --yes to confirm", c.File, cfg.URL)
	}
	ctx, cancel := context.WithTimeout(e.ctx, 10*time.Minute)
	defer cancel()
	previous, backup, err := store.Restore(ctx, cfg, c.File)
	if err != nil {
		err = fmt.Errorf("restore: %w", err)
		if previous != "" {
			err = errors.Join(err, fmt.Errorf("the previous database is %s", previous))
		}
		return err
	}
	note := "There was no database before."
	if previous != "" {
		note = "The previous database is kept as " + filepath.Base(previous) + "; delete it when you no longer need it."
	}
	return e.print(map[string]any{"file": c.File, "bytes": backup.Bytes, "schema": backup.Schema, "former": previous},
		"Restored: %d bytes, schema %d, verified with the configured master key.\n%s\nSessions and tokens are those of the backup; see docs/operations.md.", backup.Bytes, backup.Schema, note)
}

// database returns the configuration of the store, with the master keys.
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
