package config

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func writeFile(t testing.TB, mode os.FileMode, text string) string {
	t.Helper()
	return writeFileAt(t, filepath.Join(t.TempDir(), "f"), mode, text)
}

func writeFileAt(t testing.TB, name string, mode os.FileMode, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil { // past the umask
		t.Fatal(err)
	}
	return name
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// OP-01: no key, a default key and a key that others can read are refused, and the
// message says what to do.
func TestAttack_OP_01_MasterKey(t *testing.T) {
	t.Parallel()
	serve := func(env ...string) error {
		c, err := Load(Options{Dir: t.TempDir(), Env: append(env, "WATCHWORD_ISSUER=https://auth.example.com",
			"WATCHWORD_SMTP_URL=smtps://mail.example.com", "WATCHWORD_SMTP_FROM=no-reply@example.com")})
		if err != nil {
			return err
		}
		return c.Validate(Serve)
	}
	counted := make([]byte, 32)
	for i := range counted {
		counted[i] = byte(i)
	}
	for name, c := range map[string]struct{ env, want string }{
		"none":              {"OTHER=1", "openssl rand -base64 32"},
		"empty":             {"WATCHWORD_MASTER_KEY=", "openssl rand -base64 32"},
		"changeme":          {"WATCHWORD_MASTER_KEY=changeme", "32 bytes"},
		"zeros":             {"WATCHWORD_MASTER_KEY=" + b64(strings.Repeat("\x00", 32)), "not random"},
		"one byte repeated": {"WATCHWORD_MASTER_KEY=" + b64(strings.Repeat("\xff", 32)), "not random"},
		"a word repeated":   {"WATCHWORD_MASTER_KEY=" + b64(strings.Repeat("changeme", 4)), "not random"},
		"text":              {"WATCHWORD_MASTER_KEY=" + b64("please-change-this-default-key!!"), "not random"},
		"counted":           {"WATCHWORD_MASTER_KEY=" + base64.StdEncoding.EncodeToString(counted), "not random"},
		"31 bytes":          {"WATCHWORD_MASTER_KEY=" + goodKey[:41], "32 bytes"},
		"33 bytes":          {"WATCHWORD_MASTER_KEY=" + strings.TrimSuffix(goodKey, "=") + "AA", "32 bytes"},
		"no file":           {"WATCHWORD_MASTER_KEY_FILE=/nonexistent/key", "cannot be read"},
		"an empty file":     {"WATCHWORD_MASTER_KEY_FILE=" + writeFile(t, 0o600, "\n"), "is empty"},
		"world-readable":    {"WATCHWORD_MASTER_KEY_FILE=" + writeFile(t, 0o604, goodKey), "chmod 600"},
		"group-writable":    {"WATCHWORD_MASTER_KEY_FILE=" + writeFile(t, 0o660, goodKey), "chmod 600"},
		"a default in file": {"WATCHWORD_MASTER_KEY_FILE=" + writeFile(t, 0o600, b64(strings.Repeat("0", 32))), "not random"},
		"in the open file":  {"WATCHWORD_CONFIG=" + writeFile(t, 0o644, "master_key: "+goodKey), "chmod 600"},
		"a number":          {"WATCHWORD_CONFIG=" + writeFile(t, 0o600, "master_key: 0123456789"), "between quotes"},
	} {
		err := serve(c.env)
		if ps := Problems(err); len(ps) != 1 || ps[0].Key != "master_key" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want one problem of master_key with %q", name, err, c.want)
		}
	}
	for name, env := range map[string]string{
		"variable":         "WATCHWORD_MASTER_KEY=" + goodKey,
		"without padding":  "WATCHWORD_MASTER_KEY=" + strings.TrimRight(goodKey, "="),
		"URL alphabet":     "WATCHWORD_MASTER_KEY=" + strings.NewReplacer("+", "-", "/", "_").Replace(goodKey),
		"own file":         "WATCHWORD_MASTER_KEY_FILE=" + writeFile(t, 0o600, goodKey+"\n"),
		"own file, 0400":   "WATCHWORD_MASTER_KEY_FILE=" + writeFile(t, 0o400, goodKey),
		"closed file":      "WATCHWORD_CONFIG=" + writeFile(t, 0o600, "master_key: "+goodKey),
		"open file's file": "WATCHWORD_CONFIG=" + writeFile(t, 0o644, "master_key_file: "+writeFile(t, 0o600, goodKey)),
	} {
		if err := serve(env); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRandomKeysAreAccepted(t *testing.T) {
	t.Parallel()
	state := uint64(42)
	for range 20_000 {
		b := make([]byte, 32)
		for i := range b {
			state = state*6364136223846793005 + 1442695040888963407
			b[i] = byte(state >> 56)
		}
		if guessable(b) {
			t.Fatalf("refused %x", b)
		}
	}
}

func TestSecretGivenTwice(t *testing.T) {
	t.Parallel()
	_, err := loadYAML(t, "", "WATCHWORD_MASTER_KEY="+goodKey, "WATCHWORD_MASTER_KEY_FILE="+writeFile(t, 0o600, goodKey))
	if ps := Problems(err); len(ps) != 1 || ps[0].Msg != "is set twice" {
		t.Errorf("%v", err)
	}
	// In different layers the stronger one overrides, in either form.
	c, err := loadYAML(t, "smtp: {url: smtp://file.example}", "WATCHWORD_SMTP_URL_FILE="+writeFile(t, 0o600, "smtp://env.example\n"))
	if err != nil || c.SMTP.URL.Reveal() != "smtp://env.example" {
		t.Errorf("%q, %v", c.SMTP.URL.Reveal(), err)
	}
}

// OP-04: no error and no printed form of the configuration contains a secret, whatever
// is wrong with it.
func TestAttack_OP_04_SecretsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	const marker = "hunter2XYZZY"
	raw := marker + "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x90"
	shapes := []string{
		marker, b64(raw), b64(raw)[:30], "x " + marker + "\n" + marker, "smtp://user:" + marker + "@mail.example.com",
		"postgres://" + marker + "@db.example.com/x", "postgres://u:1/" + marker + "@db.example.com/x", "postgres://u:1?" + marker + "@db/x",
		"postgres://u:1#" + marker + "@db/x", "postgres://db/x?password=" + marker, "redis://:" + marker + "@h:99999999",
		"smtp://user:" + marker + "@ho st", "user:" + marker + "@host", "host=x password=" + marker, "sqlite:u:" + marker + "@x", "smtp://u:%zz" + marker + "@h",
		"mailto:" + marker,
	}
	for _, f := range Fields() {
		if !f.Secret {
			continue
		}
		for _, shape := range shapes {
			file := writeFile(t, 0o600, shape)
			quoted, _ := json.Marshal(shape)
			yaml := strings.ReplaceAll(f.Key, ".", ": {") + ": " + string(quoted) + strings.Repeat("}", strings.Count(f.Key, "."))
			l := newLoader()
			l.flags(map[string]string{f.Key: shape})
			byFlag, err1 := l.finish()
			byFile, err2 := loadYAML(t, yaml)
			byEnv, err3 := loadYAML(t, "", f.Env+"="+shape)
			byOwn, err4 := loadYAML(t, "", f.Env+"_FILE="+file)
			if byEnv.origins[f.Key].source != SourceEnv && err3 == nil {
				t.Errorf("%s: the secret was not applied, so the test checks nothing", f.Key)
			}
			out := printed(t, byFlag, err1) + printed(t, byFile, err2) + printed(t, byEnv, err3) + printed(t, byOwn, err4)
			for _, secret := range []string{marker, b64(raw)[:16], fmt.Sprintf("%x", marker), fmt.Sprint([]byte(marker))} {
				if i := strings.Index(out, secret); i >= 0 {
					t.Errorf("%s = %q is printed: …%.200s", f.Key, shape, out[max(0, i-100):])
				}
			}
		}
	}
	// Valid values under unknown names, and truncated files.
	for _, yaml := range []string{
		"master_kye: " + marker, "smtp: {ulr: " + marker + "}", "master_key: '" + marker, "master_key: *" + marker, "master_key: &" + marker,
		"master_key: !" + marker, "master_key: \"\\x" + marker, marker, "? " + marker, "master_key: [" + marker + "]", "master_key: {a: " + marker + "}",
		"master_key: |\n " + marker + "\nx", "{master_key: " + marker, "limits: {redis: [" + marker,
	} {
		c, err := loadYAML(t, yaml, "WATCHWORD_MASTERKEY="+marker)
		out := printed(t, c, err)
		if i := strings.Index(out, marker); i >= 0 {
			t.Errorf("%q is printed: …%.200s", yaml, out[max(0, i-100):])
		}
	}
}

// printed returns a configuration in every printed form.
func printed(t *testing.T, c *Config, err error) string {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintln(&b, err, c.Validate(Serve), c.Validate(Dev))
	for _, p := range append(Problems(err), Problems(c.Validate(Serve))...) {
		fmt.Fprintf(&b, "%+v %#v\n", *p, *p)
	}
	for _, v := range []any{c, *c, c.MasterKey, c.SMTP, c.Limits, c.Password, &c.SMTP, c.Database, []any{c.SMTP.URL, &c.MasterKey, c.Password.FlaskSecuritySalt}} {
		fmt.Fprintf(&b, "%v %+v %#v %s %q %x %X %d\n", v, v, v, v, v, v, v, v)
		enc, jerr := json.Marshal(v)
		if jerr != nil {
			t.Error(jerr)
		}
		b.Write(enc)
		slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "config", v)
		slog.New(slog.NewTextHandler(&b, nil)).Info("x", "config", v)
	}
	fmt.Fprintln(&b, c.Explain())
	return b.String()
}

func TestRedactedURLsStayUseful(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "postgres://u:p@db.example.com:5432/app?sslmode=require": "postgres://***@db.example.com:5432/app?***",
		"smtp://mail.example.com": "smtp://mail.example.com", "sqlite:/var/lib/w.db": "sqlite:/var/lib/w.db", "redis://:p@h/0": "redis://***@h/0",
		"no url": hidden,
	} {
		if got := redactURL(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}
