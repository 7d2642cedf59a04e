package attacks_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the last column of docs/attacks.md")

var attackRow = regexp.MustCompile(`(?m)^\| ([A-Z]{2}-[0-9]{2}) (\|.*\|)[^|\n]*\|$`)

// TestDocument compares the last column of docs/attacks.md with the tests that carry
// each id.
func TestDocument(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "..")
	name := filepath.Join(root, "docs", "attacks.md")
	page, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	holders := testsByID(t, root)
	listed := map[string]bool{}
	want := attackRow.ReplaceAllStringFunc(string(page), func(row string) string {
		cells := attackRow.FindStringSubmatch(row)
		if listed[cells[1]] {
			t.Errorf("docs/attacks.md lists %s twice", cells[1])
		}
		listed[cells[1]] = true
		return "| " + cells[1] + " " + cells[2] + " " + holderCell(holders[cells[1]]) + " |"
	})
	for id := range holders {
		if !listed[id] {
			t.Errorf("%v test %s, which docs/attacks.md does not list", holders[id], id)
		}
	}
	if want == string(page) {
		return
	}
	if !*update {
		t.Fatal("docs/attacks.md is out of date: run go generate ./internal/servertest/attacks")
	}
	if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// holderCell writes the packages and test names of one id, at most three of them.
func holderCell(tests []string) string {
	if len(tests) == 0 {
		return "*open*"
	}
	const most = 3
	cell := "`" + strings.Join(tests[:min(len(tests), most)], "`, `") + "`"
	if len(tests) > most {
		cell += ", …"
	}
	return cell
}

var (
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w*)`)
	idInName = regexp.MustCompile(`([A-Z]{2})((?:_[0-9]{2})+)`) // one group, one or more numbers
	shortDir = strings.NewReplacer("internal/servertest/", "", "internal/", "")
)

// testsByID returns the tests that carry an id in their name or in the name of a
// subtest, as package.Test.
func testsByID(t *testing.T, root string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, name := range testFiles(t, root) {
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		starts := testFunc.FindAllStringSubmatchIndex(text, -1)
		for i, s := range starts {
			end := len(text)
			if i+1 < len(starts) {
				end = starts[i+1][0]
			}
			test := text[s[2]:s[3]]
			var ids [][]string
			for _, m := range idInName.FindAllStringSubmatch(test, -1) {
				for number := range strings.SplitSeq(m[2][1:], "_") {
					ids = append(ids, []string{"", m[1], number})
				}
			}
			for _, quoted := range idInText.FindAllStringSubmatch(text[s[0]:end], -1) {
				ids = append(ids, idAlone.FindAllStringSubmatch(quoted[1], -1)...)
			}
			for _, m := range ids {
				id, holder := m[1]+"-"+m[2], shortDir.Replace(filepath.Dir(name))+"."+test
				if !slices.Contains(found[id], holder) {
					found[id] = append(found[id], holder)
				}
			}
		}
	}
	return found
}
