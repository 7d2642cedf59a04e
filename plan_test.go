// Package plan holds ARCHITECTURE.md as tests: which package may import which, how
// statements, schemas and documents look, and what the module depends on. A rule that
// fails says what to do instead.
package plan

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/watchword-auth/watchword/"

// layers is the plan: a package imports only packages of lower lines, never one of its
// own line. A new package needs a line here and a decision record.
var layers = [][]string{
	{"cmd/watchword", "bench", "examples/go-api"},
	{"internal/servertest/attacks", "internal/servertest/browser", "internal/servertest/clients", "internal/servertest/conformance"},
	{"internal/servertest"},
	{"internal/server"},
	{"internal/web", "internal/outbox"},
	{"internal/web/pages", "internal/web/protocol", "internal/web/api"},
	{"internal/web/router", "internal/web/ui"},
	{"internal/account", "internal/login", "internal/oidc", "internal/access", "internal/tenant", "internal/client/clienttest"},
	{"internal/client", "internal/flow"},
	{"internal/token", "internal/session"},
	{"internal/keys", "internal/limit", "internal/outbound", "internal/place"},
	{"internal/store/storetest"},
	{"internal/store"},
	{"guard/guardtest", "internal/passkey/passkeytest", "internal/place/placetest"},
	{"internal/password", "internal/otp", "internal/passkey", "internal/oauth", "guard"},
	{"internal/secret"},
	{"internal/timer", "internal/auth", "internal/fault", "internal/config", "internal/outbox/smtptest"},
}

// only lists the importers of packages that few may import.
var only = map[string][]string{
	"internal/config":       {"cmd/watchword", "internal/server", "internal/servertest", "internal/store/storetest"},
	"internal/server":       {"cmd/watchword", "internal/servertest"},
	"internal/web":          {"internal/server"},
	"internal/web/pages":    {"internal/web", "internal/server"},
	"internal/web/protocol": {"internal/web"},
	"internal/web/api":      {"internal/web"},
	"internal/web/router":   {"internal/web", "internal/web/pages", "internal/web/protocol", "internal/web/api", "internal/server"},
	"internal/web/ui":       {"internal/web", "internal/web/pages"},
	"internal/fault":        {"cmd/watchword", "internal/server", "internal/store", "internal/token", "internal/outbox"},
	"internal/client":       {"internal/client/clienttest", "internal/oidc", "cmd/watchword", "internal/server", "internal/web", "internal/web/protocol", "internal/web/api"},
	"internal/oidc":         {"cmd/watchword", "internal/server", "internal/web", "internal/web/pages", "internal/web/protocol", "internal/web/api"},
	"internal/outbox":       {"internal/server", "internal/servertest"},
	"internal/servertest":   {"internal/servertest/attacks", "internal/servertest/browser", "internal/servertest/clients", "internal/servertest/conformance"},
	"guard/guardtest":       {"bench"},
	"guard":                 {"guard/guardtest", "internal/token", "internal/client", "internal/oidc", "internal/web/router", "internal/web/api", "bench", "examples/go-api"},
	"internal/password":     {"internal/account", "internal/login", "internal/tenant", "internal/web/router", "internal/server", "internal/servertest", "cmd/watchword", "bench"},
}

// testPackages serve tests only; no other package imports "testing".
var testPackages = []string{"internal/client/clienttest", "internal/store/storetest", "internal/servertest", "internal/servertest/attacks", "internal/servertest/browser", "internal/servertest/clients", "internal/servertest/conformance", "internal/outbox/smtptest", "guard/guardtest", "internal/passkey/passkeytest", "internal/place/placetest"}

// reserved says which packages may import a package, and where its work belongs instead.
var reserved = map[string]struct {
	users  []string
	reason string
}{
	"net/http": {
		[]string{"internal/web", "internal/web/pages", "internal/web/protocol", "internal/web/api", "internal/web/router", "internal/web/ui",
			"internal/outbound", "internal/server", "internal/servertest", "internal/client/clienttest",
			"internal/token", "guard", "guard/guardtest", "cmd/watchword", "bench", "examples/go-api"},
		"a status, header or cookie belongs in web; a decision does not know HTTP",
	},
	"database/sql":  {[]string{"internal/store", "internal/store/storetest", "bench"}, "statements live in store"},
	"os/signal":     {[]string{"cmd/watchword"}, "only the process handles signals"},
	"html/template": {[]string{"internal/web/ui", "internal/outbox"}, "HTML is written in web/ui, and in the mails of outbox"},
	"math/rand":     {nil, "use internal/secret for randomness, even of pauses"},
	"math/rand/v2":  {nil, "use internal/secret for randomness, even of pauses"},
	"crypto/rand": {
		[]string{"internal/secret", "guard", "guard/guardtest",
			"internal/store/storetest", "internal/outbox/smtptest", "internal/client/clienttest", "cmd/watchword", "bench"},
		"random bytes come from internal/secret",
	},
	"os": {
		[]string{"internal/config", "internal/store", "internal/store/storetest", "internal/fault", "internal/server", "internal/password", "internal/place", "internal/place/placetest", "cmd/watchword", "bench", "examples/go-api"},
		"files and the environment belong to cmd/watchword and config",
	},
	"testing": {testPackages, "production code does not import testing"},
	"unsafe":  {nil, "let the compiler check types"},
	"reflect": {[]string{"internal/store", "internal/config", "internal/client", "cmd/watchword"}, "use types"},
}

