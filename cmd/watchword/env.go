package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"strings"
	"text/tabwriter"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/fault"
	"github.com/watchword-auth/watchword/internal/server"
)

// env is the environment of a command.
type env struct {
	system
	ctx    context.Context
	common Common
	base   string // base URL of the issuers, set by open
}

// load reads the configuration from file, environment and flags.
func (e *env) load() (*config.Config, error) {
	flags := map[string]string{}
	for key, value := range map[string]string{
		"listen": e.common.Listen, "manage": e.common.Manage, "issuer": e.common.Issuer,
		"data": e.common.Data, "database": e.common.Database,
	} {
		if value != "" {
			flags[key] = value
		}
	}
	return config.Load(config.Options{File: e.common.Config, Env: e.Env, Flags: flags})
}

// open assembles a server without listening, for the administration commands. They also
// work while a server runs, in development mode too.
func (e *env) open(fn func(*server.Server) error) error {
	cfg, err := e.load()
	if err != nil {
		return err
	}
	if err := devDefaults(cfg); err != nil {
		return err
	}
	if cfg.MasterKey.IsZero() {
		return noMasterKey(cfg)
	}
	log := slog.New(slog.NewTextHandler(e.Err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := server.New(e.ctx, cfg, server.Options{Now: fault.Now, Log: log, Version: version()})
	if err != nil {
		return err
	}
	defer s.Close()
	e.base = cfg.BaseURL()
	return fn(s)
}

func noMasterKey(cfg *config.Config) error {
	return fmt.Errorf("no master key: use the configuration of the server, or --data with the directory of a development server (now %s)", cfg.Data)
}

// openTenant is like open, for a command in one tenant, which must exist.
func (e *env) openTenant(id auth.TenantID, fn func(*server.Server) error) error {
	return e.open(func(s *server.Server) error {
		if _, err := s.Tenants.Get(e.ctx, id); err != nil {
			return err
		}
		return fn(s)
	})
}

// operator returns the actor of a command: the user of the operating system.
func (e *env) operator() auth.Actor {
	name := "operator"
	if u, err := user.Current(); err == nil {
		name = auth.Clip(u.Username, 64)
	}
	return auth.Actor{Kind: auth.ActorOperator, ID: name}
}

// print writes v as JSON with --json, and the formatted text otherwise.
func (e *env) print(v any, format string, args ...any) error {
	if e.common.JSON {
		return e.printJSON(v)
	}
	_, err := fmt.Fprintf(e.Out, format+"\n", args...)
	return err
}

func (e *env) printJSON(v any) error {
	enc := json.NewEncoder(e.Out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// printTable writes v as JSON with --json, and the rows in columns otherwise.
func (e *env) printTable(v any, head string, rows [][]string) error {
	if e.common.JSON {
		return e.printJSON(v)
	}
	w := tabwriter.NewWriter(e.Out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, head)
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	return w.Flush()
}

// readSecret reads a password or a client secret, one line, from standard input.
func (e *env) readSecret() (string, error) {
	b, err := io.ReadAll(io.LimitReader(e.In, 4096))
	if err != nil {
		return "", fmt.Errorf("read standard input: %w", err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	line = strings.TrimSuffix(line, "\r")
	if line == "" {
		return "", errors.New("standard input is empty: a line with the password or client secret is expected")
	}
	return line, nil
}

// logger returns the configured log of the server.
func (e *env) logger(cfg *config.Config) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Log.Level)); err != nil {
		level = slog.LevelInfo
	}
	opts := &slog.HandlerOptions{Level: level}
	if cfg.Log.Format == "text" {
		return slog.New(slog.NewTextHandler(e.Err, opts))
	}
	return slog.New(slog.NewJSONHandler(e.Err, opts))
}

// logWarnings logs the warnings about the configuration.
func logWarnings(log *slog.Logger, cfg *config.Config) {
	for _, p := range cfg.Warnings() {
		log.Warn("configuration: "+p.Msg, "setting", p.Key, "from", p.From, "fix", p.Fix)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
