package config

import (
	"cmp"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Source is the layer that a value came from; a later one wins over an earlier.
type Source string

// The layers, from weakest to strongest.
const (
	SourceDefault Source = "default"
	SourceFile    Source = "file"
	SourceEnv     Source = "env"
	SourceFlag    Source = "flag"
)

// Options says where Load looks.
type Options struct {
	// File is the configuration file. When it is empty, WATCHWORD_CONFIG names it; when
	// that is empty too, it is DefaultFile in Dir, if there is one.
	File string
	// Dir is where DefaultFile is looked for; empty means the working directory.
	Dir string
	// Env is the environment as os.Environ gives it.
	Env []string
	// Flags are the flags that were set, by the key of their setting. A flag that was
	// not set must be absent, or it hides what file and environment say.
	Flags map[string]string
}

// Load reads the configuration. The error joins a *Problem for every mistake in every
// layer; the Config that comes with it has the defaults in place of mistakes, so that
// it can be explained, and must not be served from.
//
// Load checks each value by itself. Call Validate next.
func Load(o Options) (*Config, error) {
	l := newLoader()
	env := l.environment(o.Env)
	name, wanted := o.File, true
	if name == "" {
		name = env.config
	}
	if name == "" {
		name, wanted = filepath.Join(o.Dir, DefaultFile), false
	}
	l.credentials = env.credentials
	if data, info, ok := l.readFile(name, wanted); ok {
		l.file(data, name, info)
	}
	l.apply(SourceEnv, env.given)
	l.flags(o.Flags)
	return l.finish()
}

// Default returns the configuration in which nothing was set.
func Default() *Config {
	c := &Config{origins: map[string]origin{}}
	for i := range described().fields {
		if f := &described().fields[i]; f.Default != "" {
			// A test holds every default to be well formed.
			_ = f.set(c, f.Default)
		}
	}
	return c
}

// origin is where the value of a key came from.
type origin struct {
	source Source
	from   string // file name, variable or flag
	shown  string // what was given, fit for a message
	failed bool   // it was refused, and the value is the default
}

// given is a value before it is understood.
type given struct {
	text     string
	from     string
	indirect bool   // text is the name of the file that holds the value
	refused  string // set instead of text when the value has a shape that no setting has
}

type loader struct {
	config      *Config
	problems    problems
	credentials string // the folder of credentials that systemd made; may be empty
}

func newLoader() *loader { return &loader{config: Default()} }

// flags applies the flags. Unlike a variable, an empty flag was meant.
func (l *loader) flags(flags map[string]string) {
	values := map[string][]given{}
	for key, text := range flags {
		f, indirect := lookup(key)
		from := "--" + strings.NewReplacer(".", "-", "_", "-").Replace(key)
		if f == nil {
			l.unknown(key, from, settingKeys(false))
			continue
		}
		values[f.Key] = append(values[f.Key], given{text: text, from: from, indirect: indirect})
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

// apply puts one layer over what is there, in the order of the fields.
func (l *loader) apply(source Source, values map[string][]given) {
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

func (l *loader) applyOne(f *Field, source Source, g given) {
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

// plainName is what a person would call a setting, and no generated secret.
var plainName = regexp.MustCompile(`^[a-z][a-z0-9]*([_.-][a-z0-9]+){0,8}$`)

// ofTenants is what people call the rules for passwords, which are settings of tenants.
var ofTenants = regexp.MustCompile(`(?i)(^|[._])(password[._]?(policy|rules)|(min|max)_(length|score)|require_(upper|lower|digit|special))`)

// unknown reports a name that is no setting. The value is not shown, for it may be a
// secret under a mistyped name; nor is a name that looks like a secret itself.
func (l *loader) unknown(name, from string, candidates []string) {
	p := Problem{Key: name, From: from, Msg: "is not a setting", Fix: "see docs/configuration.md"}
	if ofTenants.MatchString(name) {
		p.Fix = "rules for passwords are a tenant's: watchword tenant set default --password-min-length 12"
	} else if n := nearest(name, candidates); n != "" {
		p.Fix = "did you mean " + n + "?"
	} else if !strings.HasPrefix(name, envPrefix) && (len(name) > 60 || !plainName.MatchString(name)) {
		p.Key = "(a name of " + strconv.Itoa(len(name)) + " letters)"
	}
	l.problems.add(p)
}

// settingKeys lists the names that the file, or the environment, may use.
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
