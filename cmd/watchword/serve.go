package main

import (
	"fmt"
	"math"
	"runtime/debug"

	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/fault"
	"github.com/watchword-auth/watchword/internal/server"
)

type serveCmd struct{}

// Run serves in production until SIGTERM and then drains.
func (serveCmd) Run(e *env) error {
	cfg, err := e.load()
	if err != nil {
		return err
	}
	if err := cfg.Validate(config.Serve); err != nil {
		return err
	}
	boundMemory(cfg)
	log := e.logger(cfg)
	logWarnings(log, cfg)
	s, err := server.New(e.ctx, cfg, server.Options{Now: fault.Now, Log: log, Version: version()})
	if err != nil {
		return err
	}
	defer s.Close()
	if fault.Enabled {
		log.Warn("this is a fault injection build (build tag faults); never use it in production")
	}
	if _, err := checkProxy(cfg); err != nil {
		log.Warn("client addresses unknown: " + err.Error())
	}
	if !isLoopback(cfg.Manage) {
		log.Warn("the management listener is reachable from other machines without credentials", "manage", cfg.Manage)
	}
	return e.runServer(e.ctx, s, func(addr, manage string) {
		log.Info("ready", "issuer", cfg.BaseURL(), "listen", addr, "manage", manage, "database", s.DB.Dialect(), "version", version())
	})
}

// boundMemory sets the memory limit of the Go runtime: the budget for password hashing
// plus overhead for ten thousand connections. It does not override GOMEMLIMIT.
func boundMemory(cfg *config.Config) {
	const overhead = 160 << 20
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(int64(cfg.Password.MemoryBudget) + overhead)
	}
}

type migrateCmd struct{}

// Run opens the database, which migrates the schema.
func (migrateCmd) Run(e *env) error {
	return e.open(func(s *server.Server) error {
		return e.print(map[string]string{"status": "up_to_date", "database": s.DB.Dialect()}, "The schema of the %s database is up to date.", s.DB.Dialect())
	})
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(e *env) error {
	return e.print(map[string]any{"version": version(), "faults": fault.Enabled}, "watchword %s%s", version(), map[bool]string{true: " (fault injection build)"}[fault.Enabled])
}

type configCmd struct {
	What string `arg:"" enum:"sample,schema,manual" help:"What to print: sample, schema or manual."`
}

// Run prints a text that is generated from the configuration struct.
func (c configCmd) Run(e *env) error {
	text := map[string]func() []byte{"sample": config.Sample, "schema": config.Schema, "manual": config.Manual}[c.What]()
	_, err := fmt.Fprint(e.Out, string(text))
	return err
}
