package auth

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseUsername(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"alice": "alice", " Alice ": "alice", "ALICE.B-c_9": "alice.b-c_9", "ａｌｉｃｅ": "alice", "ali\u200bce": "alice", "007": "007",
		strings.Repeat("a", 32): strings.Repeat("a", 32),
	} {
		if got, err := ParseUsername(in); got != want || err != nil {
			t.Errorf("ParseUsername(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

// TestAttack_PW_17_UserNames tries names that users would take for another account's.
func TestAttack_PW_17_UserNames(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"", "al", "аlice", "alıce", "αlice", "alice\u0301", "al ice", "alice@", "alice@example.test", "alice\x00", "al\xffice", ".alice", "alice.", "al..ice", "al._ice", "al/ice",
		"<b>alice", strings.Repeat("a", 33), strings.Repeat("a", 2000), "İan",
	} {
		if got, err := ParseUsername(bad); err == nil {
			t.Errorf("ParseUsername(%q) = %q", bad, got)
		}
	}
	for _, reserved := range []string{"admin", "ADMIN", "a.d.m.i.n", "Ａdmin", "root", "no-reply", "www", "watchword"} {
		if _, err := ParseUsername(reserved); err != errUsernameReserved {
			t.Errorf("ParseUsername(%q): %v", reserved, err)
		}
	}
	if !slices.IsSorted(reservedNames) {
		t.Error("reservedNames are not sorted")
	}
}

func TestParseLogin(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"Alice": "alice", " Alice@EXAMPLE.test": "alice@example.test", "alice＠example.test": "alice@example.test", "": "", "a@": "", "a b": ""} {
		if got, err := ParseLogin(in); got != want || (err == nil) != (want != "") {
			t.Errorf("ParseLogin(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestSignsIn(t *testing.T) {
	t.Parallel()
	address := Email{Address: "alice@example.test", Login: "alice@example.test"}
	unverified := Account{ID: "a", Email: address, Username: "alice"}
	named := unverified
	named.EmailVerifiedAt = time.Unix(1_000_000_000, 0)
	unnamed := named
	unnamed.Username = ""

	for _, tt := range []struct {
		names             Identifiers
		a                 Account
		email, by, either bool
	}{
		{"", named, true, false, true},
		{IdentifyByEmail, named, true, false, true},
		{IdentifyByBoth, named, true, true, true},
		{IdentifyByBoth, unverified, true, false, true},
		{IdentifyByUsername, named, false, true, true},
		{IdentifyByUsername, unnamed, true, false, true},
		{IdentifyByUsername, unverified, true, false, true},
	} {
		email, by := tt.names.SignsIn(tt.a, "alice@example.test"), tt.names.SignsIn(tt.a, "alice")
		if email != tt.email || by != tt.by || (email || by) != tt.either {
			t.Errorf("%q, %+v: address %v, user name %v", tt.names, tt.a, email, by)
		}
	}
}

func FuzzParseUsername(f *testing.F) {
	for _, s := range []string{"alice", "Ａ.b", "ad.min", "\u200b", "аlice"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := ParseUsername(s)
		if err != nil {
			return
		}
		if again, err := ParseUsername(name); again != name || err != nil {
			t.Errorf("ParseUsername(%q) = %q, of which %q, %v", s, name, again, err)
		}
		if len(name) < minUsername || len(name) > maxUsername || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
			t.Errorf("ParseUsername(%q) = %q", s, name)
		}
	})
}
