package auth

import (
	"strings"
	"testing"
)

func TestParseEmail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, address, login string }{
		{"alice@example.test", "alice@example.test", "alice@example.test"},
		{" Alice@EXAMPLE.test ", "Alice@example.test", "alice@example.test"},
		{"a.b+c@example.test", "a.b+c@example.test", "a.b+c@example.test"},
		{"o'hara_!#$%&*=?^`{|}~-/@example.test", "o'hara_!#$%&*=?^`{|}~-/@example.test", "o'hara_!#$%&*=?^`{|}~-/@example.test"},
		{"alice@bücher.example", "alice@xn--bcher-kva.example", "alice@xn--bcher-kva.example"},
		{"ａｌｉｃｅ@example.test", "alice@example.test", "alice@example.test"},             // full width
		{"ali\u200bce@exam\u200dple.test", "alice@example.test", "alice@example.test"}, // zero width
		{"\ufeffalice@example.test", "alice@example.test", "alice@example.test"},
		{"alice＠example.test", "alice@example.test", "alice@example.test"}, // full-width at sign
		{"alice@example.test\r\n", "alice@example.test", "alice@example.test"},
	} {
		got, err := ParseEmail(c.in)
		if err != nil || got.Address != c.address || got.Login != c.login {
			t.Errorf("%q: %+v, %v; want %s, %s", c.in, got, err, c.address, c.login)
		}
	}
}

// PW-13: addresses that mail systems read differently are refused.
func TestAttack_PW_13_addresses(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"", "@", "a", "a@", "@b.test", "a@@b.test", "a@b@c.test",
		`"a@evil"@good.test`, "a@good.test\r\nBcc: b@evil.test", "a@good.test%0d%0aBcc:", "a@good.test,b@evil", "<a@evil>a@good", "Alice <a@good.test>",
		"a (comment)@good.test", "a..b@good.test", ".a@good.test", "a.@good.test", "a b@good.test", "a@good .test", "a@[127.0.0.1]", "a@-good.test", "a@good-.test",
		"a@good..test", "a@.good.test", "a@good.test.", "а@good.test", "alice@gооd\x00.test", "a\x00@good.test", "a@go_od.test", "a;b@good.test", "a:b@good.test",
		strings.Repeat("a", 65) + "@good.test", "a@" + strings.Repeat("b", 64) + ".test", "a@" + strings.Repeat("b.", 130) + "test",
		"a@good.test\xff", strings.Repeat("a@b.test ", 200),
	} {
		if e, err := ParseEmail(bad); err == nil {
			t.Errorf("%q is accepted as %+v", bad, e)
		} else if KindOf(err) != KindInvalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
	// A look-alike domain stays another domain.
	e, err := ParseEmail("alice@exаmple.test") // Cyrillic а
	if err == nil && e.Login == "alice@example.test" {
		t.Error("a look-alike domain is the real one")
	}
}

func FuzzParseEmail(f *testing.F) {
	f.Add("Alice@Example.test")
	f.Add("ａ\u200b@bücher.example")
	f.Add(`"a b"@x.test`)
	f.Fuzz(func(t *testing.T, s string) {
		e, err := ParseEmail(s)
		if err != nil {
			return
		}
		if strings.ContainsAny(e.Address, " \r\n\t<>,;:\"()[]\\\x00") || strings.Count(e.Address, "@") != 1 || len(e.Address) > 254 {
			t.Errorf("%q gives %q", s, e.Address)
		}
		if e.Login != strings.ToLower(e.Address) {
			t.Errorf("%q has the login %q and the address %q", s, e.Login, e.Address)
		}
		again, err := ParseEmail(e.Address)
		if err != nil || again != e {
			t.Errorf("%q is not stable: %+v, %v", s, again, err)
		}
	})
}
