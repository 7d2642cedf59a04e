package password

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func codes(rs []Reason) []string {
	var out []string
	for _, r := range rs {
		out = append(out, r.Code)
	}
	return out
}

func TestAttack_PW_04_PolicyGivesEveryReason(t *testing.T) {
	t.Parallel()
	breached := listOf(t, "Tr0ub4dour&3xyz-breached")
	scored := DefaultPolicy()
	scored.MinLength = LengthBesideFactor
	all := scored
	all.RequireUpper, all.RequireLower, all.RequireDigit, all.RequireSpecial = true, true, true, true
	lax := Policy{MinLength: LengthBesideFactor}
	alice := []string{"Alice.Smith@example.test", "Alice Smythe-Jones", "Acme Widgets"}

	for _, tt := range []struct {
		name    string
		policy  Policy
		pw      string
		context []string
		want    []string
	}{
		{"7 characters", lax, "xK9?qLw", nil, []string{ReasonTooShort}},
		{"8 characters", lax, "xK9?qLwz", nil, nil},
		{"14 of 15", DefaultPolicy(), "xK9?qLwzVb3!mN", nil, []string{ReasonTooShort}},
		{"15 of 15", DefaultPolicy(), "xK9?qLwzVb3!mNe", nil, nil},
		{"8 code points are enough", lax, "ñandúéöü", nil, nil},
		{"bytes are not characters", lax, "🔑🔒🗝", nil, []string{ReasonTooShort}},
		{"decomposed letters count once", lax, "e\u0301o\u0301u\u0301i\u0301", nil, []string{ReasonTooShort}},
		{"64 characters", DefaultPolicy(), strings.Repeat("xK9?qLwz", 8), nil, nil},
		{"128 characters", DefaultPolicy(), strings.Repeat("xK9?qLwz", 16), nil, nil},
		{"129 characters", DefaultPolicy(), strings.Repeat("xK9?qLwz", 16) + "a", nil, []string{ReasonTooLong}},
		{"1 MB", DefaultPolicy(), strings.Repeat("x", 1<<20), nil, []string{ReasonTooLong}},
		{"not text", DefaultPolicy(), "pass\xffword", nil, []string{ReasonNotText}},

		{"most common", lax, "password1", nil, []string{ReasonCommon}},
		{"most common in capitals", lax, "PASSWORD1", nil, []string{ReasonCommon}},
		{"common and weak", scored, "iloveyou1", nil, []string{ReasonCommon, ReasonTooWeak}},
		{"breached", Policy{Blocklist: &Blocklist{Breached: breached}}, "Tr0ub4dour&3xyz-breached", nil, []string{ReasonBreached}},
		{"almost breached", Policy{Blocklist: &Blocklist{Breached: breached}}, "tr0ub4dour&3xyz-breached", nil, nil},
		{"not breached without a list", lax, "Tr0ub4dour&3xyz-breached", nil, nil},

		{"email name", lax, "xK9?ALICEqLw", alice, []string{ReasonContext}},
		{"whole local part", lax, "??alice.smith??", alice, []string{ReasonContext}},
		{"local part joined", lax, "?alicesmith99?", []string{"al.ice@example.test"}, []string{ReasonContext}},
		{"surname", lax, "qL?smythe!zV", alice, []string{ReasonContext}},
		{"tenant", lax, "qL?widgets!zV", alice, []string{ReasonContext}},
		{"full width tenant", lax, "qL?ｗｉｄｇｅｔｓ!zV", alice, []string{ReasonContext}},
		{"mail domain is fine", lax, "qL?example!zV", alice, nil},
		{"three letters are fine", lax, "qL?annzV!kw", []string{"ann@example.test", "Ann Lee"}, nil},
		{"no context", lax, "qL?widgets!zV", nil, nil},

		{"weak", DefaultPolicy(), "zyxwvutsrqponml", nil, []string{ReasonTooWeak}},
		{"weak and lax", lax, "zyxwvutsrqponml", nil, nil},
		{"four words", DefaultPolicy(), "correct horse battery staple", nil, nil},

		{"composition is off", scored, "xkzqlwvbnrtp", nil, nil},
		{"needs all but lower", all, "xkzqlwvbnrtp", nil, []string{ReasonNeedsUpper, ReasonNeedsDigit, ReasonNeedsSpecial}},
		{"needs lower", all, "XKZQLWVBN?7RT", nil, []string{ReasonNeedsLower}},
		{"has all", all, "xkzqLwvbn?7rt", nil, nil},
		{"other scripts count", all, "жЩъфЮэ٣ё—хз", nil, nil},
		{"space is special", all, "xkzqLwvb 7nrt", nil, nil},
	} {
		got := tt.policy.Check(tt.pw, tt.context...)
		if d := cmp.Diff(tt.want, codes(got)); d != "" {
			t.Errorf("%s: Check(%.40q) (-want +got):\n%s", tt.name, tt.pw, d)
		}
		for _, r := range got {
			if r.Message == "" || strings.Contains(r.Message, tt.pw) {
				t.Errorf("%s: message %q", tt.name, r.Message)
			}
		}
	}
}

