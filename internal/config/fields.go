package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
)

// envPrefix begins the name of every environment variable.
const envPrefix = "WATCHWORD_"

// Field describes one setting.
type Field struct {
	Key     string   // in the file: "tokens.algorithm"
	Env     string   // in the environment: "WATCHWORD_TOKENS_ALGORITHM"
	Flag    string   // on the command line: "listen"; empty if there is none
	Default string   // in text form
	Example string   // in text form, of settings without a default
	Help    string   // one or two sentences
	OneOf   []string // the only values, if these are few
	Min     string   // bounds in text form, or empty
	Max     string
	Secret  bool // also accepted as Key+"_file" and Env+"_FILE"

	index []int
	rate  int // index in rateRows, for a rate
	kind  kind
}

// Section describes a group of settings.
type Section struct {
	Key  string // "" for settings without a section
	Help string
}

// kind describes the text form of a type of values.
type kind struct {
	name    string // in the manual
	form    string // completes "set it to …"
	pattern string // of the text, for the JSON Schema
}

var kinds = map[reflect.Type]kind{
	reflect.TypeFor[string]():        {name: "text", form: "text"},
	reflect.TypeFor[bool]():          {name: "yes or no", form: "true or false"},
	reflect.TypeFor[int]():           {name: "number", form: "a whole number"},
	reflect.TypeFor[time.Duration](): {name: "duration", form: "a duration such as 500ms, 15m, 36h or 30d", pattern: `^[0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h|d)([0-9.]+(ns|us|µs|ms|s|m|h))*$`},
	reflect.TypeFor[Size]():          {name: "size", form: "a size such as 64KiB or 1MB", pattern: `^[0-9]+ ?([KMGT]i?B|B)?$`},
	reflect.TypeFor[Rate]():          {name: "rate", form: `a rate such as "10/1m" or "10/1m burst 20"`, pattern: `^ *[0-9]+/[0-9a-zµ.]+( +burst +[0-9]+)? *$`},
	reflect.TypeFor[List]():          {name: "list", form: "a list, separated by commas in the environment"},
	reflect.TypeFor[Resources]():     {name: "list of resources", form: "URLs, each alone or with scopes: {resource: https://mcp.example.com, scopes: [orders:read]} in the file, 'https://mcp.example.com orders:read' in the environment, separated by commas"},
	reflect.TypeFor[Prefixes]():      {name: "list of networks", form: "networks such as 10.0.0.0/8 or addresses, separated by commas in the environment"},
	reflect.TypeFor[Key]():           {name: "key", form: "32 random bytes in base64; make them with: openssl rand -base64 32"},
	reflect.TypeFor[Secret]():        {name: "secret text", form: "text"},
	reflect.TypeFor[SecretURL]():     {name: "URL", form: "a URL"},
}

// Fields returns every setting in the order of the struct. The caller must not change
// the result.
func Fields() []Field { return described().fields }

// Sections returns every section in the order of the struct, the unnamed one first.
func Sections() []Section { return described().sections }

type description struct {
	fields   []Field
	sections []Section
	byKey    map[string]*Field
	byEnv    map[string]*Field
}

var described = sync.OnceValue(func() *description {
	d := &description{byKey: map[string]*Field{}, byEnv: map[string]*Field{}}
	d.sections = []Section{{Help: "Settings without a section."}}
	d.walk(reflect.TypeFor[Config](), "", nil)
	for i := range d.fields {
		f := &d.fields[i]
		d.byKey[f.Key], d.byEnv[f.Env] = f, f
	}
	return d
})

func (d *description) walk(t reflect.Type, prefix string, index []int) {
	for i := range t.NumField() {
		sf := t.Field(i)
		if !sf.IsExported() {
			continue
		}
		key := prefix + sf.Tag.Get("key")
		fieldIndex := append(append([]int(nil), index...), i)
		if sf.Type == reflect.TypeFor[Rates]() {
			d.addRates(prefix, fieldIndex)
			continue
		}
		k, leaf := kinds[sf.Type]
		if !leaf {
			d.sections = append(d.sections, Section{Key: key, Help: sf.Tag.Get("help")})
			d.walk(sf.Type, key+".", fieldIndex)
			continue
		}
		f := Field{
			Key: key, Env: envName(key), Default: sf.Tag.Get("default"), Example: sf.Tag.Get("example"), Help: sf.Tag.Get("help"),
			Min: sf.Tag.Get("min"), Max: sf.Tag.Get("max"), index: fieldIndex, kind: k,
		}
		switch sf.Type {
		case reflect.TypeFor[Key](), reflect.TypeFor[Secret](), reflect.TypeFor[SecretURL]():
			f.Secret = true
		}
		if sf.Tag.Get("flag") == "true" {
			f.Flag = strings.NewReplacer(".", "-", "_", "-").Replace(key)
		}
		if one := sf.Tag.Get("oneof"); one != "" {
			f.OneOf = strings.Split(one, "|")
		}
		d.fields = append(d.fields, f)
	}
}

