package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/watchword-auth/watchword/internal/config"
)

// devFolder is what a development server leaves in its data folder, so that the
// commands that manage it need not be told where it is.
type devFolder struct {
	Issuer string `json:"issuer"`
	Manage string `json:"manage"`
	Public bool   `json:"public"`
}

func devFolderPath(data string) string { return filepath.Join(data, "dev-server.json") }

// readDevFolder returns the zero devFolder when no development server was there.
func readDevFolder(data string) (devFolder, error) {
	var d devFolder
	text, err := os.ReadFile(devFolderPath(data))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return d, nil // of the rest of a folder that may not be read, the store tells
	}
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return d, fmt.Errorf("%s: %w; remove it, the next start of watchword dev writes it", devFolderPath(data), err)
	}
	return d, nil
}

func (d devFolder) write(data string) error {
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return os.WriteFile(devFolderPath(data), append(text, '\n'), 0o600)
}

// lend fills in what nobody has set. A configuration of another issuer borrows nothing.
func (d devFolder) lend(cfg *config.Config) {
	if d.Issuer == "" {
		return
	}
	if cfg.Issuer == "" && !set(cfg, "listen") {
		cfg.Issuer = d.Issuer
	}
	if cfg.BaseURL() != d.Issuer {
		return
	}
	if !set(cfg, "manage") {
		cfg.Manage = d.Manage
	}
	// The applications of one developer run on the same machine. Others who reach the
	// server must not have it ask there for them.
	if !d.Public && !set(cfg, "outbound.allow") {
		cfg.Outbound.Allow = config.Prefixes{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
}
