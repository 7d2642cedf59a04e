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

// devFolder is written by a development server to its data directory, so that commands
// find the server.
type devFolder struct {
	Issuer string `json:"issuer"`
	Manage string `json:"manage"`
	Public bool   `json:"public"`
}

func devFolderPath(data string) string { return filepath.Join(data, "dev-server.json") }

// readDevFolder returns the zero devFolder if there was no development server.
func readDevFolder(data string) (devFolder, error) {
	var d devFolder
	text, err := os.ReadFile(devFolderPath(data))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return d, nil // opening the store reports an unreadable directory
	}
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return d, fmt.Errorf("%s: %w; delete it, and the next start of watchword dev writes it again", devFolderPath(data), err)
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

// applyDefaults sets settings that are not configured. It changes nothing for another
// issuer.
func (d devFolder) applyDefaults(cfg *config.Config) {
	if d.Issuer == "" {
		return
	}
	if cfg.Issuer == "" && !isSet(cfg, "listen") {
		cfg.Issuer = d.Issuer
	}
	if cfg.BaseURL() != d.Issuer {
		return
	}
	if !isSet(cfg, "manage") {
		cfg.Manage = d.Manage
	}
	// The applications of a developer run on the same machine. Users of a public server
	// must not make it send requests there.
	if !d.Public && !isSet(cfg, "outbound.allow") {
		cfg.Outbound.Allow = config.Prefixes{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
}
