package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"Shell: bash, zsh or fish."`
}

// completeCommand is the hidden command that the scripts below call. run handles it
// before the parser, which rejects incomplete words.
const completeCommand = "__complete"

var completionScripts = map[string]string{
	"bash": `# watchword completion bash > /etc/bash_completion.d/watchword
_watchword() {
  local IFS=$'\n'
  COMPREPLY=($("$1" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
}
complete -o default -F _watchword watchword
`,
	"zsh": `#compdef watchword
# watchword completion zsh > "${fpath[1]}/_watchword"
_watchword() {
  local -a found
  found=("${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null | cut -f1)}")
  if (( ${#found} )) && [[ -n ${found[1]} ]]; then compadd -a found; else _files; fi
}
compdef _watchword watchword
`,
	"fish": `# watchword completion fish > ~/.config/fish/completions/watchword.fish
complete -c watchword -a '(watchword __complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
`,
}

// Run prints a script for a shell to complete commands and flags.
func (c completionCmd) Run(e *env) error {
	_, err := io.WriteString(e.Out, completionScripts[c.Shell])
	return err
}

// complete writes the completions of the last word, one a line, with a tab and the help.
func complete(out io.Writer, app *kong.Application, words []string) {
	if len(words) == 0 {
		words = []string{""}
	}
	node, flags := app.Node, slices.Clone(app.Flags)
	last := words[len(words)-1]
	var valueOf *kong.Flag // the flag whose value comes next
	for _, word := range words[:len(words)-1] {
		switch {
		case valueOf != nil:
			valueOf = nil
		case strings.HasPrefix(word, "-"):
			valueOf = findValueFlag(flags, word)
		default:
			if child := findChild(node, word); child != nil {
				node, flags = child, append(flags, child.Flags...)
			}
		}
	}
	write := func(word, help string) {
		if strings.HasPrefix(word, last) {
			fmt.Fprintf(out, "%s\t%s\n", word, help)
		}
	}
	if valueOf != nil {
		for _, v := range enumValues(valueOf.Value) {
			write(v, "")
		}
		return
	}
	if strings.HasPrefix(last, "-") {
		for _, f := range flags {
			write("--"+f.Name, f.Help)
		}
		return
	}
	for _, child := range node.Children {
		if !child.Hidden {
			write(child.Name, child.Help)
		}
	}
	for _, p := range node.Positional {
		for _, v := range enumValues(p) {
			write(v, "")
		}
	}
}

func findChild(node *kong.Node, name string) *kong.Node {
	for _, child := range node.Children {
		if child.Name == name {
			return child
		}
	}
	return nil
}

// findValueFlag returns the flag that the word names if its value is the next word.
func findValueFlag(flags []*kong.Flag, word string) *kong.Flag {
	for _, f := range flags {
		if word == "--"+f.Name && !f.IsBool() {
			return f
		}
	}
	return nil
}

// enumValues returns the allowed values, nil if any value is.
func enumValues(v *kong.Value) []string {
	if v.Enum == "" {
		return nil
	}
	return v.EnumSlice()
}
