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
	Public bool `help:"Take a listener and an issuer that others reach, as in a container. Whoever reaches it can read all mail."`
}

// devAdmin is the administrator that development mode makes, devUser the user that its
// printed commands register.
const (
	devAdmin = "admin@example.test"
	devUser  = "alice@example.test"
)

// exampleResources are the APIs of the folder examples, for which tokens can be asked at
// once.
var exampleResources = config.Resources{{URL: "http://127.0.0.1:8081"}, {URL: "http://127.0.0.1:8082"}}

// Run serves for development until it is interrupted.
func (c devCmd) Run(e *env) error {
	cfg, err := e.load()
	if err != nil {
		return err
	}
	mode := config.Dev
	if c.Public {
		mode = config.DevPublic
		publish(cfg)
	}
	if err := cfg.Validate(mode); err != nil {
		return err
	}
	if err := devKey(cfg, true); err != nil {
		return err
	}
	folder := devFolder{Issuer: cfg.BaseURL(), Manage: cfg.Manage, Public: c.Public}
	folder.lend(cfg)
	if !set(cfg, "log.format") {
		cfg.Log.Format = "text"
	}
	addExamples(cfg)
	boundMemory(cfg)
	log := e.logger(cfg)
	warn(log, cfg)
	s, err := server.New(e.ctx, cfg, server.Options{Dev: true, InsecureCookies: true, Now: fault.Now, Log: log, Version: version()})
	if err != nil {
		return err
	}
	defer s.Close()
	ctx, stop := context.WithCancel(e.ctx)
	defer stop()
	var failed error
	err = e.runServer(ctx, s, func(_, manage string) {
		folder.Manage = manage
		// Made once the listeners are open: a start that fails must not use up the one
		// time at which the password is shown.
		w := welcome{devFolder: folder, data: cfg.Data, listen: cfg.Listen}
		failed = errors.Join(folder.write(cfg.Data), w.prepare(ctx, s))
		if failed != nil {
			if e.ctx.Err() != nil { // somebody ended us, which is no failure
				failed = nil
			}
			stop()
			return
		}
		w.print(e.Out)
	})
	return errors.Join(failed, err)
}

// addExamples adds the resources of the examples to the configured ones.
func addExamples(cfg *config.Config) {
	for _, r := range exampleResources {
		if !slices.ContainsFunc(cfg.OAuth.Resources, func(have config.Resource) bool { return have.URL == r.URL }) {
			cfg.OAuth.Resources = append(cfg.OAuth.Resources, r)
		}
	}
}

// publish fills in where a development server that others reach listens, and what it
// calls itself when nobody says so: what a container's published port is on this machine.
func publish(cfg *config.Config) {
	if !set(cfg, "listen") {
		cfg.Listen = ":8080"
	}
	host, port, err := net.SplitHostPort(cfg.Listen)
	if ip, _ := netip.ParseAddr(host); cfg.Issuer == "" && err == nil && (host == "" || ip.IsUnspecified()) {
		cfg.Issuer = "http://127.0.0.1:" + port
	}
}

// devDefaults lends a command what the development server in the data folder has, if
// there is one: its master key, and where it is.
func devDefaults(cfg *config.Config) error {
	if err := devKey(cfg, false); err != nil {
		return err
	}
	folder, err := readDevFolder(cfg.Data)
	if err != nil {
		return err
	}
	folder.lend(cfg)
	return nil
}

// devKey fills in the master key that nobody set: it lies beside the database. Only
// "watchword dev" makes that key.
func devKey(cfg *config.Config, create bool) error {
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

// set reports whether anybody chose the setting.
func set(cfg *config.Config, key string) bool {
	for _, s := range cfg.Explain() {
		if s.Key == key {
			return s.Source != config.SourceDefault
		}
	}
	return false
}