// clocks are the packages that may read the system's clock and start its timers. guard is
// a module of its own: it names time.Now as the default of its Config.
var clocks = append([]string{"cmd/watchword", "internal/timer", "internal/fault", "guard", "bench", "examples/go-api"}, testPackages...)

// clockFunctions are those of package time that read the system's clock or start its timers.
var clockFunctions = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}

type file struct {
	name string // relative, with slashes
	pkg  string // its folder
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

// production returns every file that is not a test.
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

// layer returns the index of a package's line, or -1.
func layer(pkg string) int {
	return slices.IndexFunc(layers, func(line []string) bool { return slices.Contains(line, pkg) })
}

func TestLayers(t *testing.T) {
	t.Parallel()
	for _, f := range production(t) {
		if f.pkg != "." && layer(f.pkg) < 0 {
			t.Errorf("%s: the package %s is not in layers: add it there and to ARCHITECTURE.md, with a record in docs/decisions", f.name, f.pkg)
			continue
		}
		for _, p := range imports(f) {
			to, ours := strings.CutPrefix(p, module)
			if !ours {
				continue
			}
			switch {
			case layer(to) < 0:
				t.Errorf("%s imports %s, which is not in layers", f.name, to)
			case layer(to) <= layer(f.pkg):
				t.Errorf("%s imports %s, which is not in a lower layer", f.name, to)
			case only[to] != nil && !slices.Contains(only[to], f.pkg):
				t.Errorf("%s imports %s, which only %s may", f.name, to, strings.Join(only[to], ", "))
			case slices.Contains(testPackages, to) && !slices.Contains(testPackages, f.pkg) && f.pkg != "bench":
				t.Errorf("%s imports %s, which serves tests only", f.name, to)
			}
		}
	}
}

func TestEachPackageOnce(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, pkg := range slices.Concat(layers...) {
		if seen[pkg] {
			t.Errorf("%s is in layers twice", pkg)
		}
		seen[pkg] = true
	}
	for pkg, users := range only {
		for _, r := range append(users, pkg) {
			if !seen[r] {
				t.Errorf("%s is named in a rule and is not in layers", r)
			}
		}
	}
}

// ARCHITECTURE.md shows every package, by its folder or after its parent's.
func TestArchitectureShowsEveryPackage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range slices.Concat(layers...) {
		name, internal := strings.CutPrefix(pkg, "internal/")
		folder := "─ " + path.Base(name) + "/"
		if internal && !strings.Contains(string(page), folder) && !strings.Contains(string(page), name+":") {
			t.Errorf("ARCHITECTURE.md does not show %s", pkg)
		}
	}
}

func TestReservedImports(t *testing.T) {
	t.Parallel()
	for _, f := range production(t) {
		for _, p := range imports(f) {
			if r, ok := reserved[p]; ok && !slices.Contains(r.users, f.pkg) {
				t.Errorf("%s imports %s: %s", f.name, p, r.reason)
			}
		}
	}
}

// auth has words and rules only: it may import the parts of the standard library without I/O, and
// two packages with Unicode tables.
func TestAuthIsPure(t *testing.T) {
	t.Parallel()
	for _, f := range production(t) {
		if f.pkg != "internal/auth" {
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

// guard is a separate module, so that its users get only go-jose with it.
func TestGuardStandsAlone(t *testing.T) {
	t.Parallel()
	for _, f := range production(t) {
		if f.pkg != "guard" && f.pkg != "guard/guardtest" {
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
		if slices.Contains(clocks, f.pkg) {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || !slices.Contains(clockFunctions, sel.Sel.Name) {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" {
				t.Errorf("%s uses time.%s: take the injected Now, tx.Now inside a transaction, or a timer.Source", fset.Position(sel.Pos()), sel.Sel.Name)
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
			if lines[f.pkg] > 0 {
				t.Errorf("%s: a second package comment in %s", f.name, f.pkg)
			}
		}
		lines[f.pkg] = max(lines[f.pkg], n)
	}
	for pkg, n := range lines {
		least := 1
		if strings.HasPrefix(pkg, "internal/") || pkg == "guard" {
			least = 3
		}
		if n < least {
			t.Errorf("%s: its package comment has %d lines; at least %d must say what the package does, what it does not do, and how to use it", pkg, n, least)
		}
	}
}
