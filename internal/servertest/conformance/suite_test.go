package conformance_test

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/servertest"
)

const (
	person = "alice@example.test"
	issuer = "https://op.example.test"
)

// provider is a server with the configuration of docs/conformance.md, and the suite's own
// server.
type provider struct {
	*servertest.Server
	site *suiteServer
}

// newProvider starts a server and creates an account.
func newProvider(t testing.TB, with ...servertest.Option) *provider {
	t.Helper()
	p := &provider{site: newSuiteServer(t)}
	p.Server = servertest.New(t, append(with, servertest.Configure(func(c *config.Config) {
		c.Issuer = issuer
		c.OAuth.PKCE, c.OAuth.Registration, c.OAuth.AssertionAudience = "optional", "open", "endpoint"
		c.Outbound.Allow, c.Outbound.CAFile = config.Prefixes{netip.MustParsePrefix("127.0.0.0/8")}, p.site.caFile
	}))...)
	p.Issuer = issuer
	_, err := p.Accounts.Create(t.Context(), auth.DefaultTenant, account.Creation{Email: person, Name: "Alice Example", Password: servertest.Password, Verified: true}, auth.System)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// suiteServer is the HTTPS server of the suite, with the URLs of its clients.
type suiteServer struct {
	*httptest.Server
	caFile string

	mu      sync.Mutex
	pages   map[string]page         // owned by mu: by path
	forms   map[string][]url.Values // owned by mu: forms that were posted, by path
	arrived chan struct{}
}

type page struct{ media, body string }

func newSuiteServer(t testing.TB) *suiteServer {
	t.Helper()
	s := &suiteServer{pages: map[string]page{}, forms: map[string][]url.Values{}, arrived: make(chan struct{}, 64), caFile: filepath.Join(t.TempDir(), "ca.pem")}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(s.caFile, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *suiteServer) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method == http.MethodPost {
		b, _ := io.ReadAll(r.Body) // a broken form is one without what is looked for
		form, _ := url.ParseQuery(string(b))
		s.forms[r.URL.Path] = append(s.forms[r.URL.Path], form)
		select {
		case s.arrived <- struct{}{}:
		default:
		}
		w.Header().Set("Cache-Control", "no-store")
		return
	}
	p, ok := s.pages[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", p.media)
	io.WriteString(w, p.body)
}

// publish serves a document and returns its URL.
func (s *suiteServer) publish(path, media, body string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages[path] = page{media, body}
	return s.URL + path
}

func (s *suiteServer) postedForms(path string) []url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.forms[path])
}

// variant selects how the modules of a plan run, as in the suite.
type variant struct {
	dynamic        bool            // clients register themselves
	method         auth.AuthMethod // how they prove themselves
	responseMode   string          // form_post or jwt, or empty for the query
	signedRequests bool            // requests are pushed as signed request objects
}

// moduleTest is one run of a module: a provider and a new browser.
type moduleTest struct {
	t testing.TB
	*provider
	variant
	b *servertest.Browser
}

// module is one test of the suite.
type module struct {
	name string
	run  func(*moduleTest)
}

// run runs the modules of a plan one after another, because some move the clock.
func run(t *testing.T, p *provider, v variant, modules []module) {
	t.Helper()
	seen := map[string]bool{}
	for _, m := range modules {
		if seen[m.name] {
			t.Errorf("%s is there twice", m.name)
		}
		seen[m.name] = true
		t.Run(m.name, func(t *testing.T) {
			m.run(&moduleTest{t: t, provider: p, variant: v, b: p.Browser(t)})
		})
	}
}

// metadata returns the discovery document.
func (mt *moduleTest) metadata() map[string]any {
	mt.t.Helper()
	r := mt.Do(mt.t, "GET", "/.well-known/openid-configuration", nil).Want(mt.t, 200)
	if !isJSON(r) {
		mt.t.Error("the discovery document is not JSON")
	}
	var m map[string]any
	r.Decode(mt.t, &m)
	return m
}

// supports reports whether a list of the discovery document has the value.
func (mt *moduleTest) supports(list, value string) bool {
	mt.t.Helper()
	values, ok := mt.metadata()[list].([]any)
	if !ok {
		mt.t.Fatalf("%s is no list", list)
	}
	return slices.Contains(values, any(value))
}

// isJSON reports whether the response has the media type of JSON.
func isJSON(r servertest.Response) bool {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && media == "application/json" && (params["charset"] == "" || strings.EqualFold(params["charset"], "utf-8"))
}

// notOffered returns a module that the suite skips unless the metadata has the value, which it
// must not have.
func notOffered(list, value string) func(*moduleTest) {
	return func(mt *moduleTest) {
		mt.t.Helper()
		if mt.supports(list, value) {
			mt.t.Errorf("%s has %s, so the suite will test it", list, value)
		}
	}
}

// wantError fails the test unless the response is an error with one of the codes, in the form
// of RFC 6749 §5.2.
func (mt *moduleTest) wantError(r servertest.Response, status int, codes ...string) {
	mt.t.Helper()
	var e struct {
		Error       string  `json:"error"`
		Description *string `json:"error_description"`
		URI         *string `json:"error_uri"`
	}
	if err := json.Unmarshal(r.Body, &e); err != nil || !isJSON(r) {
		mt.t.Fatalf("status %d, no JSON (%v): %s", r.Status, err, r.Body)
	}
	if r.Status != status || !slices.Contains(codes, e.Error) {
		mt.t.Errorf("status %d %s, want %d %v", r.Status, r.Body, status, codes)
	}
	if e.Description != nil && strings.ContainsFunc(*e.Description, func(c rune) bool { return c < 0x20 || c > 0x7e || c == '"' || c == '\\' }) {
		mt.t.Errorf("error_description %q", *e.Description)
	}
}
