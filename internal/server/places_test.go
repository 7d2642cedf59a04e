package server_test

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/place/placetest"
	"github.com/watchword-auth/watchword/internal/server"
	"github.com/watchword-auth/watchword/internal/servertest"
	"github.com/watchword-auth/watchword/internal/store"
)

func TestPlacesAreShown(t *testing.T) {
	t.Parallel()
	file := placetest.Write(t, filepath.Join(t.TempDir(), "cities.mmdb"), "GeoLite2-City", map[string]placetest.Place{"192.0.2.0/24": placetest.Berlin})
	s := servertest.New(t, servertest.Configure(func(c *config.Config) {
		c.Places.Database, c.Proxy.Trusted = file, config.Prefixes{netip.MustParsePrefix("127.0.0.0/8")}
	}))
	const ann = "ann@example.test"
	from := func(ip string) servertest.RequestOption { return servertest.Header("X-Forwarded-For", ip) }
	s.Enrol(t, ann)
	signIn := map[string]string{"email": ann, "password": servertest.Password}
	var tokens servertest.Tokens
	s.Do(t, "POST", "/api/v1/login", signIn, from("203.0.113.9")).Want(t, 200)

	s.Do(t, "POST", "/api/v1/login", signIn, from("192.0.2.7")).Want(t, 200).Decode(t, &tokens)

	if m := s.WaitNotice(t, ann); !strings.Contains(m.Text, "192.0.2.7 (Berlin, Germany)") {
		t.Errorf("notice: %s", m.Text)
	}
	err := s.DB.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
		a, err := tx.AccountByLogin(ann)
		if err != nil {
			return err
		}
		return tx.InsertTrustedBrowser(auth.TrustedBrowser{ID: "tb", Account: a.ID, IP: "192.0.2.8", CreatedAt: tx.Now, UsedAt: tx.Now, ExpiresAt: tx.Now.AddDate(0, 0, 1)})
	})
	if err != nil {
		t.Fatal(err)
	}
	var lists struct {
		Sessions        []struct{ IP, Place string }
		TrustedBrowsers []struct{ IP, Place string } `json:"trusted_browsers"`
	}
	s.Do(t, "GET", "/api/v1/me/sessions", nil, servertest.Bearer(tokens.AccessToken)).Want(t, 200).Decode(t, &lists)
	s.Do(t, "GET", "/api/v1/me/trusted-browsers", nil, servertest.Bearer(tokens.AccessToken)).Want(t, 200).Decode(t, &lists)
	places := map[string]string{}
	for _, v := range append(lists.Sessions, lists.TrustedBrowsers...) {
		places[v.IP] = v.Place
	}
	if places["192.0.2.7"] != "Berlin, Germany" || places["192.0.2.8"] != "Berlin, Germany" || places["203.0.113.9"] != "" {
		t.Errorf("in the API: %v", places)
	}
	b := s.Browser(t)
	b.Header.Set("Accept-Language", "de")
	b.Open("/login")
	b.Press("submit", "email", ann, "password", servertest.Password)
	if page := b.Open("/account/sessions"); strings.Count(page.Text(), "Berlin, Deutschland") != 2 {
		t.Errorf("page: %s", page.Text())
	}
}

func TestPlaces_RefusedAtStart(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	conf := *s.Config
	conf.Places.Database = filepath.Join(t.TempDir(), "absent.mmdb")
	_, err := server.New(t.Context(), &conf, server.Options{Now: s.Clock.Now})
	if err == nil || !strings.Contains(err.Error(), "places.database: want a database of cities or countries") || !strings.Contains(err.Error(), conf.Places.Database) {
		t.Errorf("error %v", err)
	}
}
