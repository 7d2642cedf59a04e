package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
)

const (
	maxFile   = 1 << 20
	maxSecret = 64 << 10
)

// readFile reads the configuration file. A missing file is a problem only if it was named.
func (l *loader) readFile(name string, required bool) (data []byte, info fs.FileInfo, ok bool) {
	data, info, err := readBounded(name, maxFile)
	switch {
	case err == nil:
		return data, info, true
	case errors.Is(err, fs.ErrNotExist) && !required:
	default:
		fix := "check the path, or leave it out"
		if errors.Is(err, fs.ErrPermission) {
			fix = "give the user that runs watchword read access to the file and its folder (chgrp and chmod 640)"
		}
		l.problems.add(Problem{Key: "config", From: name, Msg: "cannot be read: " + cause(err), Fix: fix})
	}
	return nil, nil, false
}

// file applies the settings of a YAML file.
func (l *loader) file(data []byte, name string, info fs.FileInfo) {
	if secondDocument(data) {
		l.problems.add(Problem{Key: "config", From: name, Msg: "has more than one YAML document",
			Fix: "put everything into one, without lines of ---"})
		return
	}
	k := koanf.New(".")
	if err := k.Load(rawbytes.Provider(data), yaml.Parser()); err != nil {
		l.problems.add(Problem{Key: "config", From: name, Msg: "is not valid YAML: " + withoutQuotes(err.Error()),
			Fix: "watchword.sample.yaml shows the form"})
		return
	}
	values := map[string][]input{}
	l.walk(k.Raw(), "", name, values)
	for key, gs := range values {
		f := described().byKey[key]
		if f.kind.name != "key" || !slices.ContainsFunc(gs, func(g input) bool { return !g.indirect && g.text != "" }) {
			continue
		}
		if p := l.checkExposure(f, name, name, info); p != nil {
			delete(values, key)
			l.fail(f, *p)
		}
	}
	l.apply(SourceFile, values)
}

// walk collects the leaves of one mapping.
func (l *loader) walk(m map[string]any, prefix, name string, values map[string][]input) {
	for k, v := range m {
		key := prefix + k
		f, indirect := lookup(key)
		if sub, ok := v.(map[string]any); ok && (isSection(key) || f != nil && len(sub) > 0) {
			l.walk(sub, key+".", name, values)
			continue
		}
		if v == nil && (f != nil || isSection(key)) {
			continue // "key:" without a value
		}
		if f == nil {
			l.unknownKey(key, name)
			continue
		}
		g := input{from: name, indirect: indirect}
		g.text, g.refused = scalar(v, f, indirect)
		values[f.Key] = append(values[f.Key], g)
	}
}

func (l *loader) unknownKey(key, name string) {
	if isSection(key) {
		l.problems.add(Problem{Key: key, From: name, Msg: "is a section, not a setting",
			Fix: "write its settings below it, indented"})
		return
	}
	candidates := settingKeys(false)
	for _, s := range described().sections[1:] {
		if !strings.HasPrefix(key, s.Key+".") { // it is in that section already
			candidates = append(candidates, s.Key)
		}
	}
	l.unknown(key, name, candidates)
}

func isSection(key string) bool {
	return slices.ContainsFunc(described().sections, func(s Section) bool { return s.Key == key })
}

// scalar turns a YAML value into the text form of a setting.
func scalar(v any, f *Field, indirect bool) (text, refused string) {
	switch v := v.(type) {
	case string:
		return v, ""
	case []any:
		resources := f.kind.name == "list of resources" && !indirect
		words := make([]string, len(v))
		for i, w := range v {
			s, ok := w.(string)
			if resources {
				s, ok = resourceText(w)
			}
			if !ok || strings.Contains(s, ",") {
				return "", "has an entry that is not " + f.entry()
			}
			words[i] = s
		}
		if resources {
			return strings.Join(words, ","), ""
		}
		if f.kind.name != "list" && f.kind.name != "list of networks" || indirect {
			return "", "is a list"
		}
		return strings.Join(words, ","), ""
	case bool, int, int64, uint64, float64:
		if f.Secret {
			// YAML has parsed a number, which does not preserve its digits.
			return "", "is a YAML number or keyword; put it between quotes"
		}
		return fmt.Sprint(v), ""
	}
	return "", "is not a plain value; put it between quotes"
}

// readSecret reads the secret of a setting from its own file.
func (l *loader) readSecret(f *Field, name, from string) (string, *Problem) {
	data, info, err := readBounded(name, maxSecret)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "", &Problem{From: from, Msg: "the file cannot be read: " + cause(err),
			Fix: "make this process's user its owner (Kubernetes: securityContext.fsGroup with defaultMode: 0440; systemd: LoadCredential=)"}
	case err != nil:
		return "", &Problem{From: from, Msg: "the file cannot be read: " + cause(err), Fix: "check the path and the permissions"}
	}
	if p := l.checkExposure(f, name, from, info); p != nil {
		return "", p
	}
	text := strings.TrimRight(string(data), "\r\n")
	if strings.TrimSpace(text) == "" {
		return "", &Problem{From: from, Msg: "the file is empty", Fix: "put the secret into it"}
	}
	return text, nil
}

// checkExposure refuses a file with a secret that anyone can read or change, and warns of one
// that more users than usual can read.
func (l *loader) checkExposure(f *Field, name, from string, info fs.FileInfo) *Problem {
	p := &Problem{Key: f.Key, From: from, Fix: advice(name)}
	switch l.judgeMode(name, info) {
	case private:
		return nil
	case shared:
		p.Msg = fmt.Sprintf("the file has mode %04o and can be read by others", info.Mode().Perm())
		l.config.warnings.add(*p)
		return nil
	}
	p.Msg = fmt.Sprintf("the file has mode %04o and can be read or changed by others", info.Mode().Perm())
	return p
}

// readBounded reads a file and returns its mode and owner, all from the same open file.
func readBounded(name string, limit int64) ([]byte, fs.FileInfo, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, nil, err
	}
	if int64(len(data)) > limit {
		return nil, nil, fmt.Errorf("it is larger than %v", Size(limit))
	}
	return data, info, nil
}

// cause returns the text of the error without the path, which the message already has.
func cause(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

var (
	quoted   = regexp.MustCompile("`[^`]*`?|'[^']*'?|\"[^\"]*\"?")
	document = regexp.MustCompile(`(?m)^---(\s|$)`)
	blank    = regexp.MustCompile(`^(\s*(#.*|%.*)?\n)*$`)
)

// withoutQuotes removes quoted text from a YAML error: it may be part of a secret.
func withoutQuotes(msg string) string {
	msg = strings.TrimPrefix(msg, "yaml: ")
	return strings.Join(strings.Fields(quoted.ReplaceAllString(msg, "…")), " ")
}

// secondDocument reports whether a document mark follows content. The parser would silently read
// only the first document.
func secondDocument(data []byte) bool {
	for i, at := range document.FindAllIndex(data, -1) {
		if i > 0 || !blank.Match(data[:at[0]]) {
			return true
		}
	}
	return false
}
