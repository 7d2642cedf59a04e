package config

import (
	"io/fs"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// goodKey is a master key that UnmarshalText accepts. It protects nothing.
const goodKey = "q83vEjRWeJq83v7cuph2VDIQ8OHSw7SllofEtaaXiHk="

// loadYAML loads a configuration from the text of a file and an environment.
func loadYAML(t testing.TB, text string, env ...string) (*Config, error) {
	t.Helper()
	l := newLoader()
	given := l.environment(env)
	info, err := fs.Stat(fstest.MapFS{"watchword.yaml": {Mode: 0o600}}, "watchword.yaml")
	if err != nil {
		t.Fatal(err)
	}
	l.file([]byte(text), "watchword.yaml", info)
	l.apply(SourceEnv, given.inputs)
	return l.finish()
}

// serving returns an environment with the required settings of production.
func serving(more ...string) []string {
	return append([]string{
		"WATCHWORD_ISSUER=https://auth.example.com", "WATCHWORD_MASTER_KEY=" + goodKey,
		"WATCHWORD_SMTP_URL=smtps://mail.example.com", "WATCHWORD_SMTP_FROM=no-reply@example.com",
	}, more...)
}

func TestEveryFieldIsDescribed(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*(\.[a-z][a-z0-9]*(_[a-z0-9]+)*)*$`)
	keys, envs := map[string]bool{}, map[string]bool{}
	for _, f := range Fields() {
		if !name.MatchString(f.Key) {
			t.Errorf("%s: a key is words in lower case", f.Key)
		}
		if want := "WATCHWORD_" + strings.ToUpper(strings.ReplaceAll(f.Key, ".", "_")); f.Env != want {
			t.Errorf("%s: variable %s, want %s", f.Key, f.Env, want)
		}
		for _, env := range []string{f.Env, f.Env + "_FILE"} {
			if envs[env] {
				t.Errorf("%s: %s already means another setting", f.Key, env)
			}
			if env == f.Env || f.Secret {
				envs[env] = true
			}
		}
		if keys[f.Key] {
			t.Errorf("%s occurs twice", f.Key)
		}
		keys[f.Key] = true
		if !strings.HasSuffix(f.Help, ".") {
			t.Errorf("%s: help is one or more sentences, not %q", f.Key, f.Help)
		}
		for what, text := range map[string]string{"default": f.Default, "example": f.Example} {
			if text == "" {
				continue
			}
			if err := f.set(&Config{}, text); err != nil {
				t.Errorf("%s: its %s %v", f.Key, what, err)
			}
		}
		if f.kind.name == "number" && (f.Min == "" || f.Max == "" || f.Default == "") {
			t.Errorf("%s: a number needs a default and bounds", f.Key)
		}
		if f.kind.name == "duration" && (f.Min == "" || f.Max == "") {
			t.Errorf("%s: a duration needs bounds", f.Key)
		}
	}
	for _, s := range Sections() {
		if !strings.HasSuffix(s.Help, ".") {
			t.Errorf("section %s: no help", s.Key)
		}
	}
	if len(keys) < 60 {
		t.Errorf("only %d settings were found", len(keys))
	}
}

func TestDefaultsAreFitForDevelopment(t *testing.T) {
	t.Parallel()
	c, err := Load(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(Dev); err != nil {
		t.Error(err)
	}
	if c.Tokens.AccessLifetime != 15*time.Minute || c.Tokens.RefreshLifetime != 30*24*time.Hour || c.Tokens.Algorithm != "ES256" ||
		c.Password.Memory != 19<<20 || *c.Limits.Rate("login.account") != (Rate{Count: 10, Per: 15 * time.Minute}) {
		t.Errorf("defaults:\n%v", c)
	}
	if got := c.DatabaseURL(); got != "sqlite:watchword-data/watchword.db" {
		t.Errorf("database %q", got)
	}
	if got := c.BaseURL(); got != "http://127.0.0.1:8080" {
		t.Errorf("base URL %q", got)
	}
}

// Each layer can set each setting.
func TestEverySettingByEveryLayer(t *testing.T) {
	t.Parallel()
	for _, f := range Fields() {
		text := map[string]string{
			"text": "some text", "yes or no": "true", "number": f.Max, "duration": f.Max, "size": f.Max, "rate": "7/3m burst 9",
			"list": "a.example, b.example", "list of networks": "10.0.0.0/8", "list of resources": "https://a.example a:read, https://b.example", "key": goodKey, "secret text": "pepper", "URL": "sqlite:x",
		}[f.kind.name]
		if len(f.OneOf) > 0 {
			text = f.OneOf[len(f.OneOf)-1]
		}
		if f.Default == "true" {
			text = "false"
		}
		want := Default()
		if err := f.set(want, text); err != nil {
			t.Errorf("%s: %q %v", f.Key, text, err)
			continue
		}
		yaml, depth := "", 0
		for _, part := range strings.Split(f.Key, ".") {
			yaml += "\n" + strings.Repeat("  ", depth) + part + ":"
			depth++
		}
		if f.kind.name == "text" || f.Secret || strings.HasPrefix(f.kind.name, "list") {
			yaml += ` "` + text + `"`
		} else {
			yaml += " " + text
		}
		l := newLoader()
		l.flags(map[string]string{f.Key: text})
		byFlag, flagErr := l.finish()
		byFile, fileErr := loadYAML(t, yaml)
		byEnv, envErr := loadYAML(t, "", f.Env+"="+text)
		for source, got := range map[Source]struct {
			c   *Config
			err error
		}{SourceFlag: {byFlag, flagErr}, SourceFile: {byFile, fileErr}, SourceEnv: {byEnv, envErr}} {
			if got.err != nil {
				t.Errorf("%s by %s: %v", f.Key, source, got.err)
			} else if !reflect.DeepEqual(f.value(got.c).Interface(), f.value(want).Interface()) {
				t.Errorf("%s by %s was not applied: %s", f.Key, source, f.text(got.c))
			} else if o := got.c.origins[f.Key]; len(got.c.origins) != 1 || o.source != source || o.from == "" {
				t.Errorf("%s by %s: origins %+v", f.Key, source, got.c.origins)
			}
		}
	}
}

func TestFlagBeatsEnvironmentBeatsFile(t *testing.T) {
	t.Parallel()
	file := writeFile(t, 0o644, "listen: 127.0.0.1:1\nmanage: 127.0.0.1:1\nlog: {level: debug}\n")
	c, err := Load(Options{
		File:  file,
		Env:   []string{"WATCHWORD_LISTEN=127.0.0.1:2", "WATCHWORD_MANAGE=127.0.0.1:2", "WATCHWORD_DATA=", "OTHER=1"},
		Flags: map[string]string{"listen": "127.0.0.1:3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:3" || c.Manage != "127.0.0.1:2" || c.Log.Level != "debug" || c.Log.Format != "json" || c.Data != "./watchword-data" {
		t.Errorf("got\n%v", c)
	}
	from := map[string]Setting{}
	for _, s := range c.Explain() {
		from[s.Key] = s
	}
	for key, want := range map[string]Setting{
		"listen":     {Key: "listen", Value: "127.0.0.1:3", Source: SourceFlag, From: "--listen", Env: "WATCHWORD_LISTEN"},
		"manage":     {Key: "manage", Value: "127.0.0.1:2", Source: SourceEnv, From: "WATCHWORD_MANAGE", Env: "WATCHWORD_MANAGE"},
		"log.level":  {Key: "log.level", Value: "debug", Source: SourceFile, From: file, Env: "WATCHWORD_LOG_LEVEL"},
		"log.format": {Key: "log.format", Value: "json", Source: SourceDefault, Env: "WATCHWORD_LOG_FORMAT"},
	} {
		if from[key] != want {
			t.Errorf("%+v, want %+v", from[key], want)
		}
	}
}

func TestWhichFileIsRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	inDir := writeFileAt(t, dir+"/"+DefaultFile, 0o644, "issuer: https://default.example\n")
	byEnv := writeFile(t, 0o644, "issuer: https://env.example\n")
	byFlag := writeFile(t, 0o644, "issuer: https://flag.example\n")
	_ = inDir
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Dir: dir}, "https://default.example"},
		{Options{Dir: dir, Env: []string{"WATCHWORD_CONFIG=" + byEnv}}, "https://env.example"},
		{Options{Dir: dir, Env: []string{"WATCHWORD_CONFIG=" + byEnv}, File: byFlag}, "https://flag.example"},
		{Options{Dir: t.TempDir()}, ""},
	} {
		got, err := Load(c.o)
		if err != nil || got.Issuer != c.want {
			t.Errorf("%+v: issuer %q, %v, want %q", c.o, got.Issuer, err, c.want)
		}
	}
	if _, err := Load(Options{File: dir + "/missing.yaml"}); err == nil || !strings.Contains(err.Error(), "missing.yaml") {
		t.Errorf("a named file that is missing: %v", err)
	}
}

func TestUnknownNames(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		yaml, env string
		want      string
	}{
		"letters swapped":         {yaml: "lisetn: x", want: "did you mean listen?"},
		"within a section":        {yaml: "tokens: {acces_lifetime: 1m}", want: "did you mean tokens.access_lifetime?"},
		"the section misspelt":    {yaml: "token: {algorithm: ES256}", want: "did you mean tokens?"},
		"the section forgotten":   {yaml: "refresh_grace: 1s", want: "did you mean tokens.refresh_grace?"},
		"too deep":                {yaml: "listen: {host: x}", want: "did you mean listen?"},
		"a secret as a file":      {yaml: "master_key_fil: x", want: "did you mean master_key_file?"},
		"no secret, so no file":   {yaml: "issuer_file: x", want: "is not a setting"},
		"an empty unknown":        {yaml: "tokenz:", want: "did you mean"},
		"a section as a value":    {yaml: "tokens: 5", want: "is a section"},
		"nothing like it":         {yaml: "completely_different_thing: 1", want: "docs/configuration.md"},
		"a variable":              {env: "WATCHWORD_ISUER=x", want: "did you mean WATCHWORD_ISSUER?"},
		"a variable's section":    {env: "WATCHWORD_REFRESH_GRACE=1s", want: "did you mean WATCHWORD_TOKENS_REFRESH_GRACE?"},
		"a variable with a file":  {env: "WATCHWORD_SMTP_URL_FILES=x", want: "did you mean WATCHWORD_SMTP_URL_FILE?"},
		"a variable as file":      {env: "WATCHWORD_ISSUER_FILE=x", want: "is not a setting"},
		"a section as a variable": {env: "WATCHWORD_TOKENS=x", want: "is not a setting"},
		"lower case":              {env: "WATCHWORD_listen=x", want: "did you mean WATCHWORD_LISTEN?"},
	} {
		_, err := loadYAML(t, c.yaml, c.env)
		if ps := Problems(err); len(ps) != 1 || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want one problem with %q", name, err, c.want)
		}
	}
	l := newLoader()
	l.flags(map[string]string{"listne": "x"})
	if _, err := l.finish(); err == nil || !strings.Contains(err.Error(), "did you mean listen?") {
		t.Errorf("flag: %v", err)
	}
}

// Variables with the prefix that are not settings.
func TestForeignVariables(t *testing.T) {
	t.Parallel()
	c, err := loadYAML(t, "", "WATCHWORD_TEST_POSTGRES=x", "WATCHWORD_FAULT_CLOCK=1h", "WATCHWORD_SERVICE_HOST=10.0.0.1",
		"WATCHWORD_SERVICE_PORT=8080", "WATCHWORD_SERVICE_PORT_HTTP=8080", "WATCHWORD_PORT=tcp://10.0.0.1:8080",
		"WATCHWORD_PORT_8080_TCP=tcp://10.0.0.1:8080", "WATCHWORD_PORT_8080_TCP_PROTO=tcp", "WATCHWORD_PORT_8080_TCP_PORT=8080",
		"WATCHWORD_PORT_8080_TCP_ADDR=10.0.0.1", "WATCHWORD_REDIS_SERVICE_HOST=fd00::1", "WATCHWORDY=1", "watchword_listen=1")
	if err != nil || len(c.origins) != 0 {
		t.Errorf("%v, %v", err, c.origins)
	}
}

func TestAllMistakesAreReportedTogether(t *testing.T) {
	t.Parallel()
	_, err := loadYAML(t, `
listen: [a, b]
log: {level: loud}
tokens: {access_lifetime: 15, algorithm: HS256, refresh_grace: 2h}
limits: {login: {ip: many}, keys: 1}
proxy: {trusted: [0.0.0.0/0]}
nonsense: true
`, "WATCHWORD_HTTP_BODY_JSON=1XB", "WATCHWORD_METRICS_PPROF=maybe")
	got := map[string]string{}
	for _, p := range Problems(err) {
		got[p.Key] = p.Error()
		if p.Fix == "" || p.From == "" {
			t.Errorf("%v has no fix or no source", p)
		}
	}
	for key, part := range map[string]string{
		"listen": "is a list", "log.level": `"loud" (watchword.yaml): is not one of debug, info, warn, error`,
		"tokens.access_lifetime": "is not a duration", "tokens.algorithm": "ES256, RS256, EdDSA", "tokens.refresh_grace": "is more than 1m",
		"limits.login.ip": "is not a rate", "limits.keys": "is less than 1024", "proxy.trusted": "contains every address",
		"nonsense": "is not a setting", "http.body_json": "(WATCHWORD_HTTP_BODY_JSON): is not a size", "metrics.pprof": "is neither true nor false",
	} {
		if !strings.Contains(got[key], part) {
			t.Errorf("%s: %q, want %q", key, got[key], part)
		}
	}
	if len(got) != 11 {
		t.Errorf("%d problems: %v", len(got), err)
	}
}

func TestBrokenFiles(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a list": "- a\n- b\n", "a word": "hunter2-XYZZY", "bad indentation": "log:\n  level: info\n format: json\n",
		"a name twice": "listen: a:1\nlisten: b:1\n", "an unknown anchor": "issuer: *hunter2-XYZZY\n",
		"a tab": "log:\n\tlevel: info\n", "two documents": "listen: 127.0.0.1:1\n---\nissuer: https://a.example\n",
		"both spellings of a key": "tokens: {algorithm: ES256}\ntokens.algorithm: RS256\n", "bytes": "\x00\xff\xfe",
		"a date": "issuer: 2024-01-01\n",
	} {
		if _, err := loadYAML(t, text); err == nil || strings.Contains(err.Error(), "XYZZY") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"nothing": "", "a comment": "# nothing\n", "a document mark": "# Title\n---\nlog: {level: warn}\n", "empty sections": "log:\ntokens:\n  algorithm:\n",
		"a dotted key": "log.level: warn\n", "a numeric key": "log: {level: info}\n",
	} {
		if _, err := loadYAML(t, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An unknown name is an error, whatever is below it.
func TestRepair_H9_UnknownNames(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"tokns: {}":                         "did you mean tokens?",
		"tokns:":                            "did you mean tokens?",
		"tokns: []":                         "did you mean tokens?",
		"tokns: {algorithm: ES256}":         "did you mean tokens?",
		"tokns: {a: {b: {}}}":               "did you mean tokens?",
		"oauth: {strict: {}}":               "oauth.strict (watchword.yaml): is not a setting",
		"oauth: {strict: {a: {}}}":          "oauth.strict (watchword.yaml): is not a setting",
		"limits: {login: {acount: {}}}":     "did you mean limits.login.account?",
		"listen: {}":                        "is not a plain value",
		"listen: {port: 8080}":              "did you mean listen?",
		"master_key_file: {path: /run/key}": "is not a setting",
	} {
		if _, err := loadYAML(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	for _, text := range []string{"tokens: {}", "tokens:", "limits: {login: {}}", "{}", ""} {
		if _, err := loadYAML(t, text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Password rules are settings of a tenant, and the error says so.
func TestRepair_N13_RulesForPasswords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ yaml, env string }{
		{yaml: "password: {min_length: 12}"}, {yaml: "password_policy: {require_digit: true}"}, {yaml: "password: {policy: strict}"},
		{env: "WATCHWORD_PASSWORD_MIN_LENGTH=12"}, {env: "WATCHWORD_PASSWORD_REQUIRE_UPPER=true"},
	} {
		_, err := loadYAML(t, c.yaml, c.env)
		if ps := Problems(err); len(ps) != 1 || !strings.Contains(err.Error(), "watchword tenant set default --password-min-length 12") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
