// Command watchword is authentication for APIs in one binary: the server, its
// development mode and the operator's tools.
//
// Each command is one file. main passes the context, the arguments and the system
// (environment, standard streams, browser) to run, so that tests can replace them.
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
	code := run(ctx, os.Args[1:], system{Env: os.Environ(), In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}

// system is what a command uses outside of the process.
type system struct {
	Env      []string
	In       io.Reader
	Out, Err io.Writer
	// Browse opens a URL in the user's browser, Pause waits. If nil, the defaults apply.
	Browse func(address string) error
	Pause  func(context.Context, time.Duration) error
}

type commands struct {
	Common

	Dev         devCmd         `cmd:"" group:"server" help:"Run a development server with an embedded database and a mailbox in the browser."`
	Serve       serveCmd       `cmd:"" group:"server" help:"Run the production server. Refuses to start with unsafe settings."`
	Migrate     migrateCmd     `cmd:"" group:"server" help:"Migrate the database schema and exit."`
	Backup      backupCmd      `cmd:"" group:"server" help:"Write a verified backup of the SQLite database. The server may be running."`
	Restore     restoreCmd     `cmd:"" group:"server" help:"Replace the SQLite database with a backup. The server must be stopped."`
	Doctor      doctorCmd      `cmd:"" group:"diagnostics" help:"Check the configuration and its environment, and show the effective settings."`
	ConfigCmd   configCmd      `cmd:"" name:"config" group:"diagnostics" help:"Print a commented sample, the JSON Schema or the manual of watchword.yaml."`
	Calibrate   calibrateCmd   `cmd:"" group:"diagnostics" help:"Measure this machine and suggest Argon2id parameters."`
	Healthcheck healthcheckCmd `cmd:"" group:"diagnostics" help:"Check whether the local server is ready; exit 1 if not."`
	User        userCmd        `cmd:"" group:"administration" help:"Manage user accounts."`
	Tenant      tenantCmd      `cmd:"" group:"administration" help:"Manage tenants and their settings."`
	Role        roleCmd        `cmd:"" group:"administration" help:"Manage roles and permissions."`
	Client      clientCmd      `cmd:"" group:"administration" help:"Manage OAuth clients."`
	Key         keyCmd         `cmd:"" group:"administration" help:"Manage signing keys and the master key."`
	Audit       auditCmd       `cmd:"" group:"administration" help:"Read the audit log."`
	OAuth       oauthCmd       `cmd:"" name:"oauth" group:"diagnostics" help:"Get tokens as an OAuth client, from any server."`
	Completion  completionCmd  `cmd:"" group:"other" help:"Print the completion script for bash, zsh or fish."`
	Man         manCmd         `cmd:"" group:"other" help:"Print the manual page, to read with: watchword man | man -l -"`
	Version     versionCmd     `cmd:"" group:"other" help:"Print the version."`

	VersionFlag kong.VersionFlag `name:"version" help:"Print the version."`
}

// Common are the global flags.
type Common struct {
	Config   string `placeholder:"FILE" help:"Configuration file (default: watchword.yaml, if it exists)."`
	Listen   string `placeholder:"ADDR" help:"Address of the public listener, such as 127.0.0.1:8080."`
	Manage   string `placeholder:"ADDR" help:"Address of the management listener, such as 127.0.0.1:9090."`
	Issuer   string `placeholder:"URL" help:"Issuer: the public base URL of the server."`
	Data     string `placeholder:"DIR" help:"Data directory, for the database and other files."`
	Database string `placeholder:"URL" help:"Database: sqlite:PATH or postgres://…"`
	JSON     bool   `name:"json" help:"Print JSON."`
}

// run executes one command and returns the exit code: 0 success, 1 failure, 2 usage
// error.
func run(ctx context.Context, args []string, w system) int {
	var c commands
	if len(args) == 0 {
		args = []string{"--help"}
	}
	exitCode := -1
	parser := newParser(&c, w, func(code int) { exitCode = code })
	if args[0] == completeCommand {
		complete(w.Out, parser.Model, args[1:])
		return 0
	}
	if args[0] == "help" {
		args = append(args[1:], "--help")
	}
	cmd, err := parser.Parse(args)
	if exitCode >= 0 {
		return exitCode
	}
	if err != nil {
		msg := strings.TrimSuffix(err.Error(), ` but got "EOL" (<EOL>)`) // the value is missing
		fmt.Fprintf(w.Err, "watchword: %s; see: %s --help\n", msg, commandOf(err))
		return 2
	}
	e := &env{ctx: ctx, system: w, common: c.Common}
	if err := cmd.Run(e, parser.Model); err != nil {
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			err = errors.New("interrupted")
		}
		report(w.Err, err)
		return 1
	}
	return 0
}

// commandOf returns the command of a usage error, as far as it was parsed.
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

func newParser(c *commands, w system, exit func(int)) *kong.Kong {
	return kong.Must(c,
		kong.Name("watchword"),
		kong.Description("Authentication for APIs.\n\nStart with: watchword dev"),
		kong.UsageOnError(),
		kong.Writers(w.Out, w.Err),
		kong.Exit(exit),
		kong.Vars{"version": "watchword " + version(), "grants": grantNames()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Help(printHelp),
		kong.ExplicitGroups([]kong.Group{
			{Key: "server", Title: "Server"}, {Key: "administration", Title: "Administration (works while the server runs)"},
			{Key: "diagnostics", Title: "Diagnostics"}, {Key: "other", Title: "Other"},
		}),
	)
}

// printHelp prints the help of a command without the global flags, which only
// watchword --help shows.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if !slices.ContainsFunc(ctx.Path, func(p *kong.Path) bool { return p.Command != nil }) {
		return kong.DefaultHelpPrinter(options, ctx)
	}
	for _, f := range ctx.Model.Flags {
		f.Hidden = f != ctx.Model.HelpFlag
	}
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}
	_, err := fmt.Fprintln(ctx.Stdout, "\nGlobal flags, such as --config, --data and --json: watchword --help")
	return err
}

// report prints an error: each configuration problem on its own line, an auth.Error
// without its code.
func report(out io.Writer, err error) {
	if ps := config.Problems(err); len(ps) > 0 {
		fmt.Fprintln(out, "watchword: invalid configuration:")
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
