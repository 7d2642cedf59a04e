package attacks_test

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/servertest"
)

// changingRoute is a route that changes something.
type changingRoute struct{ method, path string }

// pageRoute matches the lines of the route table that serve pages and their forms.
var pageRoute = regexp.MustCompile(`rt\.Route\("(GET|POST) ([^"]+)", d\.(?:page|flowPage),`)

// pageRoutes returns the paths of the pages, or of their forms, as the route table has them.
func pageRoutes(t testing.TB, method string) (paths []string) {
	t.Helper()
	table, err := os.ReadFile("../../web/routes.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range pageRoute.FindAllStringSubmatch(string(table), -1) {
		if m[1] == method {
			paths = append(paths, m[2])
		}
	}
	return paths
}

// changingRoutes returns them all: those of the OpenAPI description, and the forms of the
// pages.
func changingRoutes(t testing.TB, s *servertest.Server) []changingRoute {
	t.Helper()
	var list []changingRoute
	for _, path := range pageRoutes(t, "POST") {
		list = append(list, changingRoute{"POST", path})
	}
	for _, method := range []string{"post", "put", "patch", "delete"} {
		for _, path := range describedPaths(t, s, method) {
			list = append(list, changingRoute{strings.ToUpper(method), path})
		}
	}
	if len(list) < 35 {
		t.Fatalf("only %d routes change something", len(list))
	}
	slices.SortFunc(list, func(a, b changingRoute) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return list
}

// describedPaths returns the paths of the OpenAPI description that have the method.
func describedPaths(t testing.TB, s *servertest.Server, method string) (paths []string) {
	t.Helper()
	doc := decode[struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}](t, s.Do(t, "GET", api("/openapi.json"), nil).Want(t, 200))
	for path, methods := range doc.Paths {
		if methods[method] != nil {
			paths = append(paths, strings.NewReplacer("{id}", "01a2f3c4", "{client_id}", "x").Replace(path))
		}
	}
	return paths
}

// TestAttack_SE_06_CrossSite sends every change from another site, with alice's cookies, in
// every way that a browser allows.
func TestAttack_SE_06_CrossSite(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.SignUp(t, alice)
		c := signInCookie(t, s, alice, servertest.Password)
		h := servertest.Header
		const payload = `{"email":"eve@example.test","password":"` + otherPassword + `","current_password":"` + servertest.Password + `","new_password":"` + otherPassword + `"}`
		ways := map[string][]servertest.RequestOption{
			"form":              {h("Origin", "https://evil.test"), h("Content-Type", "application/x-www-form-urlencoded")},
			"text/plain":        {h("Origin", "https://evil.test"), h("Content-Type", "text/plain")},
			"multipart":         {h("Origin", "https://evil.test"), h("Content-Type", "multipart/form-data; boundary=x")},
			"JSON":              {h("Origin", "https://evil.test"), h("Content-Type", "application/json")},
			"no Origin":         {h("Content-Type", "application/json")},
			"Origin null":       {h("Origin", "null"), h("Content-Type", "application/json")},
			"fetch metadata":    {h("Sec-Fetch-Site", "cross-site"), h("Content-Type", "application/json")},
			"neighbour":         {h("Sec-Fetch-Site", "same-site"), h("Content-Type", "application/json")},
			"look-alike suffix": {h("Origin", s.Issuer+".evil.test"), h("Content-Type", "application/json")},
			"other port":        {h("Origin", s.Issuer+"1"), h("Content-Type", "application/json")},
			"own host, evil":    {h("Origin", "https://evil.test"), h("Host", "evil.test"), h("Content-Type", "application/json"), h("Sec-Fetch-Site", "cross-site")},
		}
		requireUnchanged(t, s, func() {
			for _, route := range changingRoutes(t, s) {
				for name, opts := range ways {
					r := s.Do(t, route.method, route.path, payload, append(opts, withCookie(c))...)
					if r.Status != 403 || len(r.Header["Set-Cookie"]) != 0 {
						t.Errorf("SE-06 %s %s, %s: %d %s", route.method, route.path, name, r.Status, r.Body)
					}
				}
			}
		})
		me(t, s, withCookie(c)).Want(t, 200)
		s.Do(t, "PATCH", api("/me"), body{"name": "Alice"}, withCookie(c), withOwnOrigin(s)).Want(t, 200)
	})
}

// TestAttack_SE_07_ByGet sends GET and HEAD to every route that changes something.
func TestAttack_SE_07_ByGet(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		tokens := s.SignUp(t, alice)
		s.Register(t, bob, servertest.Password)
		link := servertest.LinkToken(t, s.WaitMail(t, bob))
		c := signInCookie(t, s, alice, servertest.Password)
		reads := map[string]bool{} // these are there to be read as well
		for _, path := range pageRoutes(t, "GET") {
			reads[path] = true
		}
		for _, path := range describedPaths(t, s, "get") {
			reads[path] = true
		}
		requireUnchanged(t, s, func() {
			for _, route := range changingRoutes(t, s) {
				for _, method := range []string{"GET", "HEAD"} {
					for _, who := range []servertest.RequestOption{withCookie(c), servertest.Bearer(tokens.AccessToken)} {
						query := "?token=" + link + "&_method=" + route.method + "&password=" + otherPassword
						r := s.Do(t, method, route.path+query, nil, who, servertest.Header("X-HTTP-Method-Override", route.method))
						if r.Status != 405 && !reads[route.path] {
							t.Errorf("SE-07 %s %s: %d", method, route.path, r.Status)
						}
					}
				}
			}
		})
		post(t, s, "/verify-email", body{"token": link}).Want(t, 200)
	})
}

