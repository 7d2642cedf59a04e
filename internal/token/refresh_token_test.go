package token

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
)

func testForm() refreshForm { return newRefreshForm(bytes.Repeat([]byte{1, 2}, 16)) }

func testToken(t testing.TB) refreshToken {
	t.Helper()
	tok, ok := newRefreshToken(secret.NewID(time.Now()))
	if !ok {
		t.Fatal("not a UUID")
	}
	return tok
}

func TestForm(t *testing.T) {
	t.Parallel()
	f := testForm()
	id := secret.NewID(time.Now())
	tok, ok := newRefreshToken(id)
	if !ok || string(tok.familyID()) != id {
		t.Fatalf("family %s became %s", id, tok.familyID())
	}
	raw := f.encode("t1", tok).Reveal()
	if len(raw) != 95 || !strings.HasPrefix(raw, "wwr_") {
		t.Errorf("%d characters", len(raw))
	}
	if got, ok := f.decode("t1", raw); !ok || got != tok {
		t.Error("decoding changed the token")
	}
	next := f.successor("t1", tok)
	if next != f.successor("t1", tok) {
		t.Error("two successors")
	}
	if next.generation != 1 || next.family != tok.family || next.secret == tok.secret || f.successor("t2", tok).secret == next.secret {
		t.Error("not a successor")
	}
	if _, ok := newRefreshToken("not a uuid"); ok {
		t.Error("accepted a family that is no UUID")
	}
}

func TestFormRefuses(t *testing.T) {
	t.Parallel()
	f := testForm()
	raw := f.encode("t1", testToken(t)).Reveal()
	for name, bad := range map[string]string{
		"empty": "", "prefix alone": "wwr_", "other prefix": "wwl_" + raw[4:], "upper case": strings.ToUpper(raw),
		"short": raw[:len(raw)-1], "long": raw + "A", "padded": raw + "=", "newline": raw[:50] + "\n" + raw[51:], "space": " " + raw,
		"stray bits": raw[:len(raw)-1] + string(raw[len(raw)-1]+1),
	} {
		if _, ok := f.decode("t1", bad); ok {
			t.Errorf("%s: accepted", name)
		}
	}
	for i := len("wwr_"); i < len(raw); i++ {
		other := byte('A')
		if raw[i] == other {
			other = 'B'
		}
		if _, ok := f.decode("t1", raw[:i]+string(other)+raw[i+1:]); ok {
			t.Errorf("character %d changed: accepted", i)
		}
	}
	if _, ok := f.decode("t2", raw); ok {
		t.Error("another tenant's token: accepted")
	}
	if _, ok := newRefreshForm(bytes.Repeat([]byte{1, 3}, 16)).decode("t1", raw); ok {
		t.Error("another server's token: accepted")
	}
}

// FuzzRefreshToken checks that only encoded tokens are decoded.
func FuzzRefreshToken(f *testing.F) {
	form := testForm()
	good := form.encode("t1", testToken(f)).Reveal()
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add("wwr_" + strings.Repeat("A", 91))
	f.Add("")
	f.Fuzz(func(t *testing.T, raw string) {
		tok, ok := form.decode("t1", raw)
		if !ok {
			return
		}
		if back := form.encode("t1", tok).Reveal(); back != raw {
			t.Errorf("decoded %q, which is encoded as %q", raw, back)
		}
	})
}

// FuzzQuote checks the claims' string encoder against a decoder.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "plain", "a\"b", "\\", "\x00", "é", "\xff", "</script>\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := decodeString(t, appendQuoted(nil, s))
		if want := strings.ToValidUTF8(s, "\ufffd"); got != want && len([]rune(got)) != len([]rune(s)) {
			t.Errorf("%q became %q", s, got)
		}
	})
}

func TestClaimsOrder(t *testing.T) {
	t.Parallel()
	got := string(encodeClaims("https://i", Draft{audience: []string{"https://i"}, access: 90 * time.Second, grant: auth.Grant{Account: "a", Client: "c", Session: "s", Scope: auth.Scope{"x", "y"}, Roles: []string{"r"},
		Permissions: []string{"p", "q"}, AuthAt: time.Unix(5, 0), ACR: "1", AMR: []string{"pwd"}}}, time.Unix(1000, 999)))
	before, rest, _ := strings.Cut(got, `"jti":"`)
	_, after, _ := strings.Cut(rest, `"`)
	want := `{"iss":"https://i","sub":"a","aud":"https://i","client_id":"c","exp":1090,"iat":1000,` + "|" +
		`,"sid":"s","scope":"x y","roles":["r"],"permissions":["p","q"],"auth_time":5,"acr":"1","amr":["pwd"]}`
	if before+"|"+after != want {
		t.Errorf("got  %s\nwant %s", before+"|"+after, want)
	}
}
