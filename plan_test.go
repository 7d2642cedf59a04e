// Package plan holds the plan of the house (ARCHITECTURE.md) as tests: which room
// may use which, what may be said where, how statements and schemas look, and what
// we depend on. A rule that fails teaches: its message says what to do instead.
package plan

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/watchword-auth/watchword/"

// ladder is the plan: a room imports only rooms on lower lines, never one on its
// own. A room that is not here is a decision nobody has taken yet.
var ladder = [][]string{
	{"cmd/watchword", "bench", "examples/go-api"},
	{"internal/servertest/attacks", "internal/servertest/browser", "internal/servertest/clients", "internal/servertest/conformance"},
	{"internal/servertest"},
	{"internal/server"},
	{"internal/web", "internal/gateway", "internal/outbox"},
	{"internal/web/ui"},
	{"internal/account", "internal/login", "internal/oidc", "internal/access", "internal/tenant"},
	{"internal/token", "internal/session"},
	{"internal/keys", "internal/limit", "internal/outbound"},
	{"internal/store/storetest"},
	{"internal/store"},
	{"guard/guardtest"},
	{"internal/secret", "internal/password", "internal/otp", "internal/passkey", "guard"},
	{"internal/auth", "internal/fault", "internal/config", "internal/outbox/smtptest"},
}

// only are rooms that few may enter, though they stand below many.
var only = map[string][]string{
	"internal/config":     {"cmd/watchword", "internal/server", "internal/servertest"},
	"internal/server":     {"cmd/watchword", "internal/servertest"},
	"internal/web":        {"internal/server"},
	"internal/web/ui":     {"internal/web"},
	"internal/fault":      {"cmd/watchword", "internal/server", "internal/store", "internal/token", "internal/outbox"},
	"internal/gateway":    {"internal/server"},
	"internal/oidc":       {"cmd/watchword", "internal/server", "internal/servertest/attacks", "internal/web"},
	"internal/outbox":     {"internal/server", "internal/servertest"},
	"internal/servertest": {"internal/servertest/attacks", "internal/servertest/browser", "internal/servertest/clients", "internal/servertest/conformance"},
	"internal/passkey":    {"internal/login"},
	"internal/otp":        {"internal/login"},
	"guard/guardtest":     {"bench"},
	"guard":               {"guard/guardtest", "internal/token", "internal/oidc", "internal/web", "internal/gateway", "bench", "examples/go-api"},
	"internal/password":   {"internal/account", "internal/login", "internal/tenant", "internal/web", "internal/server", "internal/servertest", "cmd/watchword", "bench"},
}

// testRooms serve tests alone; "testing" is imported in no other room.
var testRooms = []string{"internal/store/storetest", "internal/servertest", "internal/servertest/attacks", "internal/servertest/browser", "internal/servertest/clients", "internal/servertest/conformance", "internal/outbox/smtptest", "guard/guardtest"}

// reserved says which rooms may import a package, and where its work belongs instead.
var reserved = map[string]struct {
	rooms  []string
	reason string
}{
	"net/http": {
		[]string{"internal/web", "internal/web/ui", "internal/gateway", "internal/outbox", "internal/outbound", "internal/login", "internal/server", "internal/servertest",
			"internal/token", "internal/limit", "guard", "guard/guardtest", "cmd/watchword", "bench", "examples/go-api"},
		"a status, header or cookie belongs in web; a decision does not know HTTP",
	},
	"database/sql":  {[]string{"internal/store", "internal/store/storetest", "bench"}, "statements live in store"},
	"os/signal":     {[]string{"cmd/watchword", "bench"}, "only the process hears signals"},
	"html/template": {[]string{"internal/web", "internal/web/ui", "internal/outbox"}, "HTML is written in web/ui, and in the mails of outbox"},
	"math/rand":     {nil, "secrets come from internal/secret, jitter from math/rand/v2"},
	"math/rand/v2":  {[]string{"internal/store", "internal/outbox", "internal/limit", "bench"}, "only jitter may be guessed; secrets come from internal/secret"},
	"crypto/rand": {
		[]string{"internal/secret", "internal/password", "internal/keys", "internal/otp", "internal/passkey", "guard", "guard/guardtest",
			"internal/store/storetest", "internal/servertest", "internal/outbox/smtptest", "cmd/watchword", "bench"},
		"random bytes come from internal/secret",
	},
	"os": {
		[]string{"internal/config", "internal/store", "internal/store/storetest", "internal/fault", "internal/server", "internal/servertest", "internal/password",
			"internal/limit", "cmd/watchword", "bench", "examples/go-api"},
		"files and the environment belong to cmd/watchword and config",
	},
	"testing": {testRooms, "production code does not import testing"},
	"unsafe":  {nil, "nothing here is worth it"},
	"reflect": {[]string{"internal/store", "internal/config", "cmd/watchword"}, "types say it better"},
}

// clocks may call time.Now; defaults may name it as the documented default of a Now
// that callers inject. Everybody else is given the time.
var (
	clocks   = append([]string{"cmd/watchword", "internal/fault", "bench", "examples/go-api"}, testRooms...)
	defaults = []string{"guard", "internal/store", "internal/limit", "internal/password", "internal/keys", "internal/token", "internal/session",
		"internal/outbox", "internal/web", "internal/server"}
)

type file struct {
	name string // relative, with slashes
	room string
	test bool
	ast  *ast.File
}

var fset = token.NewFileSet()

