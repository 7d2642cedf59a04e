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

// provider is a server set up as docs/conformance.md says, and the suite's own servers.
type provider struct {
	*servertest.Server
	site *site
}

// newProvider starts one with an account on it.
func newProvider(t testing.TB, with ...servertest.Option) *provider {
	t.Helper()
	p := &provider{site: newSite(t)}
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

// site is the suite's server, at which clients are at home.
type site struct {
	*httptest.Server
	caFile string

	mu    sync.Mutex
	pages map[string]page         // owned by mu: by path
	got   map[string][]url.Values // owned by mu: forms that were posted, by path
	more  chan struct{}
}

type page struct{ media, body string }

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{pages: map[string]page{}, got: map[string][]url.Values{}, more: make(chan struct{}, 64), caFile: filepath.Join(t.TempDir(), "ca.pem")}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(s.caFile, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method == http.MethodPost {
		b, _ := io.ReadAll(r.Body) // a broken form is one without what is looked for
		form, _ := url.ParseQuery(string(b))
		s.got[r.URL.Path] = append(s.got[r.URL.Path], form)
		select {
		case s.more <- struct{}{}:
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

// put publishes a page and returns its address.
func (s *site) put(path, media, body string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages[path] = page{media, body}
	return s.URL + path
}

func (s *site) posted(path string) []url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got[path])
}

// variant is what the suite calls so: how a plan's modules are run.
type variant struct {
	dynamic bool            // clients register themselves
	method  auth.AuthMethod // how they prove themselves
	mode    string          // form_post or jwt, or empty for the query
	signed  bool            // requests are pushed as signed request objects
}

// lab is one module's place: a server, a browser in which nothing has happened yet.
type lab struct {
	t testing.TB
	*provider
	variant
	b *servertest.Browser
}

// module is one test of the suite.
type module struct {
	name string
	run  func(*lab)
}

// run runs the modules of a plan one after another, since some of them move the clock.
func run(t *testing.T, p *provider, v variant, modules []module) {
	t.Helper()
	seen := map[string]bool{}
	for _, m := range modules {
		if seen[m.name] {
			t.Errorf("%s is there twice", m.name)
		}
		seen[m.name] = true
		t.Run(m.name, func(t *testing.T) {
			m.run(&lab{t: t, provider: p, variant: v, b: p.Browser(t)})
		})
	}
}

// metadata is the discovery document.
func (l *lab) metadata() map[string]any {
	l.t.Helper()
	r := l.Do(l.t, "GET", "/.well-known/openid-configuration", nil).Want(l.t, 200)
	if !isJSON(r) {
		l.t.Error("the discovery document is not JSON")
	}
	var m map[string]any
	r.Decode(l.t, &m)
	return m
}

// supports reports whether a list of the discovery document has the value.
func (l *lab) supports(list, value string) bool {
	l.t.Helper()
	values, ok := l.metadata()[list].([]any)
	if !ok {
		l.t.Fatalf("%s is no list", list)
	}
	return slices.Contains(values, any(value))
}

// isJSON reports whether the answer says that it is JSON.
func isJSON(r servertest.Response) bool {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && media == "application/json" && (params["charset"] == "" || strings.EqualFold(params["charset"], "utf-8"))
}

// skipped is a module that the suite leaves out where the provider does not offer the
// value; this one does not, and its metadata has to say so.
func skipped(list, value string) func(*lab) {
	return func(l *lab) {
		l.t.Helper()
		if l.supports(list, value) {
			l.t.Errorf("%s has %s, so the suite will test it", list, value)
		}
	}
}

// wantError fails the test unless the answer is a refusal with one of the codes, in the
// form of RFC 6749 §5.2.
func (l *lab) wantError(r servertest.Response, status int, codes ...string) {
	l.t.Helper()
	var e struct {
		Error       string  `json:"error"`
		Description *string `json:"error_description"`
		URI         *string `json:"error_uri"`
	}
	if err := json.Unmarshal(r.Body, &e); err != nil || !isJSON(r) {
		l.t.Fatalf("status %d, no JSON (%v): %s", r.Status, err, r.Body)
	}
	if r.Status != status || !slices.Contains(codes, e.Error) {
		l.t.Errorf("status %d %s, want %d %v", r.Status, r.Body, status, codes)
	}
	if e.Description != nil && strings.ContainsFunc(*e.Description, func(c rune) bool { return c < 0x20 || c > 0x7e || c == '"' || c == '\\' }) {
		l.t.Errorf("error_description %q", *e.Description)
	}
}
