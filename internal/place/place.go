// Package place finds the place of an IP address in a database file in the MaxMind DB format, such as
// GeoLite2 City or DB-IP City Lite.
//
// Open reads the file into memory, Reload reads it again when it has changed, and Place looks an address up.
// The package stores nothing and asks nobody: a place is computed when it is shown.
package place

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/watchword-auth/watchword/internal/auth"
)

const (
	maxFile = 1 << 30 // bytes
	maxName = 100     // bytes of the name of a city or country
)

// Database finds places. A nil Database knows none. Place is safe for concurrent use, also with Reload.
type Database struct {
	file     string
	reader   atomic.Pointer[maxminddb.Reader]
	lastRead string // owned by Reload: the fingerprint of the file that was read
}

// Open reads a database of cities or countries.
func Open(file string) (*Database, error) {
	d := &Database{file: file, lastRead: fingerprint(file)}
	if err := d.load(); err != nil {
		return nil, err
	}
	return d, nil
}

// Reload reads the file again if it has changed. If the new file cannot be used, the old content stays, and the
// error says so once. It must not run twice at a time.
func (d *Database) Reload(context.Context) error {
	now := fingerprint(d.file)
	if now == d.lastRead {
		return nil
	}
	d.lastRead = now
	if err := d.load(); err != nil {
		return fmt.Errorf("the changed file cannot be used; the old content stays: %w", err)
	}
	return nil
}

// load reads the whole file. A mapped file would end the process when another program shortens it.
func (d *Database) load() error {
	f, err := os.Open(d.file)
	if err != nil {
		return wrap(d.file, err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return wrap(d.file, err)
	case !info.Mode().IsRegular():
		return wrap(d.file, errors.New("not a regular file"))
	case info.Size() > maxFile:
		return wrap(d.file, errors.New("larger than 1 GiB"))
	}
	b := make([]byte, info.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		return wrap(d.file, err)
	}
	r, err := parse(b)
	if err != nil {
		return wrap(d.file, err)
	}
	d.reader.Store(r)
	return nil
}

func wrap(file string, err error) error {
	return fmt.Errorf("want a database of cities or countries in the MaxMind DB format (.mmdb), such as GeoLite2 City: %s: %w", file, err)
}

func parse(b []byte) (*maxminddb.Reader, error) {
	r, err := maxminddb.OpenBytes(b)
	if err != nil {
		return nil, err
	}
	kind := strings.ToLower(r.Metadata.DatabaseType)
	for _, word := range []string{"city", "country", "enterprise", "location"} {
		if strings.Contains(kind, word) {
			return r, nil
		}
	}
	return nil, fmt.Errorf("its database type is %q", auth.Clip(r.Metadata.DatabaseType, maxName))
}

func fingerprint(file string) string {
	info, err := os.Stat(file)
	if err != nil {
		return ""
	}
	return fmt.Sprint(info.Size(), " ", info.ModTime().UnixNano())
}

// Place returns the place of an IP address, such as "Berlin, Germany", or only the country. A name that is
// missing in the language is in English. Text that is no address, private addresses and unknown ones have no
// place: it is empty.
func (d *Database) Place(ip, language string) string {
	if d == nil {
		return ""
	}
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	addr = addr.Unmap()
	if !addr.IsGlobalUnicast() || addr.IsPrivate() {
		return ""
	}
	return find(d.reader.Load(), addr, language)
}

// names are the names of a city or country by language.
type names struct {
	Names map[string]string `maxminddb:"names"`
}

func find(r *maxminddb.Reader, addr netip.Addr, language string) string {
	var found struct {
		City    names `maxminddb:"city"`
		Country names `maxminddb:"country"`
	}
	if r.Lookup(addr).Decode(&found) != nil {
		return "" // an IPv6 address in a file of IPv4, or a damaged record
	}
	city, country := found.City.in(language), found.Country.in(language)
	if city == "" || city == country || country == "" { // Singapore
		return country
	}
	return city + ", " + country
}

func (n names) in(language string) string {
	name := n.Names[language]
	if name == "" {
		name = n.Names["en"]
	}
	return strings.TrimSpace(auth.Clip(name, maxName))
}
