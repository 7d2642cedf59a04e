package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/password"
	"github.com/watchword-auth/watchword/internal/place"
	"github.com/watchword-auth/watchword/internal/server"
)

type doctorCmd struct {
	Dev  bool   `help:"Check for development instead of production."`
	Peer string `placeholder:"IP" help:"Show the client address of a request from this peer."`
	XFF  string `name:"xff" placeholder:"VALUE" help:"X-Forwarded-For header of that request."`
}

// finding is the result of one check.
type finding struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
	// Unknown means that the check was inconclusive, which is not a problem.
	Unknown bool `json:"unknown,omitempty"`
}

// inconclusiveError says why a check was inconclusive.
type inconclusiveError string

func (e inconclusiveError) Error() string { return string(e) }

// Run prints the effective configuration, the source of each value, and the problems of
// configuration and environment. It changes nothing.
func (c doctorCmd) Run(e *env) error {
	cfg, err := e.load()
	if cfg == nil {
		return err
	}
	mode := config.Serve
	if c.Dev {
		mode = config.Dev
		if err := devDefaults(cfg); err != nil {
			return err
		}
	}
	problems := config.Problems(errors.Join(err, cfg.Validate(mode)))
	findings := c.runChecks(e.ctx, cfg)
	if e.common.JSON {
		if err := e.printJSON(map[string]any{"mode": mode, "settings": cfg.Explain(), "problems": problemTexts(problems), "warnings": problemTexts(cfg.Warnings()), "checks": findings}); err != nil {
			return err
		}
	} else {
		c.print(e, cfg, problems, findings)
	}
	count := len(problems)
	for _, f := range findings {
		if !f.OK && !f.Unknown {
			count++
		}
	}
	if count > 0 {
		noun := "problems"
		if count == 1 {
			noun = "problem"
		}
		return fmt.Errorf("doctor: %d %s for %q", count, noun, mode)
	}
	return nil
}

func (c doctorCmd) print(e *env, cfg *config.Config, problems []*config.Problem, findings []finding) {
	fmt.Fprintln(e.Out, "Settings that differ from the default:")
	none := true
	for _, s := range cfg.Explain() {
		if s.Source != config.SourceDefault {
			fmt.Fprintf(e.Out, "  %-28s %s  (%s)\n", s.Key, s.Value, s.From)
			none = false
		}
	}
	if none {
		fmt.Fprintln(e.Out, "  none")
	}
	fmt.Fprintln(e.Out, "\nChecks:")
	for _, f := range findings {
		mark := "ok "
		switch {
		case f.Unknown:
			mark = "-- "
		case !f.OK:
			mark = "NO "
		}
		fmt.Fprintf(e.Out, "  %s %-22s %s\n", mark, f.Check, f.Detail)
	}
	printProblems(e.Out, "Warnings", cfg.Warnings())
	printProblems(e.Out, "Problems", problems)
}

func printProblems(out io.Writer, title string, problems []*config.Problem) {
	if len(problems) > 0 {
		fmt.Fprintf(out, "\n%s:\n", title)
	}
	for _, p := range problems {
		fmt.Fprintf(out, "  - %v\n", p)
	}
}

// problemTexts returns the text of each problem, never nil.
func problemTexts(problems []*config.Problem) []string {
	out := make([]string, len(problems))
	for i, p := range problems {
		out[i] = p.Error()
	}
	return out
}

// runChecks checks the environment that the configuration describes.
func (c doctorCmd) runChecks(ctx context.Context, cfg *config.Config) []finding {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	var out []finding
	check := func(name string, f func() (string, error)) {
		detail, err := f()
		if err != nil {
			detail = err.Error()
		}
		_, unknown := errors.AsType[inconclusiveError](err)
		out = append(out, finding{Check: name, OK: err == nil, Detail: detail, Unknown: unknown})
	}
	check("database", func() (string, error) { return checkDatabase(ctx, cfg) })
	if path, ok := cfg.SQLite(); ok {
		check("data directory", func() (string, error) { return checkFolder(path) })
	}
	check("public listener", func() (string, error) { return checkListener(cfg.Listen) })
	check("management listener", func() (string, error) {
		if _, err := checkListener(cfg.Manage); err != nil {
			return "", err
		}
		return describeManage(cfg), nil
	})
	if !cfg.Limits.Redis.IsZero() {
		check("Redis", func() (string, error) { return checkRedis(ctx, cfg) })
	}
	if !cfg.SMTP.URL.IsZero() {
		check("mail server", func() (string, error) { return "accepts mail from the configured sender", server.CheckMail(ctx, cfg) })
	}
	if cfg.TLS.CertFile != "" {
		check("TLS certificate", func() (string, error) { return checkCertificate(cfg) })
	}
	if len(cfg.TLS.Auto) > 0 {
		check("TLS certificate", func() (string, error) { return checkAuthority(ctx, cfg) })
	}
	if cfg.Password.BreachedFile != "" {
		check("breached passwords", func() (string, error) {
			b, err := password.OpenBreached(cfg.Password.BreachedFile)
			if err != nil {
				return "", err
			}
			return cfg.Password.BreachedFile, b.Close()
		})
	}
	if cfg.Places.Database != "" {
		check("places", func() (string, error) {
			_, err := place.Open(cfg.Places.Database)
			return cfg.Places.Database, err
		})
	}
	check("passkeys", func() (string, error) { return describePasskeys(cfg), nil })
	check("password length", func() (string, error) { return checkPasswordLengths(ctx, cfg) })
	check("second factors", func() (string, error) { return checkPasskeyPolicies(ctx, cfg) })
	check("password hashing", func() (string, error) { return checkHashing(cfg) })
	if cfg.Issuer != "" {
		response := queryIssuer(ctx, cfg)
		check("issuer", func() (string, error) { return response.checkIdentity(cfg) })
		check("clock", func() (string, error) { return response.checkClock(cfg) })
	}
	check("proxy", func() (string, error) { return checkProxy(cfg) })
	if c.Peer != "" {
		check("client address", func() (string, error) { return c.clientAddress(cfg) })
	}
	return out
}
