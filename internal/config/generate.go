package config

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// The three files below are kept in the repository; a test fails when one is stale.
//go:generate go test -run TestGeneratedFiles -update .

//go:embed intro.md
var intro string

// Manual returns docs/configuration.md.
func Manual() []byte {
	var b bytes.Buffer
	b.WriteString("<!-- Generated from internal/config by go generate. Do not edit. -->\n\n" + intro)
	for _, s := range Sections() {
		title := "`" + s.Key + "`"
		if s.Key == "" {
			title = "General"
		}
		fields := fieldsOf(s.Key)
		fmt.Fprintf(&b, "\n## %s\n\n", title)
		if s.Key != "" {
			wrap(&b, "", cell(s.Help), 120)
		}
		if len(fields) == 0 {
			continue
		}
		if s.Key != "" {
			b.WriteString("\n")
		}
		b.WriteString("| setting | environment | default | meaning |\n|---|---|---|---|\n")
		for _, f := range fields {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.nameCell(), f.envCell(), code(f.Default), f.meaningCell())
		}
	}
	return b.Bytes()
}

func fieldsOf(section string) []Field {
	var all []Field
	for _, f := range Fields() {
		if f.section() == section {
			all = append(all, f)
		}
	}
	return all
}

func (f *Field) nameCell() string {
	if f.Flag != "" {
		return code(f.Key) + "<br>" + code("--"+f.Flag)
	}
	return code(f.Key)
}

func (f *Field) envCell() string {
	if f.Secret {
		return code(f.Env) + "<br>" + code(f.Env+"_FILE")
	}
	return code(f.Env)
}

func (f *Field) meaningCell() string {
	text := cell(f.Help)
	if len(f.OneOf) > 0 {
		text += " One of " + code(strings.Join(f.OneOf, "` `")) + "."
	}
	if f.Min != "" || f.Max != "" {
		text += " From " + code(f.Min) + " to " + code(f.Max) + "."
	}
	return text
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

// cell escapes text for a cell of a Markdown table.
func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;", ">", "&gt;", "*", "\\*").Replace(s)
}

// Sample returns watchword.sample.yaml. Its settings are commented out, so that removing one #
// changes one setting.
func Sample() []byte {
	var b bytes.Buffer
	b.WriteString("# yaml-language-server: $schema=docs/watchword.schema.json\n#\n" +
		"# Every setting of Watchword with its default, or an example if it has none. Generated from internal/config.\n" +
		"# Remove the # before a setting to change it. See docs/configuration.md.\n")
	for _, s := range Sections() {
		depth := strings.Count(s.Key, ".")
		indent := ""
		b.WriteString("\n")
		if s.Key != "" {
			pad := strings.Repeat("  ", depth)
			comment(&b, pad, s.Help)
			b.WriteString(pad + s.Key[strings.LastIndexByte(s.Key, '.')+1:] + ":\n")
			indent = pad + "  "
		}
		for i, f := range fieldsOf(s.Key) {
			if i > 0 {
				b.WriteString("\n")
			}
			help := f.Help
			if len(f.OneOf) > 0 {
				help += " One of " + strings.Join(f.OneOf, ", ") + "."
			}
			comment(&b, indent, help)
			if f.Secret {
				comment(&b, indent, "Or the name of a file that contains it, as "+f.leaf()+"_file.")
			}
			b.WriteString(indent + "#" + f.leaf() + ": " + f.yaml() + "\n")
		}
	}
	return b.Bytes()
}

func (f *Field) leaf() string { return f.Key[strings.LastIndexByte(f.Key, '.')+1:] }

// yaml writes the default or example as YAML.
func (f *Field) yaml() string {
	v := f.Default
	if v == "" {
		v = f.Example
	}
	switch f.kind.name {
	case "list", "list of networks":
		var words List
		_ = words.UnmarshalText([]byte(v))
		return "[" + words.String() + "]"
	case "list of resources":
		url, scopes, _ := strings.Cut(v, " ")
		return "[{resource: " + url + ", scopes: [" + strings.Join(strings.Fields(scopes), ", ") + "]}]"
	case "text", "URL", "key", "secret text":
		return strconv.Quote(v)
	}
	return v
}

// comment writes text as a YAML comment.
func comment(b *bytes.Buffer, indent, text string) { wrap(b, indent+"# ", text, 90) }

// wrap writes text in lines of at most the given number of columns.
func wrap(b *bytes.Buffer, prefix, text string, columns int) {
	line := ""
	for _, w := range strings.Fields(text) {
		if line != "" && len(prefix)+len(line)+1+len(w) > columns {
			b.WriteString(prefix + line + "\n")
			line = ""
		}
		line = strings.TrimPrefix(line+" "+w, " ")
	}
	b.WriteString(prefix + line + "\n")
}

// Schema returns docs/watchword.schema.json.
func Schema() []byte {
	root := object("")
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Configuration of Watchword"
	sections := map[string]map[string]any{"": root}
	for _, s := range Sections()[1:] {
		o := object(s.Help)
		sections[s.Key] = o
		at := max(strings.LastIndexByte(s.Key, '.'), 0)
		properties(sections[s.Key[:at]])[strings.TrimPrefix(s.Key[at:], ".")] = o
	}
	for _, f := range Fields() {
		in := properties(sections[f.section()])
		in[f.leaf()] = f.schema()
		if f.Secret {
			in[f.leaf()+"_file"] = map[string]any{"type": "string", "description": "Name of a file that contains " + f.Key + "."}
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	// Maps of strings, numbers and maps always encode.
	_ = enc.Encode(root)
	return b.Bytes()
}

func object(help string) map[string]any {
	o := map[string]any{
		"type": []string{"object", "null"}, "additionalProperties": false, "properties": map[string]any{},
	}
	if help != "" {
		o["description"] = help
	}
	return o
}

func properties(o map[string]any) map[string]any { return o["properties"].(map[string]any) }

func (f *Field) schema() map[string]any {
	s := map[string]any{"description": f.Help, "type": "string"}
	if f.kind.pattern != "" {
		s["pattern"] = f.kind.pattern
	}
	if f.Default != "" {
		s["default"] = f.Default
	}
	if len(f.OneOf) > 0 {
		s["enum"] = f.OneOf
	}
	switch f.kind.name {
	case "yes or no":
		s["type"] = "boolean"
		s["default"] = f.Default == "true"
	case "number":
		s["type"] = "integer"
		s["default"], s["minimum"], s["maximum"] = json.Number(f.Default), json.Number(f.Min), json.Number(f.Max)
	case "size":
		s["type"] = []string{"string", "integer"}
	case "list", "list of networks":
		s["type"] = []string{"array", "string"}
		s["items"] = map[string]any{"type": "string"}
	case "list of resources":
		s["type"] = []string{"array", "string"}
		words := map[string]any{"type": "array", "items": map[string]any{"type": "string"}}
		s["items"] = map[string]any{"type": []string{"string", "object"}, "additionalProperties": false,
			"properties": map[string]any{"resource": map[string]any{"type": "string"}, "url": map[string]any{"type": "string"}, "scopes": words}}
	}
	return s
}
