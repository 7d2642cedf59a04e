package auth

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestTenantID(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"default", "a", "acme-2", strings.Repeat("a", 63)} {
		if id, err := ParseTenantID(good); err != nil || string(id) != good {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "-a", "a-", "A", "a_b", "a/b", "..", "a.b", "ä", strings.Repeat("a", 64), "a\n"} {
		if _, err := ParseTenantID(bad); KindOf(err) != KindInvalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if got := DefaultTenant.Issuer("https://x.test"); got != "https://x.test" {
		t.Error(got)
	}
	if got := TenantID("acme").Issuer("https://x.test"); got != "https://x.test/t/acme" {
		t.Error(got)
	}
}

func TestScope(t *testing.T) {
	t.Parallel()
	s, err := ParseScope("openid  email openid orders:read")
	if err != nil || s.String() != "openid email orders:read" {
		t.Errorf("%q, %v", s, err)
	}
	if !s.Within(Scope{"orders:read", "email", "openid", "x"}) || s.Within(Scope{"openid"}) || !(Scope{}).Within(nil) {
		t.Error("within")
	}
	for _, bad := range []string{"a\"b", `a\b`, "a\nb", "ä", "a\x7f", strings.Repeat("a ", 3000)} {
		if _, err := ParseScope(bad); KindOf(err) != KindInvalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParseScope(f *testing.F) {
	f.Add("openid email")
	f.Fuzz(func(t *testing.T, in string) {
		s, err := ParseScope(in)
		if err != nil {
			return
		}
		again, err := ParseScope(s.String())
		if err != nil || again.String() != s.String() {
			t.Errorf("%q: %q, then %q, %v", in, s, again, err)
		}
	})
}

func TestNames(t *testing.T) {
	t.Parallel()
	if n, err := ParseName("  Alice  Ünder \u0301"); err != nil || n != "Alice  Ünder \u0301" {
		t.Errorf("%q, %v", n, err)
	}
	for _, bad := range []string{"a\nb", "a\x1b[31m", "\xff", strings.Repeat("a", MaxNameLength+1)} {
		if _, err := ParseName(bad); KindOf(err) != KindInvalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, bad := range []string{"", "A", "a b", "a\n", "ä", strings.Repeat("a", 101)} {
		if _, err := ParseRoleName(bad); err == nil {
			t.Errorf("role %q", bad)
		}
		if _, err := ParsePermission(bad); err == nil {
			t.Errorf("permission %q", bad)
		}
	}
	if p, err := ParsePermission("orders:read.all_v2-x/y"); err != nil || p == "" {
		t.Error(err)
	}
}

func TestClip(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{
		{"short", 10, "short"}, {"curl/8\r\nX: y", 100, "curl/8??X: y"}, {"\x1b[31mred", 100, "?[31mred"}, {"äöü", 4, "äö"}, {"abcdef", 3, "abc"}, {"\xff\xfe", 10, "??"},
	} {
		if got := Clip(c.in, c.n); got != c.want {
			t.Errorf("%q to %d: %q, want %q", c.in, c.n, got, c.want)
		}
	}
}

func FuzzClip(f *testing.F) {
	f.Add("äöü", 3)
	f.Add("\xff\xfe\n", 2)
	f.Fuzz(func(t *testing.T, s string, n int) {
		if n < 0 || n > 1<<16 {
			return
		}
		got := Clip(s, n)
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\r\n\x00\x1b") || len(got) > n && len(got) > len(s) {
			t.Errorf("%q to %d: %q", s, n, got)
		}
	})
}

func TestLifetimesOr(t *testing.T) {
	t.Parallel()
	d := Lifetimes{Access: 1, RefreshIdle: 2, RefreshAbsolute: 3, SessionIdle: 4, SessionAbsolute: 5}
	if diff := cmp.Diff(d, Lifetimes{}.Or(d)); diff != "" {
		t.Error(diff)
	}
	own := Lifetimes{Access: 9, SessionIdle: 8}
	if diff := cmp.Diff(Lifetimes{Access: 9, RefreshIdle: 2, RefreshAbsolute: 3, SessionIdle: 8, SessionAbsolute: 5}, own.Or(d)); diff != "" {
		t.Error(diff)
	}
}

func TestLive(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1_700_000_000_000)
	s := Session{IdleAt: at.Add(time.Minute), ExpiresAt: at.Add(time.Hour)}
	f := Family{IdleAt: s.IdleAt, ExpiresAt: s.ExpiresAt}
	u := SingleUse{ExpiresAt: s.IdleAt}
	for _, c := range []struct {
		at   time.Time
		live bool
	}{{at, true}, {at.Add(time.Minute - 1), true}, {at.Add(time.Minute), false}, {at.Add(2 * time.Hour), false}} {
		if s.Live(c.at) != c.live || f.Live(c.at) != c.live || u.Live(c.at) != c.live {
			t.Errorf("at %s: session %v, family %v, single-use secret %v", c.at, s.Live(c.at), f.Live(c.at), u.Live(c.at))
		}
	}
	s.EndedAt, f.RevokedAt, u.UsedAt = at, at, at
	if s.Live(at) || f.Live(at) || u.Live(at) {
		t.Error("an ended session or family, or a used secret, is live")
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	cause := errors.New("the disk is full")
	err := fmt.Errorf("save: %w", Unavailable(cause, time.Second))
	if KindOf(err) != KindUnavailable || !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
	if KindOf(errors.New("x")) != KindInternal || KindOf(nil) != KindInternal {
		t.Error("an unclassified error is not KindInternal")
	}
}