func TestAttack_PW_04_TopPasswordsAreRefused(t *testing.T) {
	t.Parallel()
	// ASVS 6.2.4 asks for the 3000 most common ones that meet the length.
	n, refused := 0, 0
	for _, pw := range builtinPasswords(t) {
		if utf8.RuneCountInString(pw) < 8 {
			continue
		}
		n++
		if got := codes(Policy{MinLength: LengthBesideFactor}.Check(strings.ToUpper(pw))); cmp.Equal(got, []string{ReasonCommon}) {
			refused++
		} else {
			t.Errorf("Check(%q) = %v", strings.ToUpper(pw), got)
		}
	}
	if n < 3000 || refused != n {
		t.Errorf("%d of %d common passwords of 8 and more characters are refused, want all of at least 3000", refused, n)
	}
}

func TestCommonListHasNoFalseFriends(t *testing.T) {
	t.Parallel()
	for _, pw := range []string{"encyclopedia", "xK9?qLwz", "", "correct horse battery staple"} {
		if isCommon(pw) {
			t.Errorf("%q is called common", pw)
		}
	}
}

func TestPolicyFailsClosed(t *testing.T) {
	t.Parallel()
	damaged := &Breached{r: strings.NewReader(strings.Repeat("x", 500)), size: 500}
	p := Policy{MinLength: LengthBesideFactor, Blocklist: &Blocklist{Breached: damaged}}
	if got := codes(p.Check("xK9?qLwz")); !cmp.Equal(got, []string{ReasonUnavailable}) {
		t.Errorf("Check with an unreadable list: %v, want %v", got, ReasonUnavailable)
	}
}

func TestPolicySettings(t *testing.T) {
	t.Parallel()
	p := DefaultPolicy()
	if err := json.Unmarshal([]byte(`{"min_length":15,"require_digit":true}`), &p); err != nil {
		t.Fatal(err)
	}
	want := Policy{MinLength: 15, MaxLength: 128, MinScore: 2, RequireDigit: true}
	if d := cmp.Diff(want, p); d != "" {
		t.Errorf("settings over the default (-want +got):\n%s", d)
	}
	for _, p := range []Policy{{}, DefaultPolicy(), p} {
		if err := p.Validate(); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
	err := Policy{MinLength: 7, MaxLength: 63, MinScore: 5}.Validate()
	for _, want := range []string{"min_length 7", "max_length 63", "min_score 5"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate: %v, want mention of %q", err, want)
		}
	}
}

// The bounds include the score that zxcvbn 4.5.0 for Python gives to each
// password.
func TestStrengthBands(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pw       string
		min, max int
	}{
		{"", 0, 0},
		{"password", 0, 0},
		{"drowssap", 0, 0},
		{"Password", 0, 0},
		{"p4ssw0rd", 0, 0},
		{"qwertyuiop", 0, 0},
		{"1qaz2wsx", 0, 0},
		{"aaaaaaaaaaaa", 0, 0},
		{"abcdefgh", 0, 1},
		{"passwordpassword", 0, 0},
		{"19901231", 1, 1},
		{"01.02.1990", 1, 1},
		{"hollyoaks1987", 1, 2},
		{"P@ssw0rd2024!", 1, 2},
		{"superman12spellman", 2, 3},
		{"xkzqlwvb", 2, 3},
		{"xkzqlwvbn7", 3, 4},
		{"correct horse battery staple", 4, 4},
		{"xK9?qLwzVb3!mNe", 4, 4},
	} {
		if got := strengthOf(tt.pw); got < tt.min || got > tt.max {
			t.Errorf("strength(%q) = %d, want %d to %d", tt.pw, got, tt.min, tt.max)
		}
	}
}

// strengthOf returns the strength of a password as typed.
func strengthOf(pw string, context ...string) int {
	return strength(normalizeNFC(strings.ToValidUTF8(pw, "\uFFFD")), contextWords(context))
}

func TestStrengthKnowsTheContext(t *testing.T) {
	t.Parallel()
	const pw = "zebrafincholdenburg"
	free, known := strengthOf(pw), strengthOf(pw, "Zebrafinch GmbH", "oldenburg@example.test")
	if free < 3 || known > 1 {
		t.Errorf("strength = %d, and %d with the name and address as context; want at least 3 and at most 1", free, known)
	}
}

// The estimator accepts every text, and more context never makes a password
// harder to guess.
func TestStrengthOfAnything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pw := rapid.String().Draw(t, "pw")
		context := rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, "context")
		free, known := strengthOf(pw), strengthOf(pw, context...)
		if free < 0 || free > 4 || known > free {
			t.Fatalf("strength(%q) = %d, with context %q %d", pw, free, context, known)
		}
	})
}

func FuzzCheck(f *testing.F) {
	f.Add("P@ssw0rd2024!", "alice@example.test")
	f.Add("4@8({[<369&#!i1|0$5+7%24@8({[<369&#!i1|0$5+7%2", "")
	f.Add("\x00\xff", "@")
	p := DefaultPolicy()
	f.Fuzz(func(t *testing.T, pw, context string) {
		for _, r := range p.Check(pw, context) {
			if r.Code == "" || r.Message == "" {
				t.Errorf("Check(%q, %q): %+v", pw, context, r)
			}
		}
	})
}

// The first one hides a substitution in every sign, which makes estimators that
// try them all take seconds.
func BenchmarkStrength(b *testing.B) {
	for name, pw := range map[string]string{
		"signs":  strings.Repeat("4@8({[<369&#!i1|0$5+7%2", 3),
		"repeat": strings.Repeat("1", 128),
		"usual":  "hollyoaks1987",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				strengthOf(pw, "alice.smith@example.test")
			}
		})
	}
}
