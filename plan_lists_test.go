package plan

import (
	"go/ast"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stringConstants reads the string constants of a file whose names have the prefix, as
// value to name.
func stringConstants(t *testing.T, file, prefix string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, f := range production(t) {
		if f.name != file {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || len(v.Names) != 1 || len(v.Values) != 1 || !strings.HasPrefix(v.Names[0].Name, prefix) {
				return true
			}
			if lit, ok := v.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				value, _ := strconv.Unquote(lit.Value)
				if out[value] != "" {
					t.Errorf("%s: %s and %s have the same value", file, out[value], v.Names[0].Name)
				}
				out[value] = v.Names[0].Name
			}
			return true
		})
	}
	if len(out) == 0 {
		t.Fatalf("%s has no constants %s…", file, prefix)
	}
	return out
}

// requireUsed fails the test for constants that production code does not use.
func requireUsed(t *testing.T, constants map[string]string) {
	t.Helper()
	uses := map[string]int{}
	for _, f := range production(t) {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				uses[id.Name]++
			}
			return true
		})
	}
	for _, name := range constants {
		if uses[name] < 2 {
			t.Errorf("%s is used nowhere", name)
		}
	}
}

const codesFile = "internal/auth/codes.go"

// TestErrorCodes: auth/codes.go declares every code, code names no code by a literal, and
// docs/api.md lists the same codes.
func TestErrorCodes(t *testing.T) {
	t.Parallel()
	codes := stringConstants(t, codesFile, "Code")
	requireUsed(t, codes)
	position := map[string]int{"Invalid": 0, "Refuse": 1, "problem": 1} // of the code among the arguments
	for _, f := range production(t) {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !strings.HasPrefix(f.name, "internal/") {
				return true
			}
			var name string
			switch fn := call.Fun.(type) {
			case *ast.Ident:
				name = fn.Name
			case *ast.SelectorExpr:
				name = fn.Sel.Name
			}
			if i, ok := position[name]; ok && len(call.Args) == 3 {
				if lit, ok := call.Args[i].(*ast.BasicLit); ok && lit.Kind == token.STRING {
					t.Errorf("%s: %s is a literal: error codes are constants of %s", fset.Position(lit.Pos()), lit.Value, codesFile)
				}
			}
			return true
		})
	}
	documented := map[string]bool{}
	section := between(t, "docs/api.md", "## Errors", "## ")
	for _, line := range strings.Split(section, "\n") {
		if cells := strings.Split(line, "|"); len(cells) == 5 {
			for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(cells[2], -1) {
				documented[m[1]] = true
			}
		}
	}
	if d := cmp.Diff(sorted(codes), sorted(documented)); d != "" {
		t.Errorf("the codes of %s and those in the tables of docs/api.md, section Errors, differ (-code +docs):\n%s", codesFile, d)
	}
}

// TestPasswordReasons: docs/api.md lists the reasons for which a password is refused.
func TestPasswordReasons(t *testing.T) {
	t.Parallel()
	reasons := stringConstants(t, "internal/password/policy.go", "Reason")
	delete(reasons, "unavailable") // becomes an error of its own
	documented := map[string]bool{}
	_, list, _ := strings.Cut(between(t, "docs/api.md", "## Errors", "## "), "The reasons of `password_refused`:")
	for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(list, -1) {
		documented[m[1]] = true
	}
	if d := cmp.Diff(sorted(reasons), sorted(documented)); d != "" {
		t.Errorf("the reasons of internal/password and those in docs/api.md differ (-code +docs):\n%s", d)
	}
}

// between returns the part of a document from a line to the next line that begins with to.
func between(t *testing.T, file, from, to string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "\n"+from+"\n")
	if !ok {
		t.Fatalf("%s has no line %q", file, from)
	}
	part, _, _ := strings.Cut(rest, "\n"+to)
	return part
}

// TestEvents: auth/event.go declares every kind of event, and production code records each.
func TestEvents(t *testing.T) {
	t.Parallel()
	requireUsed(t, stringConstants(t, "internal/auth/event.go", "Event"))
	for _, f := range production(t) {
		if !strings.HasPrefix(f.name, "internal/") {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			event, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			if sel, ok := event.Type.(*ast.SelectorExpr); !ok || sel.Sel.Name != "Event" {
				return true
			}
			for _, e := range event.Elts {
				if lit, ok := e.(*ast.KeyValueExpr).Value.(*ast.BasicLit); ok {
					t.Errorf("%s: %s is a literal: kinds of events are constants of internal/auth/event.go", fset.Position(lit.Pos()), lit.Value)
				}
			}
			return true
		})
	}
}

