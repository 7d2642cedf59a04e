package auth_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/events.md")

const eventsIntroduction = `# Events

<!-- Made from internal/auth/event.go: go generate ./internal/auth -->

Every change and every refused sign-in leaves an event in the audit log, in the transaction of the change.
An event has a time, a kind, an outcome (` + "`success` or `failure`" + `), an actor, the account concerned and details.
List them with ` + "`watchword audit list`" + `, those of one kind with ` + "`--kind`" + `.
Events are kept for ` + "`audit.retention`" + `.
`

// TestEventsPage compares docs/events.md with the comments of event.go.
func TestEventsPage(t *testing.T) {
	var page bytes.Buffer
	page.WriteString(eventsIntroduction)
	file, err := parser.ParseFile(token.NewFileSet(), "event.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}

	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST || !isEventKind(group.Specs[0]) {
			continue
		}
		fmt.Fprintf(&page, "\n## %s\n\n| kind | when | details |\n|---|---|---|\n", strings.TrimSuffix(strings.TrimSpace(group.Doc.Text()), "."))
		for _, spec := range group.Specs {
			kind := spec.(*ast.ValueSpec)
			text := strings.Join(strings.Fields(kind.Doc.Text()), " ")
			when, details, _ := strings.Cut(text, " Details: ")
			if when == "" {
				t.Errorf("%s has no comment that says when it is written", kind.Names[0])
			}
			fmt.Fprintf(&page, "| `%s` | %s | %s |\n", strings.Trim(kind.Values[0].(*ast.BasicLit).Value, `"`), when, strings.TrimSuffix(details, "."))
		}
	}

	const name = "../../docs/events.md"
	if *update {
		if err := os.WriteFile(name, page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, page.Bytes()) {
		t.Errorf("docs/events.md is stale; run: go generate ./internal/auth")
	}
}

func isEventKind(s ast.Spec) bool {
	v, ok := s.(*ast.ValueSpec)
	if !ok {
		return false
	}
	id, ok := v.Type.(*ast.Ident)
	return ok && id.Name == "EventKind"
}
