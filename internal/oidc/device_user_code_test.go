package oidc_test

import (
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/oidc"
)

func TestParseUserCode(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"BCDF-GHJK": "BCDFGHJK", "bcdf-ghjk": "BCDFGHJK", "bcdfghjk": "BCDFGHJK", " b c d f - g h j k ": "BCDFGHJK", "WXZV-TSRQ": "WXZVTSRQ",
		"": "", "BCDF-GHJ": "", "BCDF-GHJKL": "", "ACDF-GHJK": "", "BCDF-GHJ0": "", "BCDFGHJ\u212a": "", "ＢＣＤＦＧＨＪＫ": "", "BCDF_GHJK": "",
		"BCDF-GHJK\x00": "", strings.Repeat("-", 100) + "BCDFGHJK": "",
	} {
		if code, ok := oidc.ParseUserCode(typed); ok != (want != "") || ok && code != want {
			t.Errorf("%q: got %q, %v", typed, code, ok)
		}
	}
}

func FuzzUserCode(f *testing.F) {
	f.Add("BCDF-GHJK")
	f.Add("bcdf ghjk\x00")
	f.Add("K\u212a")
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := oidc.ParseUserCode(typed)
		if !ok {
			return
		}
		if len(code) != 8 || strings.Trim(code, "BCDFGHJKLMNPQRSTVWXZ") != "" {
			t.Fatalf("%q gave %q", typed, code)
		}
		if again, ok := oidc.ParseUserCode(code); !ok || again != code {
			t.Fatalf("%q is not its own canonical form", code)
		}
		plain := strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(typed))
		if plain != code {
			t.Fatalf("%q was taken for %q", typed, code)
		}
	})
}
