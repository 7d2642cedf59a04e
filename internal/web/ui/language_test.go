package ui

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/password"
)

// The languages that an account and a tenant can have are those of the pages.
func TestLocales(t *testing.T) {
	t.Parallel()
	var names []string
	for _, l := range Languages {
		names = append(names, string(l))
	}
	if !slices.Equal(names, auth.Locales) {
		t.Errorf("pages in %q, accounts in %q", names, auth.Locales)
	}
}

var placeholder = regexp.MustCompile(`\{\d\}`)

// Every language has every key once, with the same placeholders.
func TestLanguagesAreComplete(t *testing.T) {
	t.Parallel()
	english := words()[English]
	for _, lang := range Languages {
		have := words()[lang]
		for k, s := range english {
			other, ok := have[k]
			if !ok || other == "" {
				t.Errorf("%s lacks %s", lang, k)
				continue
			}
			if a, b := placeholders(s), placeholders(other); !slices.Equal(a, b) {
				t.Errorf("%s: %s has the placeholders %v, English %v", lang, k, b, a)
			}
		}
		text, err := wordFiles.ReadFile("words/" + string(lang) + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			key, sentence, ok := strings.Cut(line, " = ")
			if !ok || seen[key] || strings.TrimSpace(sentence) == "" || english[Key(key)] == "" {
				t.Errorf("%s: the line %q has no key, a duplicate one or one that English lacks", lang, line)
			}
			seen[key] = true
		}
	}
}

func placeholders(s string) []string {
	all := placeholder.FindAllString(s, -1)
	slices.Sort(all)
	return slices.Compact(all)
}

// Every key in a template or in the code has a text, and every text is used.
func TestKeysAreUsed(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for _, pattern := range []string{"*.html", "*.go"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			text.Write(b)
		}
	}
	used := map[Key]bool{}
	for _, m := range regexp.MustCompile(`(?:(?:\.Say|\.T|Key =|p\.Say\() ?|, )"([a-z_]+\.[a-z_.]+)"`).FindAllStringSubmatch(text.String(), -1) {
		used[Key(m[1])] = true
		if strings.HasSuffix(m[1], ".html") || strings.HasSuffix(m[1], ".css") {
			continue
		}
		if !English.has(Key(m[1])) {
			t.Errorf("no text for %s", m[1])
		}
	}
	for k := range words()[English] {
		base := Key(strings.TrimSuffix(string(k), "_text"))
		made := strings.HasPrefix(string(k), "scope.") || strings.HasPrefix(string(k), "refused.")
		if !used[k] && !used[base] && !made && !strings.Contains(text.String(), `"`+string(k)+`"`) {
			t.Errorf("no page uses %s", k)
		}
	}
	for s := range describedScopes {
		if !English.has(Key("scope."+s)) || !English.has(Key("scope."+s+".limit")) {
			t.Errorf("the scope %s lacks its text or its limit", s)
		}
	}
}

func TestLanguage_PrefersTheRequest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		locales        []string
		accept, tenant string
		want           Lang
	}{
		{nil, "", "", English},
		{nil, "", "de", German},
		{nil, "de-AT,de;q=0.9,en;q=0.8", "", German},
		{nil, "fr, en;q=0.5, de;q=0.75", "", German},
		{nil, "fr", "de", German},
		{nil, "de;q=0, en;q=0.1", "de", English},
		{nil, "de;q=0.000", "", English},
		{nil, "EN-us", "de", English},
		{[]string{"fr-CA", "de"}, "en", "en", German},
		{[]string{"", "xx", "<script>"}, "de", "", German},
		{nil, strings.Repeat("xx,", 400) + "de", "", English}, // beyond maxRequested
		{nil, "dex, d, -de", "", English},
	} {
		if got := Language(c.locales, c.accept, c.tenant); got != c.want {
			t.Errorf("Language(%q, %.40q, %q) = %s, want %s", c.locales, c.accept, c.tenant, got, c.want)
		}
	}
}

// Every reason to refuse a password has a German text, with its limit.
func TestRefusal_IsTranslated(t *testing.T) {
	t.Parallel()
	p := Page{Lang: German}
	policy := password.Policy{MinLength: 14, MinScore: 4, RequireUpper: true, RequireLower: true, RequireDigit: true, RequireSpecial: true}
	var reasons []auth.Reason
	for _, pw := range []string{"", "alice", "12345678", strings.Repeat("x", 200), "\xff"} {
		for _, r := range policy.Check(pw, "alice@example.test") {
			reasons = append(reasons, auth.Reason{Code: r.Code, Msg: r.Message})
		}
	}
	got := p.Refusal(&auth.Error{Reasons: reasons})
	for i, s := range got {
		if strings.Contains(s, "must") || strings.Contains(s, "{") || strings.Contains(s, "too ") {
			t.Errorf("%s has the text %q", reasons[i].Code, s)
		}
	}
	if !slices.Contains(got, "Verwenden Sie mindestens 14 Zeichen.") || !slices.Contains(got, "Verwenden Sie höchstens 128 Zeichen.") {
		t.Errorf("a limit is missing: %q", got)
	}
	if got := p.Refusal(auth.Invalid("new_code", "", "something new")); !slices.Equal(got, []string{"Something new."}) {
		t.Errorf("a code without a text: %q", got)
	}
}

func TestProgram_NamesBrowserAndSystem(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string]string{
		firefox: "Firefox on Linux", chrome: "Chrome on Windows", iphone: "Safari on iPhone",
		"curl/8.5.0": "curl", "": "Unknown device", "Tricorder/1\x07": "Tricorder", "Mozilla/5.0 (Android 16)": "Android", "see evil.example/": "see",
	} {
		if got := (Page{}).Program(agent); got != want {
			t.Errorf("%q is shown as %q, want %q", agent, got, want)
		}
	}
}

// A scope that is named like a key does not show the text of that key.
func TestScopesAreNotKeys(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"other", "resource", "email.limit", "openid.limit", "<b>"} {
		if got := (Page{}).access([]string{s}, nil); len(got) != 1 || got[0].Name != s || got[0].What != "" {
			t.Errorf("the scope %s is shown as %+v", s, got)
		}
	}
}

// N16: the time to wait is in the page's language, and rounded up.
func TestRepair_N16_WaitInWords(t *testing.T) {
	t.Parallel()
	for after, want := range map[time.Duration][2]string{
		time.Millisecond:          {"10 seconds", "10 Sekunden"},
		10 * time.Second:          {"10 seconds", "10 Sekunden"},
		11 * time.Second:          {"20 seconds", "20 Sekunden"},
		51 * time.Second:          {"1 minute", "1 Minute"},
		time.Minute:               {"1 minute", "1 Minute"},
		61 * time.Second:          {"2 minutes", "2 Minuten"},
		59 * time.Minute:          {"59 minutes", "59 Minuten"},
		59*time.Minute + 1:        {"1 hour", "1 Stunde"},
		90 * time.Minute:          {"2 hours", "2 Stunden"},
		2*time.Hour + time.Minute: {"3 hours", "3 Stunden"},
	} {
		got := [2]string{Page{Lang: English}.Wait(after), Page{Lang: German}.Wait(after)}
		if got != want {
			t.Errorf("%v: %q, want %q", after, got, want)
		}
	}
}
