package clients_test

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the table of differences in docs/spec.md anew")

const (
	specification = "../../../docs/spec.md"
	peerHeading   = "## Beside oidc-provider\n"
)

// TestPeerDocumented: docs/spec.md shows the differences of TestPeer.
func TestPeerDocumented(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(specification)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(b), peerHeading)
	section, after := rest, ""
	if i := strings.Index(rest, "\n## "); i >= 0 {
		section, after = rest[:i], rest[i:]
	}
	want := peerSection()
	if *update {
		if !found {
			before += "\n"
		}
		if err := os.WriteFile(specification, []byte(before+peerHeading+want+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(want, section); d != "" {
		t.Errorf("docs/spec.md, %q; write it anew with -update (-want +got):\n%s", strings.TrimSpace(peerHeading), d)
	}
}

// attack is the number of an attack in a question.
var attack = regexp.MustCompile(`\b[A-Z]{2}-\d\d `)

// peerSection returns the section without its heading.
func peerSection() string {
	var s strings.Builder
	s.WriteString(`
A test asks [oidc-provider](https://github.com/panva/node-oidc-provider), which is certified, and this server some 400
questions, valid and invalid ones, and compares status, error code, how the response is sent, challenge, names of the
members, and metadata.
Both respond alike to everything that is not in this table.
The test fails for a difference that is missing here, and for one that no longer exists.

| asked | oidc-provider | Watchword | why |
|---|---|---|---|
`)
	cell := strings.NewReplacer("|", `\|`)
	for _, d := range differences {
		for i, text := range []string{attack.ReplaceAllString(strings.Join(d.what, "; "), ""), d.peer, d.watchword, d.why} {
			if i == 0 {
				s.WriteString("|")
			}
			s.WriteString(" " + cell.Replace(text) + " |")
		}
		s.WriteString("\n")
	}
	return s.String()
}