// TestMetrics: the table of docs/operations.md lists exactly the metrics that the code
// registers.
func TestMetrics(t *testing.T) {
	t.Parallel()
	registered, documented := map[string]bool{}, map[string]bool{}
	for _, f := range production(t) {
		if !strings.HasPrefix(f.name, "internal/") {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && strings.HasPrefix(lit.Value, `"watchword_`) {
				name, _ := strconv.Unquote(lit.Value)
				registered[strings.TrimRight(name, "{")] = true
			}
			return true
		})
	}
	for _, line := range lines(t, "docs/operations.md") {
		if cells := strings.Split(line, "|"); len(cells) == 5 {
			for _, m := range regexp.MustCompile("`(watchword_[a-z_]+)`").FindAllStringSubmatch(cells[1], -1) {
				documented[m[1]] = true
			}
		}
	}
	if d := cmp.Diff(sorted(registered), sorted(documented)); d != "" {
		t.Errorf("the metrics of the code and those in the table of docs/operations.md differ (-code +docs):\n%s", d)
	}
}

// TestRates: the rates in code and in the route table are the rows of config/limits.go, and
// docs/limits.md shows the default of every row.
func TestRates(t *testing.T) {
	t.Parallel()
	rows := map[string]string{}
	for _, line := range lines(t, "internal/config/limits.go") {
		if m := regexp.MustCompile(`^\t\{"([a-z_]+\.[a-z_]+)", "([^"]+)", "`).FindStringSubmatch(line); m != nil {
			rows[m[1]] = m[2]
		}
	}
	page := strings.Join(lines(t, "docs/limits.md"), "\n")
	for name, rate := range rows {
		if !strings.Contains(page, "`limits."+name+"` "+rate) {
			t.Errorf("docs/limits.md does not show `limits.%s` %s", name, rate)
		}
	}
	asked := map[string]bool{}
	ask := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			name, _ := strconv.Unquote(lit.Value)
			asked[name] = true
			if rows[name] == "" {
				t.Errorf("%s: %s is not a rate of internal/config/limits.go", fset.Position(lit.Pos()), lit.Value)
			}
		}
	}
	for _, f := range production(t) {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.IndexExpr:
				if sel, ok := n.X.(*ast.SelectorExpr); ok && sel.Sel.Name == "Rates" {
					ask(n.Index)
				}
			case *ast.CompositeLit: // a limit of the route table
				if sel, ok := n.Type.(*ast.SelectorExpr); ok && sel.Sel.Name == "Limit" {
					ask(rateOf(n))
				}
			}
			return true
		})
	}
	for name := range rows {
		if !asked[name] {
			t.Errorf("the rate %s of internal/config/limits.go is used nowhere", name)
		}
	}
	if len(rows) == 0 {
		t.Error("no rows found")
	}
}

// rateOf returns the rate of a limit of the route table: its name where it has no rate, nil for
// unlimited.
func rateOf(limit *ast.CompositeLit) (rate ast.Expr) {
	for _, e := range limit.Elts {
		field := e.(*ast.KeyValueExpr)
		switch field.Key.(*ast.Ident).Name {
		case "Rate":
			return field.Value
		case "Name":
			rate = field.Value
		}
	}
	if lit, ok := rate.(*ast.BasicLit); ok && lit.Value == `"unlimited"` {
		return nil
	}
	return rate
}

// TestSettingsAreRead: the assembly or a command reads every setting.
func TestSettingsAreRead(t *testing.T) {
	t.Parallel()
	read, called := map[string]bool{}, map[ast.Expr]bool{}
	for _, f := range production(t) {
		if f.pkg != "internal/server" && f.pkg != "cmd/watchword" && f.pkg != "internal/config" {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr: // of a method, which is no setting
				called[n.Fun] = true
			case *ast.SelectorExpr:
				if !called[n] {
					read[n.Sel.Name] = true
				}
			}
			return true
		})
	}
	settings := 0
	for _, f := range production(t) {
		if f.pkg != "internal/config" {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			field, ok := n.(*ast.Field)
			if !ok || field.Tag == nil || !strings.Contains(field.Tag.Value, `key:"`) {
				return true
			}
			settings++
			if name := field.Names[0].Name; !read[name] {
				t.Errorf("%s: nothing reads the setting %s", fset.Position(field.Pos()), name)
			}
			return true
		})
	}
	if settings == 0 {
		t.Error("no settings found")
	}
}
