package password

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func builtinPasswords(t *testing.T) []string {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(passwordsGz))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if lines.Text() != "" {
			out = append(out, lines.Text())
		}
	}
	return out
}

// listText writes a breached list of passwords.
func listText(end string, passwords ...string) string {
	var lines []string
	for i, pw := range passwords {
		lines = append(lines, fmt.Sprintf("%X:%d%s", sha1.Sum([]byte(pw)), 1+i*i*i*99, end))
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "")
}

func openList(text string) (*Breached, error) {
	return newBreached(strings.NewReader(text), int64(len(text)))
}

func listOf(t *testing.T, passwords ...string) *Breached {
	t.Helper()
	b, err := openList(listText("\n", passwords...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBreachedFindsEveryLine(t *testing.T) {
	t.Parallel()
	all := builtinPasswords(t)[:4000]
	in, out := all[:2000], all[2000:]
	for name, text := range map[string]string{
		"LF":             listText("\n", in...),
		"CRLF":           listText("\r\n", in...),
		"no end of line": strings.TrimSuffix(listText("\n", in...), "\n"),
	} {
		path := filepath.Join(t.TempDir(), "list.txt")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := OpenBreached(path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i, pws := range [][]string{in, out} {
			for _, pw := range pws {
				if found, err := b.Contains(pw); err != nil || found != (i == 0) {
					t.Errorf("%s: Contains(%q) = %v, %v", name, pw, found, err)
				}
			}
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if _, err := b.Contains("closed"); err == nil {
			t.Errorf("%s: a closed list answers", name)
		}
	}
}

func TestBreachedOfAnySize(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.SliceOfNDistinct(rapid.String(), 1, 12, rapid.ID).Draw(t, "in")
		b, err := openList(listText(rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end"), in...))
		if err != nil {
			t.Fatal(err)
		}
		probe := rapid.String().Draw(t, "probe")
		for _, pw := range append(in, probe) {
			if found, err := b.Contains(pw); err != nil || found != slices.Contains(in, pw) {
				t.Fatalf("Contains(%q) = %v, %v", pw, found, err)
			}
		}
	})
}

func TestBreachedRefusesOtherFiles(t *testing.T) {
	t.Parallel()
	good := listText("\n", "a", "b", "c", "d")
	lines := strings.SplitAfter(good, "\n")
	for name, text := range map[string]string{
		"empty":             "",
		"prose":             strings.Repeat("the quick brown fox ", 50),
		"an empty count":    "A94A8FE5CCB19BA61C4C0873D391E987982FBBD3:\n",
		"another mark":      "A94A8FE5CCB19BA61C4C0873D391E987982FBBD3;1\n",
		"NTLM":              "8846F7EAEE8FB117AD06BDD830B7586C:12\n",
		"not sorted":        lines[2] + lines[0] + lines[1],
		"last one unsorted": lines[1] + lines[2] + lines[0],
		"twice":             lines[0] + lines[0],
		"binary":            string(make([]byte, 4096)),
		"cut short":         good[:len(good)-4] + "\n" + good[:20],
		"endless line":      good + strings.Repeat("9", 4096),
		"begins with a BOM": "\ufeff" + good,
		"empty line at end": good + "\n",
	} {
		if _, err := openList(text); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := OpenBreached(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing file is accepted")
	}
	if _, err := OpenBreached(t.TempDir()); err == nil {
		t.Error("a folder is accepted")
	}
}

func TestBreachedNoticesDamage(t *testing.T) {
	t.Parallel()
	text := []byte(listText("\n", builtinPasswords(t)[:64]...))
	b, err := newBreached(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	clear(text[len(text)/2-200 : len(text)/2+200])
	if found, err := b.Contains("anything"); err == nil {
		t.Errorf("a list damaged in the middle answers %v", found)
	}
	short, err := newBreached(strings.NewReader(listText("\n", "a", "b")), 1000)
	if err == nil {
		t.Errorf("a list shorter than promised is accepted: %v", short)
	}
}

// FuzzBreached: no file makes the search hang, panic or read outside.
func FuzzBreached(f *testing.F) {
	f.Add([]byte(listText("\n", "a", "b", "c")), "a")
	f.Add([]byte(listText("\r\n", "a", "b", "c")), "d")
	f.Add([]byte("\n\n\n"), "")
	f.Fuzz(func(t *testing.T, file []byte, pw string) {
		newBreached(bytes.NewReader(file), int64(len(file)))
		b := &Breached{r: bytes.NewReader(file), size: int64(len(file))}
		found, err := b.Contains(pw)
		if want := fmt.Sprintf("%X", sha1.Sum([]byte(pw))); found && (err != nil || !bytes.Contains(file, []byte(want))) {
			t.Errorf("found %q (%v) in a file without %s", pw, err, want)
		}
	})
}

func FuzzBreachedLine(f *testing.F) {
	f.Add([]byte(listText("\n", "a")))
	f.Fuzz(func(t *testing.T, line []byte) {
		if hash, ok := parseBreached(line); ok && (len(hash) != hashLen || len(line) > maxLine) {
			t.Errorf("%q: hash %q", line, hash)
		}
	})
}

// Lists come with and without counts, in either case.
func TestRepair_R6_ListsOfOtherTools(t *testing.T) {
	t.Parallel()
	all := builtinPasswords(t)[:600]
	in, out := all[:300], all[300:]
	plain := regexp.MustCompile(":[0-9]+").ReplaceAllString(listText("\n", in...), "")
	for name, text := range map[string]string{
		"no counts": plain, "no counts, CRLF": strings.ReplaceAll(plain, "\n", "\r\n"), "lower case": strings.ToLower(listText("\n", in...)),
		"no counts, lower case": strings.ToLower(plain),
	} {
		b, err := openList(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i, pws := range [][]string{in, out} {
			for _, pw := range pws {
				if found, err := b.Contains(pw); err != nil || found != (i == 0) {
					t.Errorf("%s: Contains(%q) = %v, %v", name, pw, found, err)
				}
			}
		}
	}
}