// TestAttack_SE_08_LoginFromElsewhere signs alice's browser in as eve from another site.
func TestAttack_SE_08_LoginFromElsewhere(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.SignUp(t, eve)
		b := `{"email":"` + eve + `","password":"` + servertest.Password + `","session":"cookie"}`
		for name, opts := range map[string][]servertest.RequestOption{
			"JSON":       {servertest.Header("Content-Type", "application/json"), servertest.Header("Origin", "https://evil.test")},
			"text/plain": {servertest.Header("Content-Type", "text/plain"), servertest.Header("Sec-Fetch-Site", "cross-site")},
			"no type":    {servertest.Header("Origin", "null")},
			"old form":   {servertest.Header("Content-Type", "text/plain")}, // a browser without Origin and Sec-Fetch-Site
		} {
			requireUnchanged(t, s, func() {
				r := s.Do(t, "POST", api("/login"), b, opts...)
				if r.Status < 400 || len(r.Header["Set-Cookie"]) != 0 {
					t.Errorf("SE-08 %s: %d, cookies %v", name, r.Status, r.Header["Set-Cookie"])
				}
			})
		}
	})
}

// TestAttack_HT_09_CORS sends requests from origins that are not allowed.
func TestAttack_HT_09_CORS(t *testing.T) {
	t.Parallel()
	const app = "https://app.example.test"
	s := servertest.New(t, servertest.Configure(origins(app)))
	paths := []string{api("/login"), api("/me"), api("/refresh"), "/verify-email", "/livez", "/dev/mailbox.json", "/login", "/oauth2/authorize", "/oauth2/logout", "/oauth2/introspect"}
	for _, origin := range []string{"null", "https://evil.test", app + ".evil.test", "https://evilapp.example.test", "https://app.example.test:444", "http://app.example.test",
		"https://app.example.test@evil.test", "https://app.example.testx", app + "/", "HTTPS://APP.EXAMPLE.TEST.", "https://sub.app.example.test", "*", ""} {
		for _, path := range paths {
			for _, method := range []string{"GET", "POST", "OPTIONS"} {
				r := s.Do(t, method, path, nil, servertest.Header("Origin", origin), servertest.Header("Access-Control-Request-Method", "POST"), servertest.Header("Access-Control-Request-Headers", "authorization"))
				if got := r.Header.Values("Access-Control-Allow-Origin"); len(got) != 0 {
					t.Errorf("HT-09 %s %s from %q is allowed: %q", method, path, origin, got)
				}
			}
		}
	}
	for _, path := range paths {
		r := s.Do(t, "GET", path, nil, servertest.Header("Origin", app))
		allowed, isAPI := r.Header.Get("Access-Control-Allow-Origin"), strings.HasPrefix(path, "/api/")
		if isAPI && allowed != app || !isAPI && allowed != "" {
			t.Errorf("HT-09 %s from the application: %q", path, allowed)
		}
		if allowed != "" && !slices.Contains(r.Header.Values("Vary"), "Origin") {
			t.Errorf("HT-09 %s: caches would hand it to other origins: Vary %q", path, r.Header.Values("Vary"))
		}
		if creds := r.Header.Get("Access-Control-Allow-Credentials"); creds != "" && (allowed == "*" || !strings.HasPrefix(path, "/api/")) {
			t.Errorf("HT-09 %s: credentials for %q", path, allowed)
		}
	}
	// What looks at no cookie is open to everybody, and no cookie comes along.
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/jwks.json", "/oauth2/token", "/oauth2/userinfo"} {
		r := s.Do(t, "GET", path, nil, servertest.Header("Origin", "https://evil.test"))
		if r.Header.Get("Access-Control-Allow-Origin") != "*" || r.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("HT-09 %s: %v", path, r.Header)
		}
	}
	r := s.Do(t, "OPTIONS", api("/me"), nil, servertest.Header("Origin", app), servertest.Header("Access-Control-Request-Method", "PATCH"), servertest.Header("Access-Control-Request-Headers", "authorization"))
	if r.Status != http.StatusNoContent || r.Header.Get("Access-Control-Allow-Methods") != "PATCH" {
		t.Errorf("preflight of the application: %d %v", r.Status, r.Header)
	}
	t.Run("HT-09 none configured", func(t *testing.T) {
		s := servertest.New(t)
		for _, path := range paths {
			r := s.Do(t, "GET", path, nil, servertest.Header("Origin", app))
			for name := range r.Header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s: %s", path, name)
				}
			}
		}
	})
}
