package config

import (
	"encoding/base64"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"0s": 0, "15m": 15 * time.Minute, "1d": 24 * time.Hour, "30d": 720 * time.Hour, "1d12h": 36 * time.Hour,
		"1h30m": 90 * time.Minute, "250ms": 250 * time.Millisecond, "1.5h": 90 * time.Minute, "36500d": 36500 * 24 * time.Hour,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "15", "-15m", "+15m", "d", "1.5d", "-1d", "1d-1h", "1d 2h", "1d2d", "1w", "106752d", "99999999999999999999d",
		"106751d24h", "9223372036854775807h", "1_0m", " 1m"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q = %v, want an error", text, got)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0s", time.Hour: "1h", 15 * time.Minute: "15m", 24 * time.Hour: "24h", 36 * time.Hour: "1d12h", 720 * time.Hour: "30d", 90 * time.Second: "1m30s",
		time.Hour + time.Second: "1h0m1s", 100 * time.Millisecond: "100ms", 10 * time.Second: "10s", 70 * time.Minute: "1h10m",
	} {
		if got := formatDuration(d); got != want {
			t.Errorf("%v is written %q, want %q", d, got, want)
		}
	}
}

func TestParseSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Size{"0": 0, "512": 512, "512B": 512, "64KiB": 64 << 10, "1MiB": 1 << 20, "1MB": 1e6, "2 GiB": 2 << 30, "1TiB": 1 << 40} {
		got, err := ParseSize(text)
		if err != nil || got != want {
			t.Errorf("%q = %d, %v", text, got, err)
		}
		if again, err := ParseSize(got.String()); err != nil || again != got {
			t.Errorf("%d is written %q, which is %d, %v", got, got, again, err)
		}
	}
	for _, text := range []string{"", "KiB", "-1", "1.5MiB", "1M", "1mib", "0x10", "1_000", "9223372036854775808", "8388608TiB", " 1"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q = %d, want an error", text, got)
		}
	}
}

func TestParseRate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Rate{
		"10/1m": {10, time.Minute, 0}, "10/1m burst 20": {10, time.Minute, 20}, "5/1d": {5, 24 * time.Hour, 0}, "1000000/1s": {1_000_000, time.Second, 0},
	} {
		if got, err := ParseRate(text); err != nil || got != want || got.String() != text && text != "5/1d" {
			t.Errorf("%q = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "10", "10/", "0/1m", "-1/1m", "10/0s", "10/m", "10/1m burst", "10/1m burst 0", "10/1m/2", "10/1m burst 5 x", "unlimited", "off",
		"2000000000/1ns", "1/366d", "1/365d burst 2147483647"} {
		if got, err := ParseRate(text); err == nil {
			t.Errorf("%q = %v, want an error", text, got)
		}
	}
}

func TestPrefixes(t *testing.T) {
	t.Parallel()
	var p Prefixes
	if err := p.UnmarshalText([]byte("10.1.2.3/8, 192.0.2.1,fd00::/8 , ::ffff:192.0.2.9")); err != nil {
		t.Fatal(err)
	}
	if got := p.String(); got != "10.0.0.0/8, 192.0.2.1/32, fd00::/8, 192.0.2.9/32" {
		t.Error(got)
	}
	for _, text := range []string{"0.0.0.0/0", "::/0", "10.0.0.0/33", "proxy.example.com", "fe80::1%eth0", "::ffff:10.0.0.0/104", "10.0.0.0/8;10.1.0.0/16"} {
		if err := p.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q became %v", text, p)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	f.Add("1d12h")
	f.Add("106751d23h47m16s")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDuration(text)
		if err != nil {
			return
		}
		if again, err := ParseDuration(formatDuration(d)); d < 0 || err != nil || again != d {
			t.Fatalf("%q is %v, written %q, read as %v, %v", text, d, formatDuration(d), again, err)
		}
	})
}

func FuzzParseSize(f *testing.F) {
	f.Add("64KiB")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSize(text)
		if err != nil {
			return
		}
		if again, err := ParseSize(s.String()); s < 0 || err != nil || again != s {
			t.Fatalf("%q is %d, written %q, read as %d, %v", text, s, s, again, err)
		}
	})
}

func FuzzParseRate(f *testing.F) {
	f.Add("10/1m burst 20")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRate(text)
		if err != nil {
			return
		}
		if again, err := ParseRate(r.String()); r.Count < 1 || r.Per <= 0 || err != nil || again != r {
			t.Fatalf("%q is %+v, written %q, read as %+v, %v", text, r, r, again, err)
		}
	})
}

// FuzzKey: a key that is accepted has 32 bytes, and what it decodes from is base64 of them.
func FuzzKey(f *testing.F) {
	for _, s := range []string{goodKey, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "changeme", " " + goodKey + "\n", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var k Key
		if err := k.UnmarshalText([]byte(text)); err != nil || k.IsZero() {
			return
		}
		var again Key
		if err := again.UnmarshalText([]byte(base64.StdEncoding.EncodeToString(k.Bytes()))); len(k.Bytes()) != KeyBytes || err != nil || string(again.Bytes()) != string(k.Bytes()) {
			t.Fatalf("%q is %d bytes, read again as %d, %v", text, len(k.Bytes()), len(again.Bytes()), err)
		}
	})
}
