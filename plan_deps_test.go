package plan

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDependencies: deps.txt, the direct requirements of go.mod and the imports are the same list.
func TestDependencies(t *testing.T) {
	t.Parallel()
	reasons, reasonless := map[string]string{}, 0
	for _, l := range lines(t, "deps.txt") {
		if strings.HasPrefix(l, "#") {
			continue
		}
		name, reason, ok := strings.Cut(l, " ")
		if reasons[name] = strings.TrimSpace(reason); !ok || reason == "" {
			reasonless++
		}
	}
	if reasonless > 0 {
		t.Errorf("%d dependencies of deps.txt have no reason", reasonless)
	}
	direct, all := required(t, "go.mod")
	if d := cmp.Diff(sorted(reasons), direct); d != "" {
		t.Errorf("deps.txt and the direct requirements of go.mod differ (-deps.txt +go.mod); each dependency needs a reason, and a decision record if it is new:\n%s", d)
	}
	if d := cmp.Diff(sorted(reasons), imported(t, all)); d != "" {
		t.Errorf("deps.txt and the imports differ (-deps.txt +imports):\n%s", d)
	}
}

func lines(t *testing.T, name string) []string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' })
}

func sorted[V any](m map[string]V) []string {
	out := []string{}
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// required returns the direct requirements of a go.mod, and all of them.
func required(t *testing.T, name string) (direct, all []string) {
	t.Helper()
	inside := false
	for _, l := range lines(t, name) {
		l = strings.TrimSpace(l)
		switch {
		case l == "require (":
			inside = true
			continue
		case l == ")":
			inside = false
		}
		one, ok := strings.CutPrefix(l, "require ")
		if ok {
			l = one
		}
		f := strings.Fields(l)
		if !ok && !inside || len(f) < 2 || !strings.HasPrefix(f[1], "v") {
			continue
		}
		if all = append(all, f[0]); !strings.HasSuffix(l, "// indirect") {
			direct = append(direct, f[0])
		}
	}
	slices.Sort(direct)
	return direct, all
}

// imported returns the modules whose packages the root module imports, tests included.
func imported(t *testing.T, modules []string) []string {
	t.Helper()
	every, err := files()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range every {
		if f.pkg == "guard" || strings.HasPrefix(f.pkg, "guard/") {
			continue
		}
		for _, p := range imports(f) {
			best := ""
			for _, m := range modules {
				if (p == m || strings.HasPrefix(p, m+"/")) && len(m) > len(best) {
					best = m
				}
			}
			if best != "" {
				found[best] = true
			}
		}
	}
	return sorted(found)
}

// The translated C library of SQLite works only with the version of its runtime that it was
// translated for; Go would select a newer one.
func TestSQLiteRuntime(t *testing.T) {
	t.Parallel()
	version := func(file string) string {
		for _, l := range lines(t, file) {
			if f := strings.Fields(strings.TrimPrefix(strings.TrimSpace(l), "require ")); len(f) >= 2 && f[0] == "modernc.org/libc" {
				return f[1]
			}
		}
		return "none"
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{.GoMod}}", "modernc.org/sqlite").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	if ours, theirs := version("go.mod"), version(strings.TrimSpace(string(out))); ours != theirs || ours == "none" {
		t.Errorf("modernc.org/libc is %s here and %s in modernc.org/sqlite: set it to the latter", ours, theirs)
	}
}