// files parses every Go file of both modules, once.
var files = sync.OnceValues(func() ([]file, error) {
	var out []file
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := d.Name(); d.IsDir() && name != "." && (base == "testdata" || strings.HasPrefix(base, ".") || base == "node_modules") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		out = append(out, file{name, path.Dir(name), strings.HasSuffix(name, "_test.go"), parsed})
		return nil
	})
	return out, err
})

// production is every file that is not a test.
func production(t *testing.T) []file {
	t.Helper()
	all, err := files()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(slices.Clone(all), func(f file) bool { return f.test })
}

func imports(f file) []string {
	var out []string
	for _, i := range f.ast.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		out = append(out, p)
	}
	return out
}

func line(room string) int {
	return slices.IndexFunc(ladder, func(rooms []string) bool { return slices.Contains(rooms, room) })
}

func TestLadder(t *testing.T) {
	t.Parallel()
	for _, f := range production(t) {
		if f.room != "." && line(f.room) < 0 {
			t.Errorf("%s: the room %s is not on the plan. A new room is a decision: write docs/decisions/, ARCHITECTURE.md and the ladder here", f.name, f.room)
			continue
		}
		for _, p := range imports(f) {
			to, ours := strings.CutPrefix(p, module)
			if !ours {
				continue
			}
			switch {
			case line(to) < 0:
				t.Errorf("%s imports %s, which is not on the plan", f.name, to)
			case line(to) <= line(f.room):
				t.Errorf("%s imports %s, which is not on a lower line of the ladder", f.name, to)
			case only[to] != nil && !slices.Contains(only[to], f.room):
				t.Errorf("%s imports %s, which only %s may", f.name, to, strings.Join(only[to], ", "))
			case slices.Contains(testRooms, to) && !slices.Contains(testRooms, f.room) && f.room != "bench":
				t.Errorf("%s imports %s, which serves tests alone", f.name, to)
			}
		}
	}
}

func TestEachRoomOnce(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, room := range slices.Concat(ladder...) {
		if seen[room] {
			t.Errorf("%s stands on the ladder twice", room)
		}
		seen[room] = true
	}
	for room, users := range only {
		for _, r := range append(users, room) {
			if !seen[r] {
				t.Errorf("%s is named in a rule and not on the ladder", r)
			}
		}
	}
}

func TestReservedImports(t *testing.T) {
	t.Parallel()
	for _, f := range production(t) {
		for _, p := range imports(f) {
			if r, ok := reserved[p]; ok && !slices.Contains(r.rooms, f.room) {
				t.Errorf("%s imports %s: %s", f.name, p, r.reason)
			}
		}
	}
}

// auth is words and rules: the standard library without its doors to the world, and
// the two tables of Unicode that the standard library does not have.
func TestAuthIsPure(t *testing.T) {
	t.Parallel()
	for _, f := range production(t) {
		if f.room != "internal/auth" {
			continue
		}
		for _, p := range imports(f) {
			first, _, _ := strings.Cut(p, "/")
			standard := !strings.Contains(first, ".")
			if !standard && !strings.HasPrefix(p, "golang.org/x/text/") && p != "golang.org/x/net/idna" {
				t.Errorf("%s imports %s: auth uses the standard library, golang.org/x/text and idna", f.name, p)
			}
			if slices.Contains([]string{"os", "net", "io/fs", "log", "log/slog", "context", "sync", "os/exec"}, p) {
				t.Errorf("%s imports %s: auth has no I/O, no clock and no state", f.name, p)
			}
		}
	}
}

// guard is a module of its own, so that its users get go-jose and nothing else.
func TestGuardStandsAlone(t *testing.T) {
	t.Parallel()
	for _, f := range production(t) {
		if f.room != "guard" && f.room != "guard/guardtest" {
			continue
		}
		for _, p := range imports(f) {
			first, _, _ := strings.Cut(p, "/")
			if strings.Contains(first, ".") && !strings.HasPrefix(p, "github.com/go-jose/go-jose/v4") && p != module+"guard" {
				t.Errorf("%s imports %s: guard needs go-jose and nothing else", f.name, p)
			}
		}
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	for _, f := range production(t) {
		called := map[ast.Node]bool{}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if c, ok := n.(*ast.CallExpr); ok {
				called[c.Fun] = true
			}
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "Now" {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); !ok || x.Name != "time" {
				return true
			}
			at := fset.Position(sel.Pos())
			switch {
			case slices.Contains(clocks, f.room):
			case called[sel]:
				t.Errorf("%s calls time.Now: take the injected now, or tx.Now inside a transaction", at)
			case !slices.Contains(defaults, f.room):
				t.Errorf("%s names time.Now: only %s have it as a default", at, strings.Join(defaults, ", "))
			}
			return true
		})
	}
}

func TestPackageComments(t *testing.T) {
	t.Parallel()
	lines := map[string]int{}
	for _, f := range production(t) {
		n := 0
		if f.ast.Doc != nil {
			n = len(strings.Split(strings.TrimSpace(f.ast.Doc.Text()), "\n"))
			if lines[f.room] > 0 {
				t.Errorf("%s: a second package comment in %s", f.name, f.room)
			}
		}
		lines[f.room] = max(lines[f.room], n)
	}
	for room, n := range lines {
		least := 1
		if strings.HasPrefix(room, "internal/") || room == "guard" {
			least = 3
		}
		if n < least {
			t.Errorf("%s: its package comment has %d lines, at least %d say what the room holds, what it does not know and how it is used", room, n, least)
		}
	}
}
