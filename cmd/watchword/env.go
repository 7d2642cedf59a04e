package main

import (
	"context"
	"encoding/json"
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

// env is what every command has in hand.
type env struct {
	world
	ctx    context.Context
	common Common
	base   string // of the issuers, once opened
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

// open puts the house together without listening, for the commands that manage
// it. They work beside a running server, a development one included.
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
	return fmt.Errorf("there is no master key: give the server's configuration, or --data with the folder of a development server (here: %s)", cfg.Data)
}

// openTenant is open for a command about what one tenant has.
func (e *env) openTenant(id auth.TenantID, fn func(*server.Server) error) error {
	return e.open(func(s *server.Server) error {
		if _, err := s.Tenants.Get(e.ctx, id); err != nil {
			return err
		}
		return fn(s)
	})
}

// operator is the actor of a command: whoever is logged in to the machine.
func (e *env) operator() auth.Actor {
	name := "operator"
	if u, err := user.Current(); err == nil {
		name = auth.Clip(u.Username, 64)
	}
	return auth.Actor{Kind: auth.ActorOperator, ID: name}
}

// print writes v as JSON when --json was given, and the line for people otherwise.
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

// table writes rows in columns, or as JSON.
func (e *env) table(v any, head string, rows [][]string) error {
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

// readPassword takes one line from standard input.
func (e *env) readPassword() (string, error) {
	b, err := io.ReadAll(io.LimitReader(e.In, 4096))
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	line = strings.TrimSuffix(line, "\r")
	if line == "" {
		return "", fmt.Errorf("no password on standard input")
	}
	return line, nil
}

// logger is the server's log as the configuration asks for it.
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

// warn logs what the configuration has that an operator should know.
func warn(log *slog.Logger, cfg *config.Config) {
	for _, p := range cfg.Warnings() {
		log.Warn("configuration: "+p.Msg, "setting", p.Key, "from", p.From, "fix", p.Fix)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
