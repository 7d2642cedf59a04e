package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/fault"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/server"
)

type devCmd struct{}

// devAdmin is the administrator that development mode makes.
const devAdmin = "admin@example.test"

// Run serves for development until it is interrupted.
func (devCmd) Run(e *env) error {
	cfg, err := e.load()
	if err != nil {
		return err
	}
	if err := cfg.Validate(config.Dev); err != nil {
		return err
	}
	if err := devDefaults(cfg, true); err != nil {
		return err
	}
	if !set(cfg, "log.format") {
		cfg.Log.Format = "text"
	}
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
	err = s.Run(ctx, func(_, manage string) {
		// Made once the listeners are open: a start that fails must not use up the one
		// time at which the password is shown.
		password, err := makeAdmin(ctx, s)
		if err != nil {
			if e.ctx.Err() == nil { // else somebody ended us, which is no failure
				failed = fmt.Errorf("make the administrator: %w", err)
			}
			stop()
			return
		}
		welcome(e.Out, cfg.BaseURL(), manage, cfg.Data, password)
	})
	return errors.Join(failed, err)
}

// devDefaults fills in the master key that nobody set: it lies beside the
// database. Only "watchword dev" makes that key; the commands that manage a
// development server borrow it.
func devDefaults(cfg *config.Config, create bool) error {
	path := filepath.Join(cfg.Data, "dev-master-key")
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

// makeAdmin makes the administrator at the first start and returns the password,
// which is shown once and kept nowhere.
func makeAdmin(ctx context.Context, s *server.Server) (string, error) {
	_, err := s.Accounts.Find(ctx, auth.DefaultTenant, devAdmin)
	if auth.KindOf(err) != auth.KindNotFound {
		return "", err
	}
	password := strings.ToLower(rand.Text()[:20])
	a, err := s.Accounts.Create(ctx, auth.DefaultTenant, account.Creation{Email: devAdmin, Password: password, Name: "Administrator", Verified: true}, auth.System)
	if err != nil {
		return "", err
	}
	return password, s.Access.Assign(ctx, auth.DefaultTenant, a.ID, auth.AdminRole, auth.System)
}

// welcome prints the ready line, the links and the way to a first token.
func welcome(out io.Writer, issuer, manage, data, password string) {
	admin := devAdmin + "  (its password was shown at the first start)"
	login := "Get a token (the administrator's password was shown at the first start; set another with: watchword user password " + devAdmin + " --password-stdin):"
	if password != "" {
		admin = devAdmin + "  password " + password + "  (shown only now)"
		login = "Your first token:"
	} else {
		password = "THE-PASSWORD"
	}
	fmt.Fprintf(out, `
Watchword is ready.

  issuer    %[1]s
  mailbox   %[1]s/dev/mailbox
  API       %[1]s/api/v1/openapi.json
  metrics   http://%[2]s/metrics
  admin     %[3]s

%[4]s

  curl -s %[1]s/api/v1/login -H 'Content-Type: application/json' \
    -d '{"email":"%[5]s","password":"%[6]s"}'

A person of your own: register, confirm by the link in the mailbox, sign in:

  curl -s %[1]s/api/v1/register -H 'Content-Type: application/json' \
    -d '{"email":"alice@example.test","password":"plain-sailing-42"}'
  LINK=$(curl -s %[1]s/dev/mailbox.json | grep -o 'wwl_[A-Za-z0-9_-]*' | head -n 1)
  curl -s %[1]s/api/v1/verify-email -H 'Content-Type: application/json' -d "{\"token\":\"$LINK\"}"
  curl -s %[1]s/api/v1/login -H 'Content-Type: application/json' \
    -d '{"email":"alice@example.test","password":"plain-sailing-42"}'

Stop with Ctrl-C. Everything is kept in %[7]s. For production see: watchword doctor

`, issuer, manage, admin, login, devAdmin, password, data)
}
