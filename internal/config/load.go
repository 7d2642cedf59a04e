package config

import (
	"cmp"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Source is the layer of a value; a later one overrides an earlier one.
type Source string

// The layers, from weakest to strongest.
const (
	SourceDefault Source = "default"
	SourceFile    Source = "file"
	SourceEnv     Source = "env"
	SourceFlag    Source = "flag"
)

// Options are the sources of Load.
type Options struct {
	// File is the configuration file. When it is empty, WATCHWORD_CONFIG names it; when
	// that is empty too, it is DefaultFile in Dir, if there is one.
	File string
	// Dir is where DefaultFile is looked for; empty means the working directory.
	Dir string
	// Env is the environment in the form of os.Environ.
	Env []string
	// Flags are the flags that were set, by the key of their setting. A flag that was
	// not set must be absent, or it overrides file and environment.
	Flags map[string]string
}

// Load reads the configuration. The error joins a *Problem for every mistake in every layer. The
// Config is returned with an error too: it has defaults in place of mistakes and is only for
// Explain.
//
// Load checks each value by itself. Call Validate next.
func Load(o Options) (*Config, error) {
	l := newLoader()
	env := l.environment(o.Env)
	name, required := o.File, true
	if name == "" {
		name = env.config
	}
	if name == "" {
		name, required = filepath.Join(o.Dir, DefaultFile), false
	}
	l.credentials = env.credentials
	if data, info, ok := l.readFile(name, required); ok {
		l.file(data, name, info)
	}
	l.apply(SourceEnv, env.inputs)
	l.flags(o.Flags)
	return l.finish()
}

// Default returns the configuration of defaults.
func Default() *Config {
	c := &Config{origins: map[string]origin{}}
	for i := range described().fields {
		if f := &described().fields[i]; f.Default != "" {
			// A test checks that every default is well formed.
			_ = f.set(c, f.Default)
		}
	}
	return c
}

// origin is the source of the value of a key.
type origin struct {
	source Source
	from   string // file name, variable or flag
	shown  string // the input without secrets, for a message
	failed bool   // it was refused, and the value is the default
}

// input is a value before it is parsed.
type input struct {
	text     string
	from     string
	indirect bool   // text is the name of the file that holds the value
	refused  string // set instead of text when the value has a shape that no setting has
}

type loader struct {
	config      *Config
	problems    problems
	credentials string // the folder of systemd credentials; may be empty
}

func newLoader() *loader { return &loader{config: Default()} }

// flags applies the flags. An empty flag is a value, unlike an empty variable.
func (l *loader) flags(flags map[string]string) {
	values := map[string][]input{}
	for key, text := range flags {
		f, indirect := lookup(key)
		from := "--" + strings.NewReplacer(".", "-", "_", "-").Replace(key)
		if f == nil {
			l.unknown(key, from, settingKeys(false))
			continue
		}
		values[f.Key] = append(values[f.Key], input{text: text, from: from, indirect: indirect})
	}
	l.apply(SourceFlag, values)
}

// lookup finds the field of a key, or of a secret's key with "_file" at its end.
func lookup(key string) (f *Field, indirect bool) {
	if f := described().byKey[key]; f != nil {
		return f, false
	}
	if base, ok := strings.CutSuffix(key, "_file"); ok {
		if f := described().byKey[base]; f != nil && f.Secret {
			return f, true
		}
	}
	return nil, false
}

// apply applies one layer of values, in the order of the fields.
func (l *loader) apply(source Source, values map[string][]input) {
	for i := range described().fields {
		f := &described().fields[i]
		switch gs := values[f.Key]; len(gs) {
		case 0:
		case 1:
			l.applyOne(f, source, gs[0])
		default:
			from := make([]string, len(gs))
			for i, g := range gs {
				from[i] = g.from
			}
			slices.Sort(from)
			l.fail(f, Problem{From: strings.Join(from, " and "), Msg: "is set twice", Fix: "keep one of them"})
		}
	}
}

func (l *loader) applyOne(f *Field, source Source, g input) {
	text, shown := g.text, f.show(g.text)
	if g.indirect {
		shown = mask(true)
		g.from += " = " + strconv.Quote(g.text)
		var p *Problem
		if text, p = l.readSecret(f, g.text, g.from); p != nil {
			l.fail(f, *p)
			return
		}
	}
	if g.refused != "" {
		l.fail(f, Problem{From: g.from, Msg: g.refused, Fix: "set it to " + f.form()})
		return
	}
	if err := f.set(l.config, text); err != nil {
		l.fail(f, Problem{Value: shown, From: g.from, Msg: err.Error(), Fix: "set it to " + f.form()})
		return
	}
	l.config.origins[f.Key] = origin{source: source, from: g.from, shown: shown}
}

func (l *loader) fail(f *Field, p Problem) {
	p.Key = f.Key
	l.config.origins[f.Key] = origin{source: SourceDefault, failed: true}
	l.problems.add(p)
}

// plainName matches names of settings, but no generated secrets.
var plainName = regexp.MustCompile(`^[a-z][a-z0-9]*([_.-][a-z0-9]+){0,8}$`)

// tenantSettingName matches names for password rules, which are settings of tenants.
var tenantSettingName = regexp.MustCompile(`(?i)(^|[._])(password[._]?(policy|rules)|(min|max)_(length|score)|require_(upper|lower|digit|special))`)

// unknown reports a name that is not a setting. The value is not shown, because it may be a secret
// under a mistyped name; nor is a name that looks like a secret.
func (l *loader) unknown(name, from string, candidates []string) {
	p := Problem{Key: name, From: from, Msg: "is not a setting", Fix: "see docs/configuration.md"}
	if tenantSettingName.MatchString(name) {
		p.Fix = "password rules are settings of a tenant: watchword tenant set default --password-min-length 12"
	} else if n := nearest(name, candidates); n != "" {
		p.Fix = "did you mean " + n + "?"
	} else if !strings.HasPrefix(name, envPrefix) && (len(name) > 60 || !plainName.MatchString(name)) {
		p.Key = "(a name of " + strconv.Itoa(len(name)) + " letters)"
	}
	l.problems.add(p)
}

// settingKeys returns the names of settings in the file, or in the environment.
func settingKeys(env bool) []string {
	var names []string
	for _, f := range described().fields {
		name, suffix := f.Key, "_file"
		if env {
			name, suffix = f.Env, "_FILE"
		}
		names = append(names, name)
		if f.Secret {
			names = append(names, name+suffix)
		}
	}
	return names
}

func (l *loader) finish() (*Config, error) {
	slices.SortStableFunc(l.problems, func(a, b *Problem) int { return cmp.Compare(a.Key, b.Key) })
	return l.config, l.problems.err()
}
