// Command watchword is authentication for APIs in one binary: the server, its
// development mode and the operator's tools.
//
// Each command is one file. main hands the world (context, arguments,
// environment, standard streams, clock) to run, so that a test can hand over
// another one.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], world{Env: os.Environ(), In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}

// world is everything outside the process that a command may touch.
type world struct {
	Env      []string
	In       io.Reader
	Out, Err io.Writer
	// Browse opens an address in the person's browser, Pause waits. Nil: as people
	// expect.
	Browse func(address string) error
	Pause  func(context.Context, time.Duration) error
}

type commands struct {
	Common

	Dev         devCmd         `cmd:"" group:"serve" help:"Run for development: embedded database, mailbox in the browser, nothing else needed."`
	Serve       serveCmd       `cmd:"" group:"serve" help:"Run for production. Refuses to start with unsafe settings."`
	Migrate     migrateCmd     `cmd:"" group:"serve" help:"Bring the database's schema up to date and exit."`
	Backup      backupCmd      `cmd:"" group:"serve" help:"Write a verified copy of the SQLite database, also of a running server."`
	Restore     restoreCmd     `cmd:"" group:"serve" help:"Put a backup in the place of the SQLite database; the server must be stopped."`
	Doctor      doctorCmd      `cmd:"" group:"look" help:"Show the effective configuration and every problem found with it."`
	ConfigCmd   configCmd      `cmd:"" name:"config" group:"look" help:"Print the commented sample, the JSON Schema or the manual of watchword.yaml."`
	Calibrate   calibrateCmd   `cmd:"" group:"look" help:"Propose Argon2id parameters for this machine."`
	Healthcheck healthcheckCmd `cmd:"" group:"look" help:"Ask the server on this machine whether it is ready; exit 1 when not."`
	User        userCmd        `cmd:"" group:"manage" help:"Accounts: create, list, show, disable, enable, sign out, delete."`
	Tenant      tenantCmd      `cmd:"" group:"manage" help:"Tenants: create, list, set."`
	Role        roleCmd        `cmd:"" group:"manage" help:"Roles and permissions."`
	Client      clientCmd      `cmd:"" group:"manage" help:"OAuth clients: create, list, show, rotate their secrets, disable, enable, delete."`
	Key         keyCmd         `cmd:"" group:"manage" help:"Signing keys: list, rotate, reseal under a new master key."`
	Audit       auditCmd       `cmd:"" group:"manage" help:"The audit log: who did what."`
	Perform     performCmd     `cmd:"" group:"look" help:"Act as an OAuth client, against any server."`
	Completion  completionCmd  `cmd:"" group:"look" help:"Print the script that completes commands in bash, zsh or fish."`
	Man         manCmd         `cmd:"" group:"look" help:"Print the manual page: watchword man | man -l -"`
	Version     versionCmd     `cmd:"" group:"look" help:"Print what this binary was built from."`

	VersionFlag kong.VersionFlag `name:"version" help:"Print what this binary was built from."`
}

// Common are the flags of every command.
type Common struct {
	Config   string `placeholder:"FILE" help:"Configuration file (default: watchword.yaml, if there)."`
	Listen   string `placeholder:"ADDR" help:"Public listener, such as 127.0.0.1:8080."`
	Manage   string `placeholder:"ADDR" help:"Management listener, such as 127.0.0.1:9090."`
	Issuer   string `placeholder:"URL" help:"Base URL as users see it."`
	Data     string `placeholder:"DIR" help:"Folder for the database and other files."`
	Database string `placeholder:"URL" help:"sqlite:PATH or postgres://…"`
	JSON     bool   `name:"json" help:"Print JSON instead of lines for people."`
}

// run carries out one command and returns the exit code: 0 done, 1 failed, 2 not
// understood.
func run(ctx context.Context, args []string, w world) int {
	var c commands
	if len(args) == 0 {
		args = []string{"--help"}
	}
	exited := -1
	parser := newParser(&c, w, func(code int) { exited = code })
	if args[0] == completeWord {
		complete(w.Out, parser.Model, args[1:])
		return 0
	}
	if args[0] == "help" {
		args = append(args[1:], "--help")
	}
	cmd, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		fmt.Fprintf(w.Err, "watchword: %v; see: %s --help\n", err, commandOf(err))
		return 2
	}
	e := &env{ctx: ctx, world: w, common: c.Common}
	if err := cmd.Run(e, parser.Model); err != nil {
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			err = errors.New("interrupted")
		}
		report(w.Err, err)
		return 1
	}
	return 0
}

// commandOf is the command that could not be understood, as far as it was.
func commandOf(err error) string {
	e, ok := errors.AsType[*kong.ParseError](err)
	if !ok || e.Context == nil || e.Context.Selected() == nil {
		return "watchword"
	}
	name := []string{"watchword"}
	for _, p := range e.Context.Path {
		if p.Command != nil {
			name = append(name, p.Command.Name)
		}
	}
	return strings.Join(name, " ")
}

func newParser(c *commands, w world, exit func(int)) *kong.Kong {
	return kong.Must(c,
		kong.Name("watchword"),
		kong.Description("Authentication for APIs.\n\nStart with: watchword dev"),
		kong.UsageOnError(),
		kong.Writers(w.Out, w.Err),
		kong.Exit(exit),
		kong.Vars{"version": "watchword " + version()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Help(help),
		kong.ExplicitGroups([]kong.Group{
			{Key: "serve", Title: "Serving"}, {Key: "manage", Title: "Managing, also beside a running server"}, {Key: "look", Title: "Looking"},
		}),
	)
}

// help leaves the flags of every command out of the help of one: they are shown once,
// by watchword --help.
func help(options kong.HelpOptions, ctx *kong.Context) error {
	if !slices.ContainsFunc(ctx.Path, func(p *kong.Path) bool { return p.Command != nil }) {
		return kong.DefaultHelpPrinter(options, ctx)
	}
	for _, f := range ctx.Model.Flags {
		f.Hidden = f != ctx.Model.HelpFlag
	}
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}
	_, err := fmt.Fprintln(ctx.Stdout, "\nFlags of every command, such as --config, --data and --json: watchword --help")
	return err
}

// report prints an error for people: every problem of a configuration on lines of
// its own, a refusal without its code.
func report(out io.Writer, err error) {
	if ps := config.Problems(err); len(ps) > 0 {
		fmt.Fprintln(out, "watchword: the configuration cannot be used:")
		for _, p := range ps {
			fmt.Fprintf(out, "  - %v\n", p)
		}
		return
	}
	if e, ok := errors.AsType[*auth.Error](err); ok && e.Kind != auth.KindInternal {
		fmt.Fprintf(out, "watchword: %s\n", e.Msg)
		for _, r := range e.Reasons {
			fmt.Fprintf(out, "  - %s\n", r.Msg)
		}
		if e.Kind == auth.KindUnavailable {
			fmt.Fprintf(out, "  (%v)\n", e.Err)
		}
		return
	}
	fmt.Fprintf(out, "watchword: %v\n", err)
}
