package plan

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

const documentColumns = 120

// document is a Markdown file with its lines; lines of code are empty.
type document struct {
	name  string // relative, with slashes
	lines []string
}

// documents reads every Markdown file of the repository.
func documents(t *testing.T) []document {
	t.Helper()
	var out []document
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := d.Name(); d.IsDir() && name != "." && (strings.HasPrefix(base, ".") || base == "node_modules" || base == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".md" {
			return nil
		}
		text, err := os.ReadFile(name)
		out = append(out, document{filepath.ToSlash(name), withoutCode(strings.Split(string(text), "\n"))})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// withoutCode empties the lines of code blocks.
func withoutCode(lines []string) []string {
	fenced := false
	for i, line := range lines {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		if fence {
			fenced = !fenced
		}
		if fence || fenced || strings.HasPrefix(line, "    ") {
			lines[i] = ""
		}
	}
	return lines
}

// Lines of documents have at most documentColumns columns, except rows of tables.
func TestDocumentLines(t *testing.T) {
	t.Parallel()
	for _, d := range documents(t) {
		for i, line := range d.lines {
			words := strings.Fields(strings.TrimLeft(line, " -*>"))
			if n := utf8.RuneCountInString(line); n > documentColumns && len(words) > 1 && !strings.HasPrefix(strings.TrimSpace(line), "|") {
				t.Errorf("%s:%d has %d columns: write one sentence a line, at most %d columns", d.name, i+1, n, documentColumns)
			}
		}
	}
}

var documentLink = regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"`)

func TestDocumentLinks(t *testing.T) {
	t.Parallel()
	headings := map[string]map[string]bool{}
	for _, d := range documents(t) {
		headings[d.name] = anchors(d.lines)
	}
	for _, d := range documents(t) {
		for i, line := range d.lines {
			for _, m := range documentLink.FindAllStringSubmatch(line, -1) {
				target, anchor, anchored := strings.Cut(m[1]+m[2], "#")
				if strings.Contains(target, ":") {
					continue
				}
				name := d.name
				if target != "" {
					name = path.Join(path.Dir(d.name), target)
				}
				if _, err := os.Stat(name); err != nil {
					t.Errorf("%s:%d links %s, which does not exist", d.name, i+1, name)
				} else if anchored && headings[name] != nil && !headings[name][anchor] {
					t.Errorf("%s:%d links %s#%s, which is not one of its headings", d.name, i+1, name, anchor)
				}
			}
		}
	}
}

// anchors returns the names that forges give to headings.
func anchors(lines []string) map[string]bool {
	names := map[string]bool{}
	for _, line := range lines {
		title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if !ok || !strings.HasPrefix(line, "#") {
			continue
		}
		names[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, title)] = true
	}
	return names
}

// The guide links every document in docs.
func TestDocumentsAreOnTheMap(t *testing.T) {
	t.Parallel()
	const guide = "docs/README.md"
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range documents(t) {
		if path.Dir(d.name) == "docs" && d.name != guide && !strings.Contains(string(text), "("+path.Base(d.name)+")") {
			t.Errorf("%s is not linked from %s", d.name, guide)
		}
	}
}

// TestDecisionIndex: each record has its own number, and a row with its title in
// docs/decisions/README.md.
func TestDecisionIndex(t *testing.T) {
	t.Parallel()
	index, err := os.ReadFile("docs/decisions/README.md")
	if err != nil {
		t.Fatal(err)
	}
	taken := map[string]string{}
	for _, d := range documents(t) {
		number, title, ok := strings.Cut(strings.TrimPrefix(d.lines[0], "# "), " · ")
		if path.Dir(d.name) != "docs/decisions" || path.Base(d.name) == "README.md" {
			continue
		}
		if other := taken[number]; other != "" {
			t.Errorf("%s and %s have the same number", other, d.name)
		}
		taken[number] = d.name
		if row := "| [" + number + "](" + path.Base(d.name) + ") | " + title + " |\n"; !ok || !strings.Contains(string(index), row) {
			t.Errorf("%s: its first line is %q: write \"# NNN · Title\", and a row in docs/decisions/README.md:\n%s", d.name, d.lines[0], row)
		}
	}
}
