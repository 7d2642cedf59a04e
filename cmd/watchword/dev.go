package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/fault"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/server"
)

type devCmd struct {
	Public bool `help:"Allow a listener and issuer that other machines can reach, as in a container. Anyone who can reach it can read all mail."`
}

// devAdmin is the administrator that development mode creates, devUser the user that the
// printed commands register.
const (
	devAdmin = "admin@example.test"
	devUser  = "alice@example.test"
)

// exampleResources are the resources of the APIs in the directory examples.
var exampleResources = config.Resources{{URL: "http://127.0.0.1:8081"}, {URL: "http://127.0.0.1:8082"}}

// Run serves in development mode until it is interrupted.
func (c devCmd) Run(e *env) error {
	cfg, err := e.load()
	if err != nil {
		return err
	}
	mode := config.Dev
	if c.Public {
		mode = config.DevPublic
		setPublicDefaults(cfg)
	}
	if err := cfg.Validate(mode); err != nil {
		return err
	}
	if err := loadDevKey(cfg, true); err != nil {
		return err
	}
	folder := devFolder{Issuer: cfg.BaseURL(), Manage: cfg.Manage, Public: c.Public}
	folder.applyDefaults(cfg)
	if !isSet(cfg, "log.format") {
		cfg.Log.Format = "text"
	}
	addExamples(cfg)
	boundMemory(cfg)
	log := e.logger(cfg)
	logWarnings(log, cfg)
	s, err := server.New(e.ctx, cfg, server.Options{Dev: true, InsecureCookies: true, Now: fault.Now, Log: log, Version: version()})
	if err != nil {
		return err
	}
	defer s.Close()
	ctx, stop := context.WithCancel(e.ctx)
	defer stop()
	var readyErr error
	err = e.runServer(ctx, s, func(_, manage string) {
		folder.Manage = manage
		// Only once the listeners are open: a failed start must not lose the password,
		// which is shown once.
		w := welcome{devFolder: folder, data: cfg.Data, listen: cfg.Listen}
		readyErr = errors.Join(folder.write(cfg.Data), w.createAdmin(ctx, s))
		if readyErr != nil {
			if e.ctx.Err() != nil { // interrupted
				readyErr = nil
			}
			stop()
			return
		}
		w.print(e.Out)
	})
	return errors.Join(readyErr, err)
}

// addExamples adds the resources of the examples to the configured ones.
func addExamples(cfg *config.Config) {
	for _, r := range exampleResources {
		if !slices.ContainsFunc(cfg.OAuth.Resources, func(have config.Resource) bool { return have.URL == r.URL }) {
			cfg.OAuth.Resources = append(cfg.OAuth.Resources, r)
		}
	}
}

// setPublicDefaults sets listener and issuer of a public development server, if not
// configured: those of a container with a published port on this machine.
func setPublicDefaults(cfg *config.Config) {
	if !isSet(cfg, "listen") {
		cfg.Listen = ":8080"
	}
	host, port, err := net.SplitHostPort(cfg.Listen)
	if ip, _ := netip.ParseAddr(host); cfg.Issuer == "" && err == nil && (host == "" || ip.IsUnspecified()) {
		cfg.Issuer = "http://127.0.0.1:" + port
	}
}

// devDefaults applies the master key and the addresses of the development server in the
// data directory, if there is one.
func devDefaults(cfg *config.Config) error {
	if err := loadDevKey(cfg, false); err != nil {
		return err
	}
	folder, err := readDevFolder(cfg.Data)
	if err != nil {
		return err
	}
	folder.applyDefaults(cfg)
	return nil
}

// loadDevKey sets the master key from a file in the data directory, if none is configured.
// Only "watchword dev" creates that file.
func loadDevKey(cfg *config.Config, create bool) error {
	path := cfg.DevKeyFile()
	if !cfg.MasterKey.IsZero() || !create && !exists(path) {
		return nil
	}
	if !exists(path) {
		if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
			return err
		}
		key := base64.StdEncoding.EncodeToString(secret.Bytes(32))
		if err := os.WriteFile(path, []byte(key+"\n"), 0o600); err != nil {
			return err
		}
	}
	key, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := cfg.MasterKey.UnmarshalText([]byte(strings.TrimSpace(string(key)))); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// isSet reports whether the setting is configured.
func isSet(cfg *config.Config, key string) bool {
	for _, s := range cfg.Explain() {
		if s.Key == key {
			return s.Source != config.SourceDefault
		}
	}
	return false
}
