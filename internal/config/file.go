package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"runtime"
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

// readFile reads the configuration file. A missing file is a mistake only if someone
// named it.
func (l *loader) readFile(name string, wanted bool) (data []byte, mode fs.FileMode, ok bool) {
	data, mode, err := readBounded(name, maxFile)
	switch {
	case err == nil:
		return data, mode, true
	case errors.Is(err, fs.ErrNotExist) && !wanted:
	default:
		l.problems.add(Problem{Key: "config", From: name, Msg: "cannot be read: " + cause(err),
			Fix: "check the path, or leave it out"})
	}
	return nil, 0, false
}

// file applies the settings of a YAML file.
func (l *loader) file(data []byte, name string, mode fs.FileMode) {
	if secondDocument(data) {
		l.problems.add(Problem{Key: "config", From: name, Msg: "holds more than one YAML document",
			Fix: "put everything into one, without lines of ---"})
		return
	}
	k := koanf.New(".")
	if err := k.Load(rawbytes.Provider(data), yaml.Parser()); err != nil {
		l.problems.add(Problem{Key: "config", From: name, Msg: "is not valid YAML: " + withoutQuotes(err.Error()),
			Fix: "watchword.sample.yaml shows the form"})
		return
	}
	values := map[string][]given{}
	l.walk(k.Raw(), "", name, values)
	for key, gs := range values {
		f := described().byKey[key]
		if f.kind.name == "key" && exposed(mode) && slices.ContainsFunc(gs, func(g given) bool { return !g.indirect && g.text != "" }) {
			delete(values, key)
			l.fail(f, Problem{From: name, Msg: "stands in a file that others can read", Fix: "run: chmod 600 " + name})
		}
	}
	l.apply(SourceFile, values)
}

// walk collects the leaves of one mapping.
func (l *loader) walk(m map[string]any, prefix, name string, values map[string][]given) {
	for k, v := range m {
		key := prefix + k
		if sub, ok := v.(map[string]any); ok {
			l.walk(sub, key+".", name, values)
			continue
		}
		f, indirect := lookup(key)
		if v == nil && (f != nil || isSection(key)) {
			continue // "key:" with nothing behind it
		}
		if f == nil {
			l.unknownKey(key, name)
			continue
		}
		g := given{from: name, indirect: indirect}
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
		candidates = append(candidates, s.Key)
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
		words := make([]string, len(v))
		for i, w := range v {
			s, ok := w.(string)
			if !ok || strings.Contains(s, ",") {
				return "", "has an entry that is not a single word"
			}
			words[i] = s
		}
		if f.kind.name != "list" && f.kind.name != "list of networks" || indirect {
			return "", "is a list"
		}
		return strings.Join(words, ","), ""
	case bool, int, int64, uint64, float64:
		if f.Secret {
			// YAML has read a number, and a number does not keep its digits.
			return "", "is a number or word of YAML; put it between quotes"
		}
		return fmt.Sprint(v), ""
	}
	return "", "is not a plain value; put it between quotes"
}

// readSecret reads a secret from its own file.
func readSecret(name string) (string, *Problem) {
	data, mode, err := readBounded(name, maxSecret)
	if err != nil {
		return "", &Problem{Msg: "the file cannot be read: " + cause(err), Fix: "check the path and the permissions"}
	}
	if exposed(mode) {
		return "", &Problem{Msg: "the file can be read by others",
			Fix: "run: chmod 600 " + name + " (Kubernetes: defaultMode 0400, Docker: mode 0400)"}
	}
	text := strings.TrimRight(string(data), "\r\n")
	if strings.TrimSpace(text) == "" {
		return "", &Problem{Msg: "the file is empty", Fix: "put the secret into it"}
	}
	return text, nil
}

// readBounded reads a file and tells its mode, both from the same open file.
func readBounded(name string, limit int64) ([]byte, fs.FileMode, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, 0, err
	}
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, 0, err
	}
	if int64(len(data)) > limit {
		return nil, 0, fmt.Errorf("it is larger than %v", Size(limit))
	}
	return data, info.Mode(), nil
}

// exposed reports whether others than the owner may read a file. Pipes have no
// permissions worth the name, and neither has Windows.
func exposed(mode fs.FileMode) bool {
	return mode.IsRegular() && mode.Perm()&0o077 != 0 && runtime.GOOS != "windows"
}

// cause is the error without the path, which stands in the message already.
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

// withoutQuotes removes what a YAML error quotes: it may be a piece of a secret.
func withoutQuotes(msg string) string {
	msg = strings.TrimPrefix(msg, "yaml: ")
	return strings.Join(strings.Fields(quoted.ReplaceAllString(msg, "…")), " ")
}

// secondDocument finds a document mark behind content. The parser would silently read
// the first document alone.
func secondDocument(data []byte) bool {
	for i, at := range document.FindAllIndex(data, -1) {
		if i > 0 || !blank.Match(data[:at[0]]) {
			return true
		}
	}
	return false
}
