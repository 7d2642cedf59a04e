package limit

import (
	"net/netip"
	"strings"
	"testing"
)

var proxies = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("fd00::/8"),
}

// BF-05: forwarding headers of an untrusted peer are ignored.
func TestAttack_BF_05_UntrustedForwarding(t *testing.T) {
	t.Parallel()
	for _, forwarded := range [][]string{
		nil, {"1.2.3.4"}, {"1.2.3.4", "5.6.7.8"}, {"10.0.0.1"}, {"198.51.100.9, 10.0.0.1"}, {"2001:db8::1"}, {""},
	} {
		for _, trusted := range [][]netip.Prefix{nil, proxies} {
			if got := ClientIP("203.0.113.7:4711", forwarded, trusted); got.String() != "203.0.113.7" {
				t.Errorf("%q made the client %v", forwarded, got)
			}
		}
	}
}

func TestClientIPBehindProxies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, remote string
		forwarded    []string
		want         string
	}{
		{"one proxy", "10.0.0.1:1", []string{"198.51.100.9"}, "198.51.100.9"},
		{"no header", "10.0.0.1:1", nil, "10.0.0.1"},
		{"a forged entry on the left", "10.0.0.1:1", []string{"1.1.1.1, 198.51.100.9"}, "198.51.100.9"},
		{"a forged trusted entry on the left", "10.0.0.1:1", []string{"10.9.9.9, 198.51.100.9"}, "198.51.100.9"},
		{"two proxies", "10.0.0.1:1", []string{"1.1.1.1, 198.51.100.9, 10.0.0.2"}, "198.51.100.9"},
		{"several lines are one list", "10.0.0.1:1", []string{"1.1.1.1", "198.51.100.9", "10.0.0.2"}, "198.51.100.9"},
		{"all trusted", "10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"with a port", "10.0.0.1:1", []string{"198.51.100.9:55"}, "198.51.100.9"},
		{"IPv6", "[fd00::1]:1", []string{"2001:db8::5"}, "2001:db8::5"},
		{"IPv6 in brackets", "[fd00::1]:1", []string{"[2001:db8::5]"}, "2001:db8::5"},
		{"IPv6 with a port", "[fd00::1]:1", []string{"[2001:db8::5]:9"}, "2001:db8::5"},
		{"mapped peer", "[::ffff:10.0.0.1]:1", []string{"::ffff:198.51.100.9"}, "198.51.100.9"},
		{"no port", "10.0.0.1", []string{"198.51.100.9"}, "198.51.100.9"},
		{"no address", "@", []string{"198.51.100.9"}, "invalid IP"},
		{"empty", "", nil, "invalid IP"},
	} {
		if got := ClientIP(c.remote, c.forwarded, proxies).String(); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// BF-06: at an invalid entry of a trusted proxy the result is the last valid hop.
func TestAttack_BF_06_NonsenseFromTrustedProxy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		forwarded []string
		want      string
	}{
		{"a word", []string{"a"}, "10.0.0.1"},
		{"empty", []string{""}, "10.0.0.1"},
		{"commas", []string{",,,"}, "10.0.0.1"},
		{"10 KB without a comma", []string{strings.Repeat("1", 10<<10)}, "10.0.0.1"},
		{"10 KB of commas", []string{strings.Repeat(",", 10<<10)}, "10.0.0.1"},
		{"10 KB of trusted hops", []string{strings.Repeat("10.0.0.2,", 1200) + "10.0.0.2"}, "10.0.0.2"},
		{"a zone", []string{"fe80::1%eth0"}, "fe80::1"},
		{"a zone of 10 KB", []string{"fe80::1%" + strings.Repeat("z", 10<<10)}, "10.0.0.1"},
		{"nonsense left of the client", []string{"<script>, 198.51.100.9"}, "198.51.100.9"},
		{"nonsense left of a proxy", []string{"unknown, 10.0.0.2"}, "10.0.0.2"},
		{"line breaks", []string{"1.2.3.4\r\nX: y"}, "10.0.0.1"},
		{"leading zeros", []string{"010.0.0.1"}, "10.0.0.1"},
		{"IPv4 in brackets", []string{"[1.2.3.4]"}, "10.0.0.1"},
	} {
		if got := ClientIP("10.0.0.1:1", c.forwarded, proxies).String(); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// BF-07: the addresses of one IPv6 /64 share a counter.
func TestAttack_BF_07_RotationWithinOnePrefix(t *testing.T) {
	t.Parallel()
	key := func(s string) string { return AddressKey(netip.MustParseAddr(s)) }
	want := key("2001:db8:0:1::1")
	for _, s := range []string{"2001:db8:0:1::2", "2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1::1%eth0"} {
		if got := key(s); got != want {
			t.Errorf("%s has the key %s, its neighbour %s", s, got, want)
		}
	}
	for _, s := range []string{"2001:db8:0:2::1", "2001:db8::1", "192.0.2.1"} {
		if key(s) == want {
			t.Errorf("%s shares the key %s", s, want)
		}
	}
	if key("::ffff:192.0.2.1") != "192.0.2.1" || key("192.0.2.1") == key("192.0.2.2") {
		t.Error("IPv4 is counted by whole address")
	}
	if AddressKey(netip.Addr{}) != "unknown" {
		t.Error("requests of unknown origin need a key too")
	}
}

func FuzzClientIP(f *testing.F) {
	f.Add("10.0.0.1:1", "1.2.3.4, 10.0.0.2")
	f.Add("[fd00::1%x]:1", "[::1%9]:5,,fe80::%")
	f.Fuzz(func(t *testing.T, remote, header string) {
		got := ClientIP(remote, []string{header}, proxies)
		if got.Zone() != "" || got.Is4In6() {
			t.Fatalf("not canonical: %v", got)
		}
		peer := ClientIP(remote, nil, proxies)
		if !isTrusted(peer, proxies) && got != peer {
			t.Fatalf("an untrusted peer %v became %v", peer, got)
		}
		if AddressKey(got) == "" {
			t.Fatal("no key")
		}
	})
}
