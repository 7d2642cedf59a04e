package attacks_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// required are the attacks and faults that this server must be tested by, as ranges
// of ids.
var required = []string{
	"AZ-01…46", "TK-01…39", "RT-01…18", "DP-01…09", "EP-01…19", "JV-01…28", "PW-01…20", "MF-01…15", "SE-01…14", "BF-01…13", "HT-01…10", "OP-01…08",
	"FL-01", "FL-03…06", "FL-08…12", "FL-15", "FL-17", "FL-18", "FL-21", "FL-23",
}

// withTheirSurface are those that attack something which is not there yet; their tests come
// with it.
var withTheirSurface = map[string]string{
	"JV-25": "guard has no introspection mode",
	"JV-26": "guard has no introspection mode",
}

// repairs are the faults that were found by examination, each with tests of its own
// (TestRepair_…), as ranges of ids.
var repairs = []string{"S-1…24", "R-1…8", "B-1…13", "C-1…8", "H-1…12", "P-1", "N-1…22"}

// heldElsewhere are those whose tests have other names, and those that are words in the
// documentation.
var heldElsewhere = map[string]string{
	"R4":  "TestRepair_S1 and TestRepair_R3 ask every audience",
	"R7":  "cmd/watchword/testdata/dev_folder.txtar and dev_public.txtar",
	"R8":  "internal/login: TestUpgradeInParallel",
	"C6":  "docs/conformance.md",
	"C8":  "docs/conformance.md",
	"N5":  "TestRepair_B8",
	"N11": "docs/browser-apps.md",
	"N14": "cmd/watchword/testdata/dev_folder.txtar",
}

var repairInName = regexp.MustCompile(`(?m)^func TestRepair_([A-Z][0-9]+)_`)

var (
	idInText = regexp.MustCompile("[\"`]((?:[A-Z]{2}-[0-9]{2}[ ,/]*)+)")
	idAlone  = regexp.MustCompile(`([A-Z]{2})[-_]([0-9]{2})`)
)

// testFiles returns the test files of the repository, with slashes, relative to root.
func testFiles(t *testing.T, root string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "coverage_test.go") {
			return nil
		}
		name, err := filepath.Rel(root, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// repairTests returns the files that test each repair.
func repairTests(t *testing.T, root string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, name := range testFiles(t, root) {
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range repairInName.FindAllStringSubmatch(string(b), -1) {
			found[m[1]] = append(found[m[1]], name)
		}
	}
	return found
}

// TestCoverage: every required id is in the name of a test, or its attack needs something that
// does not exist yet.
func TestCoverage(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "..")
	requireTested(t, testsByID(t, root), required, "%s-%02d", withTheirSurface)
	requireTested(t, repairTests(t, root), repairs, "%s%d", heldElsewhere)
}

func requireTested(t *testing.T, found map[string][]string, entries []string, format string, excuses map[string]string) {
	t.Helper()
	for _, entry := range entries {
		group, numbers, _ := strings.Cut(entry, "-")
		var first, last int
		if n, _ := fmt.Sscanf(strings.ReplaceAll(numbers, "…", " "), "%d %d", &first, &last); n == 1 {
			last = first
		}
		for i := first; i <= last; i++ {
			id := fmt.Sprintf(format, group, i)
			why, excused := excuses[id]
			switch {
			case len(found[id]) == 0 && !excused:
				t.Errorf("%s is tested nowhere", id)
			case len(found[id]) > 0 && excused:
				t.Errorf("%s is tested in %v; it need not be excused any more (%s)", id, found[id], why)
			default:
				t.Logf("%s %s %s", id, strings.Join(found[id], ", "), why)
			}
		}
	}
}
