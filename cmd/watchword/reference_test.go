package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

//go:generate go test -run ^TestCommandReference$ -update .

var update = flag.Bool("update", false, "rewrite docs/cli.md")

// TestCommandReference compares docs/cli.md with the commands.
func TestCommandReference(t *testing.T) {
	t.Parallel()
	const name = "../../docs/cli.md"
	var c commands
	want := reference(newParser(&c, system{Out: io.Discard, Err: io.Discard}, func(int) {}).Model)
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/cli.md is out of date: run go generate ./cmd/watchword")
	}
}

// reference returns docs/cli.md.
func reference(app *kong.Application) string {
	var b strings.Builder
	b.WriteString("<!-- Generated from cmd/watchword by go generate. Do not edit. -->\n\n# Command line\n\n" +
		"Every command and its flags.\n`watchword COMMAND --help` prints the same, `watchword man | man -l -` all of it.\n\n" +
		"Administration commands work while the server runs and need its configuration.\n" +
		"Exit status: 0 success, 1 failure, 2 usage error.\n\n" +
		"## Global flags\n\n")
	writeFlagTable(&b, app.Flags)
	group := ""
	for _, node := range app.Leaves(true) {
		if title := groupTitle(node); title != group {
			group = title
			fmt.Fprintf(&b, "\n## %s\n", group)
		}
		words := strings.TrimPrefix(node.FullPath(), app.Name+" ")
		fmt.Fprintf(&b, "\n### %s\n\n", words)
		writeSentences(&b, node.Help)
		fmt.Fprintf(&b, "\n    %s\n", strings.TrimSpace(app.Name+" "+strings.TrimPrefix(node.Summary(), app.Name+" ")))
		var flags []*kong.Flag
		for n := node; n != nil && n != app.Node; n = n.Parent {
			flags = append(flags, n.Flags...)
		}
		if rows := positionalRows(node) + flagRows(flags); rows != "" {
			b.WriteString("\n| | |\n|---|---|\n" + rows)
		}
	}
	return b.String()
}

func groupTitle(node *kong.Node) string {
	for n := node; n != nil; n = n.Parent {
		if n.Group != nil {
			return n.Group.Title
		}
	}
	return "Commands"
}

func writeFlagTable(b *strings.Builder, flags []*kong.Flag) {
	b.WriteString("| flag | |\n|---|---|\n" + flagRows(flags))
}

func positionalRows(node *kong.Node) string {
	var b strings.Builder
	for _, p := range node.Positional {
		fmt.Fprintf(&b, "| `%s` | %s |\n", p.Summary(), referenceCell(p.Help))
	}
	return b.String()
}

func flagRows(flags []*kong.Flag) string {
	var b strings.Builder
	for _, f := range flags {
		if f.Hidden {
			continue
		}
		name := "--" + f.Name
		if !f.IsBool() {
			name += "=" + f.FormatPlaceHolder()
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, referenceCell(f.Help))
	}
	return b.String()
}

// referenceCell escapes help for a cell of a Markdown table.
func referenceCell(help string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;", ">", "&gt;", "*", "\\*", "\n", " ").Replace(help)
}

// writeSentences writes one sentence per line, as in the other documents.
func writeSentences(b *strings.Builder, text string) {
	b.WriteString(strings.ReplaceAll(referenceCell(text), ". ", ".\n") + "\n")
}
