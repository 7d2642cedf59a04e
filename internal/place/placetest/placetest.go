// Package placetest writes databases of places for tests.
//
// Write writes a file in the MaxMind DB format, as GeoLite2 City has it, with the given networks. It serves
// tests only.
package placetest

import (
	"net"
	"os"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// Names are the names of a city or country by language.
type Names map[string]string

// Place is a record of the database. A database of countries has no cities.
type Place struct {
	City, Country Names
}

// Berlin is a place with names in English and German.
var Berlin = Place{City: Names{"en": "Berlin", "de": "Berlin"}, Country: Names{"en": "Germany", "de": "Deutschland"}}

// Write writes a database of the given type, such as GeoLite2-City, and returns file.
func Write(t testing.TB, file, kind string, places map[string]Place) string {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: kind, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for cidr, p := range places {
		_, network, err := net.ParseCIDR(cidr)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Insert(network, record(p)); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := tree.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	return file
}

func record(p Place) mmdbtype.Map {
	out := mmdbtype.Map{}
	for key, names := range map[mmdbtype.String]Names{"city": p.City, "country": p.Country} {
		if len(names) == 0 {
			continue
		}
		m := mmdbtype.Map{}
		for language, name := range names {
			m[mmdbtype.String(language)] = mmdbtype.String(name)
		}
		out[key] = mmdbtype.Map{"names": m}
	}
	return out
}
