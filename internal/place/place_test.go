package place

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/watchword-auth/watchword/internal/place/placetest"
)

var cities = map[string]placetest.Place{
	"192.0.2.0/24":       placetest.Berlin,
	"2001:db8::/32":      placetest.Berlin,
	"198.51.100.0/25":    {City: placetest.Names{"en": "Cologne", "de": "Köln"}, Country: placetest.Names{"en": "Germany"}},
	"198.51.100.128/25":  {Country: placetest.Names{"en": "France", "de": "Frankreich"}},
	"203.0.113.0/26":     {City: placetest.Names{"en": "Singapore"}, Country: placetest.Names{"en": "Singapore"}},
	"203.0.113.64/26":    {City: placetest.Names{"ja": "東京"}, Country: placetest.Names{"ja": "日本"}},
	"203.0.113.128/26":   {City: placetest.Names{"en": "A\r\nBcc: b\x00"}, Country: placetest.Names{"en": strings.Repeat("é", 200)}},
	"203.0.113.192/26":   {City: placetest.Names{"en": "Nowhere"}},
	"10.0.0.0/8":         placetest.Berlin,
	"fd00::/8":           placetest.Berlin,
	"127.0.0.0/8":        placetest.Berlin,
	"255.255.255.255/32": placetest.Berlin,
}

func open(t testing.TB, kind string, places map[string]placetest.Place) (*Database, string) {
	t.Helper()
	file := placetest.Write(t, filepath.Join(t.TempDir(), "places.mmdb"), kind, places)
	d, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	return d, file
}

func TestPlace(t *testing.T) {
	t.Parallel()
	d, _ := open(t, "GeoLite2-City", cities)
	for _, c := range []struct{ ip, language, want string }{
		{"192.0.2.7", "en", "Berlin, Germany"},
		{"192.0.2.7", "de", "Berlin, Deutschland"},
		{"192.0.2.7", "", "Berlin, Germany"},
		{"::ffff:192.0.2.7", "de", "Berlin, Deutschland"},
		{"2001:db8::17", "de", "Berlin, Deutschland"},
		{"2001:db8::17%eth0", "en", "Berlin, Germany"},
		{"198.51.100.1", "de", "Köln, Germany"},
		{"198.51.100.200", "de", "Frankreich"},
		{"203.0.113.1", "de", "Singapore"},
		{"203.0.113.65", "en", ""},
		{"203.0.113.129", "en", "A??Bcc: b?, " + strings.Repeat("é", 50)},
		{"203.0.113.200", "en", ""},
		{"8.8.8.8", "en", ""},
		{"2001:4860::1", "en", ""},
		{"10.1.2.3", "en", ""},
		{"::ffff:10.1.2.3", "en", ""},
		{"fd00::1", "en", ""},
		{"fe80::1%eth0", "en", ""},
		{"127.0.0.1", "en", ""},
		{"255.255.255.255", "en", ""},
		{"", "en", ""},
		{"192.0.2", "en", ""},
	} {
		if got := d.Place(c.ip, c.language); got != c.want {
			t.Errorf("%s in %q: %q, want %q", c.ip, c.language, got, c.want)
		}
	}
	if got := (*Database)(nil).Place("192.0.2.7", "en"); got != "" {
		t.Errorf("without a file: %q", got)
	}
}

func TestPlace_OfCountries(t *testing.T) {
	t.Parallel()
	d, _ := open(t, "DBIP-Country-Lite", map[string]placetest.Place{"192.0.2.0/24": {Country: placetest.Berlin.Country}})
	if en, de := d.Place("192.0.2.7", "en"), d.Place("192.0.2.7", "de"); en != "Germany" || de != "Deutschland" {
		t.Errorf("%q, %q", en, de)
	}
}

func TestOpen_Refuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := placetest.Write(t, filepath.Join(dir, "good.mmdb"), "GeoLite2-City", cities)
	b, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"absent": "no such file", "folder": "not a regular file", "empty": "", "text": "", "cut": "", "network": `"GeoLite2-ASN"`} {
		file := filepath.Join(dir, name)
		switch name {
		case "folder":
			err = os.Mkdir(file, 0o700)
		case "empty":
			err = os.WriteFile(file, nil, 0o600)
		case "text":
			err = os.WriteFile(file, []byte("192.0.2.0/24 Berlin\n"), 0o600)
		case "cut":
			err = os.WriteFile(file, b[:len(b)/2], 0o600)
		case "network":
			placetest.Write(t, file, "GeoLite2-ASN", nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		_, err := Open(file)
		if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), ".mmdb") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A changed file is read once, also while it is used; a file that cannot be used replaces nothing.
func TestReload(t *testing.T) {
	t.Parallel()
	d, file := open(t, "GeoLite2-City", cities)
	var readers sync.WaitGroup
	done := make(chan struct{})
	readers.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				if got := d.Place("192.0.2.7", "de"); got != "Berlin, Deutschland" && got != "Frankreich" {
					t.Errorf("during the change: %q", got)
				}
			}
		}
	})
	modified := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i, step := range []struct {
		change func()
		fails  bool
		want   string
	}{
		{func() {}, false, "Berlin, Deutschland"},
		{func() { writeFile(t, file, []byte("no database")) }, true, "Berlin, Deutschland"},
		{func() { os.Remove(file) }, true, "Berlin, Deutschland"},
		{func() {
			placetest.Write(t, file, "GeoLite2-City", map[string]placetest.Place{"192.0.2.0/24": {Country: placetest.Names{"de": "Frankreich"}}})
		}, false, "Frankreich"},
	} {
		step.change()
		_ = os.Chtimes(file, modified, modified.Add(time.Duration(i)*time.Second))
		if err := d.Reload(t.Context()); (err != nil) != step.fails {
			t.Errorf("step %d: %v", i, err)
		}
		if err := d.Reload(t.Context()); err != nil {
			t.Errorf("step %d, again: %v", i, err)
		}
		if got := d.Place("192.0.2.7", "de"); got != step.want {
			t.Errorf("step %d: %q, want %q", i, got, step.want)
		}
	}
	close(done)
	readers.Wait()
}

func writeFile(t *testing.T, file string, b []byte) {
	t.Helper()
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func FuzzPlace(f *testing.F) {
	d, _ := open(f, "GeoLite2-City", cities)
	for _, s := range []string{"192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1%x", "203.0.113.129", "192.0.2.07", "", "::", "1.2.3.4/8"} {
		f.Add(s, "de")
	}
	f.Fuzz(func(t *testing.T, ip, language string) {
		if got := d.Place(ip, language); len(got) > 300 || !utf8.ValidString(got) || strings.ContainsAny(got, "\r\n\x00") {
			t.Errorf("%q in %q: %q", ip, language, got)
		}
	})
}

// FuzzParse: a damaged file gives an error or wrong places, and no more than that.
func FuzzParse(f *testing.F) {
	_, file := open(f, "GeoLite2-City", cities)
	good, err := os.ReadFile(file)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	for i := 0; i < len(good); i += 97 {
		damaged := bytes.Clone(good)
		damaged[i] ^= 0xff
		f.Add(damaged)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parse(b)
		if err != nil {
			return
		}
		for _, ip := range []string{"192.0.2.7", "203.0.113.129", "2001:db8::1", "8.8.8.8"} {
			if got := find(r, netip.MustParseAddr(ip), "de"); len(got) > 300 || !utf8.ValidString(got) {
				t.Errorf("%s: %q", ip, got)
			}
		}
	})
}
