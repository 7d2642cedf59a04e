package attacks_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// required are the attacks and faults that this server must be tested by, as ranges
// of ids.
var required = []string{
	"AZ-01…46", "TK-01…39", "RT-01…18", "DP-01…09", "EP-01…19", "JV-01…28", "PW-01…20", "SE-01…14", "BF-01…13", "HT-01…10", "OP-01…08",
	"FL-01", "FL-03…06", "FL-08…12", "FL-15", "FL-17", "FL-18", "FL-21", "FL-23",
}

// withTheirSurface are those that attack something which is not there yet; their tests come
// with it.
var withTheirSurface = map[string]string{
	"JV-25": "guard has no introspection mode",
	"JV-26": "guard has no introspection mode",
	"PW-11": "there is no second factor",
}

// repairs are the faults that were found by examination, each with tests of its own
// (TestRepair_…), as ranges of ids.
var repairs = []string{"S-1…24", "R-1…8", "B-2…10", "B-12", "B-13", "C-1…8", "H-1…12", "P-1", "N-1…22"}

// heldElsewhere are those whose tests have other names, and those that are words in the
// documentation.
var heldElsewhere = map[string]string{
	"R4":  "TestRepair_S1 and TestRepair_R3 ask every audience",
	"R7":  "cmd/watchword/testdata/dev_folder.txtar and dev_public.txtar",
	"R8":  "internal/login: TestRaisingInParallel",
	"C6":  "docs/conformance.md",
	"C8":  "docs/conformance.md",
	"N5":  "TestRepair_B8",
	"N11": "docs/browser-apps.md",
	"N14": "cmd/watchword/testdata/dev_folder.txtar",
}

var repairInName = regexp.MustCompile(`(?m)^func TestRepair_([A-Z][0-9]+)_`)

var (
	idInName = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w*)`)
	idInText = regexp.MustCompile("[\"`]((?:[A-Z]{2}-[0-9]{2}[ ,/]*)+)")
	idAlone  = regexp.MustCompile(`([A-Z]{2})[-_]([0-9]{2})`)
)

// tested finds the ids in the names of tests and of subtests, and where they are.
func tested(t *testing.T, root string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
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
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		where, _ := filepath.Rel(root, path)
		for _, m := range repairInName.FindAllStringSubmatch(string(b), -1) {
			found[m[1]] = append(found[m[1]], where)
		}
		for _, m := range append(idInName.FindAllStringSubmatch(string(b), -1), idInText.FindAllStringSubmatch(string(b), -1)...) {
			for _, id := range idAlone.FindAllStringSubmatch(m[1], -1) {
				name := id[1] + "-" + id[2]
				if !slices.Contains(found[name], where) {
					found[name] = append(found[name], where)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestCoverage: every required id is the name of a test somewhere in the repository,
// or attacks something that is not there yet.
func TestCoverage(t *testing.T) {
	t.Parallel()
	found := tested(t, filepath.Join("..", "..", ".."))
	requireTested(t, found, required, "%s-%02d", withTheirSurface)
	requireTested(t, found, repairs, "%s%d", heldElsewhere)
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
