package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// completeWord is the hidden command that the scripts below ask. It stands before the
// parser, which would refuse words that are not finished.
const completeWord = "__complete"

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

// Run prints the script that makes a shell complete commands and flags.
func (c completionCmd) Run(e *env) error {
	_, err := io.WriteString(e.Out, completionScripts[c.Shell])
	return err
}

// complete writes what the last of the words may become, a line each, with the help
// behind a tab.
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
			valueOf = takesValue(flags, word)
		default:
			if child := childNamed(node, word); child != nil {
				node, flags = child, append(flags, child.Flags...)
			}
		}
	}
	offer := func(word, help string) {
		if strings.HasPrefix(word, last) {
			fmt.Fprintf(out, "%s\t%s\n", word, help)
		}
	}
	if valueOf != nil {
		for _, v := range enumOf(valueOf.Value) {
			offer(v, "")
		}
		return
	}
	if strings.HasPrefix(last, "-") {
		for _, f := range flags {
			offer("--"+f.Name, f.Help)
		}
		return
	}
	for _, child := range node.Children {
		if !child.Hidden {
			offer(child.Name, child.Help)
		}
	}
	for _, p := range node.Positional {
		for _, v := range enumOf(p) {
			offer(v, "")
		}
	}
}

func childNamed(node *kong.Node, name string) *kong.Node {
	for _, child := range node.Children {
		if child.Name == name {
			return child
		}
	}
	return nil
}

// takesValue returns the flag that the word names when its value is the next word.
func takesValue(flags []*kong.Flag, word string) *kong.Flag {
	for _, f := range flags {
		if word == "--"+f.Name && !f.IsBool() {
			return f
		}
	}
	return nil
}

// enumOf lists the only values there are, or nothing.
func enumOf(v *kong.Value) []string {
	if v.Enum == "" {
		return nil
	}
	return v.EnumSlice()
}
