package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

type manCmd struct{}

// Run prints the manual page, generated from the commands.
func (manCmd) Run(e *env, app *kong.Application) error {
	_, err := io.WriteString(e.Out, manual(app))
	return err
}

func manual(app *kong.Application) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH WATCHWORD 1 \"\" %s \"Watchword\"\n", quoteRoff(version()))
	b.WriteString(".SH NAME\nwatchword \\- authentication for APIs\n")
	b.WriteString(".SH SYNOPSIS\n.B watchword\n.I command\n[\\fIflags\\fR]\n")
	b.WriteString(".SH DESCRIPTION\nAn OAuth and OpenID Connect provider in one binary: the server, its development mode and the commands of its operator.\nStart with\n.BR \"watchword dev\" .\n")
	b.WriteString(".SH GLOBAL FLAGS\n")
	writeFlags(&b, app.Flags)
	b.WriteString(".SH COMMANDS\n")
	for _, node := range app.Leaves(true) {
		fmt.Fprintf(&b, ".SS %s\n%s\n", quoteRoff(node.Path()), escapeRoff(node.Help))
		for _, p := range node.Positional {
			fmt.Fprintf(&b, ".TP\n.I %s\n%s\n", escapeRoff(p.Name), escapeRoff(p.Help))
		}
		for n := node; n != nil && n != app.Node; n = n.Parent {
			writeFlags(&b, n.Flags)
		}
	}
	b.WriteString(`.SH ENVIRONMENT
Every setting has a variable: \fBWATCHWORD_\fR and its name in upper case, such as WATCHWORD_TOKENS_ALGORITHM. Secrets can be read from files: WATCHWORD_MASTER_KEY_FILE.
.B watchword config manual
lists them all.
.SH FILES
.TP
.I watchword.yaml
The configuration, in the working directory or at the path of
.B \-\-config
or WATCHWORD_CONFIG.
.SH EXIT STATUS
0: success. 1: failure. 2: usage error.
`)
	return b.String()
}

func writeFlags(b *strings.Builder, flags []*kong.Flag) {
	for _, f := range flags {
		if f.Hidden {
			continue
		}
		value := ""
		if !f.IsBool() {
			value = "=\\fI" + escapeRoff(f.FormatPlaceHolder()) + "\\fR"
		}
		fmt.Fprintf(b, ".TP\n\\fB%s\\fR%s\n%s\n", escapeRoff("--"+f.Name), value, escapeRoff(f.Help))
	}
}

// escapeRoff escapes text: hyphens stay hyphens, and no line starts a roff request.
func escapeRoff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

func quoteRoff(text string) string {
	return `"` + strings.ReplaceAll(escapeRoff(text), `"`, `\(dq`) + `"`
}