// addRates describes the rates of rateRows, below their sections. It panics for a row of
// another section, which could not be configured.
func (d *description) addRates(prefix string, index []int) {
	described := 0
	for _, section := range rateSections {
		d.sections = append(d.sections, Section{Key: prefix + section.Key, Help: section.Help})
		for i, row := range rateRows {
			if strings.HasPrefix(row.name, section.Key+".") {
				described++
				d.fields = append(d.fields, Field{
					Key: prefix + row.name, Env: envName(prefix + row.name), Default: row.rate, Help: row.help,
					index: index, rate: i, kind: kinds[reflect.TypeFor[Rate]()],
				})
			}
		}
	}
	if described != len(rateRows) {
		panic("config: a row of rateRows has no section in rateSections")
	}
}

func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// section returns the key of the field's section.
func (f *Field) section() string {
	at := strings.LastIndexByte(f.Key, '.')
	return f.Key[:max(at, 0)]
}

func (f *Field) value(c *Config) reflect.Value {
	v := reflect.ValueOf(c).Elem().FieldByIndex(f.index)
	if v.Type() == reflect.TypeFor[Rates]() {
		return v.Index(f.rate)
	}
	return v
}

// set parses text into the field of c. Its error begins with a verb and contains no part of text.
func (f *Field) set(c *Config, text string) error {
	v := f.value(c)
	if len(f.OneOf) > 0 {
		for _, one := range f.OneOf {
			if text == one {
				v.SetString(one)
				return nil
			}
		}
		return errors.New("is not one of " + strings.Join(f.OneOf, ", "))
	}
	parsed := reflect.New(v.Type())
	if err := parse(parsed.Interface(), text); err != nil {
		return err
	}
	if err := f.checkBounds(parsed.Elem()); err != nil {
		return err
	}
	v.Set(parsed.Elem())
	return nil
}

// text shows the value of c, redacted if it is a secret.
func (f *Field) text(c *Config) string {
	switch v := f.value(c).Interface().(type) {
	case time.Duration:
		return formatDuration(v)
	default:
		return fmt.Sprint(v)
	}
}

// show returns a refused input for an error message, without secrets.
func (f *Field) show(text string) string {
	if f.Secret {
		return mask(text != "")
	}
	if len(text) > 80 {
		text = text[:80] + "…"
	}
	return strconv.Quote(text)
}

// entry returns the form of an entry of a list.
func (f *Field) entry() string {
	if f.kind.name == "list of resources" {
		return "a URL or {resource: URL, scopes: [...]}"
	}
	return "a single word"
}

func (f *Field) form() string {
	if len(f.OneOf) > 0 {
		return "one of " + strings.Join(f.OneOf, ", ")
	}
	return f.kind.form
}

func parse(into any, text string) (err error) {
	switch p := into.(type) {
	case *string:
		*p = text
	case *bool:
		*p, err = parseBool(text)
	case *int:
		var n int64
		if n, err = strconv.ParseInt(text, 10, 32); err != nil {
			err = errors.New("is not a whole number")
		}
		*p = int(n)
	case *time.Duration:
		*p, err = ParseDuration(text)
	case encoding.TextUnmarshaler:
		err = p.UnmarshalText([]byte(text))
	}
	return err
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "yes", "on", "1":
		return true, nil
	case "false", "no", "off", "0":
		return false, nil
	}
	return false, errors.New("is neither true nor false")
}

// checkBounds compares a number with the tags min and max.
func (f *Field) checkBounds(v reflect.Value) error {
	if !v.CanInt() {
		return nil
	}
	bound := reflect.New(v.Type())
	if f.Min != "" && parse(bound.Interface(), f.Min) == nil && v.Int() < bound.Elem().Int() {
		return errors.New("is less than " + f.Min)
	}
	if f.Max != "" && parse(bound.Interface(), f.Max) == nil && v.Int() > bound.Elem().Int() {
		return errors.New("is more than " + f.Max)
	}
	return nil
}
