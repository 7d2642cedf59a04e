package auth

import (
	"strings"
	"testing"
)

func TestParseUserAgent(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string][2]string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:149.0) Gecko/20100101 Firefox/149.0":                                  {"Firefox", "Linux"},
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Edg/140.0": {"Edge", "Windows"},
		"Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 Version/26.0 Safari/604.1":   {"Safari", "iPhone"},
		"Mozilla/5.0 (compatible; Android 16)":                                                                    {"", "Android"},
		"curl/8.5.0":                                                                                              {"curl", ""},
		"python-requests/2.32.3":                                                                                  {"python-requests", ""},
		"Orders/3 CFNetwork/3826.500.131 Darwin/25.0.0":                                                           {"Orders", ""},
		"Dalvik/2.1.0 (Linux; U; Android 16; Pixel 10 Build/BP1A)":                                                {"Dalvik", "Android"},
		"okhttp/5.1.0":                    {"okhttp", ""},
		"":                                {},
		" \t":                             {},
		"call-us-at.example.com/1":        {},
		"<b>x</b>/1":                      {},
		strings.Repeat("a", maxProgram+1): {},
		"\xff/1":                          {},
	} {
		if program, system := ParseUserAgent(agent); program != want[0] || system != want[1] {
			t.Errorf("%q names %q and %q, want %q", agent, program, system, want)
		}
	}
}

func FuzzParseUserAgent(f *testing.F) {
	for _, s := range []string{"curl/8.5.0", "Mozilla/5.0 (X11; Linux) Firefox/149.0", "a b", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, agent string) {
		program, _ := ParseUserAgent(agent)
		known := program == "Samsung Internet"
		if len(program) > maxProgram || !known && strings.ContainsFunc(program, isNoNameRune) {
			t.Errorf("%q names the program %q", agent, program)
		}
	})
}
