package clients_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// comparison is one request to both providers. Equal responses have equal descriptions.
type comparison struct {
	what string
	ask  func(*testProvider) string
}

// TestPeer sends the same valid and invalid requests to npm oidc-provider, which is certified,
// and to Watchword. Every difference must be in the table of differences, and every entry of
// the table must exist.
func TestPeer(t *testing.T) {
	t.Parallel()
	dir := peerDir(t)
	us := startWatchword(t)
	peer := startOIDCProvider(t, dir, us.clients)
	all := [][]comparison{
		metadataQuestions(us, peer), authorizeQuestions, signedInQuestions, objectQuestions, pushedQuestions, tokenQuestions, assertionQuestions, codeQuestions,
		refreshQuestions, deviceQuestions, proofQuestions, introspectQuestions, revokeQuestions, userinfoQuestions, registerQuestions, manageQuestions, logoutQuestions,
	}
	known := map[string]difference{}
	for _, d := range differences {
		for _, what := range d.what {
			known[what] = d
		}
	}
	asked := map[string]bool{}
	for _, group := range all {
		for _, q := range group {
			if asked[q.what] {
				t.Errorf("%q is compared twice", q.what)
			}
			asked[q.what] = true
			theirs, ours := q.ask(peer), q.ask(us)
			d, listed := known[q.what]
			switch {
			case theirs == ours && listed:
				t.Errorf("%s: the answers are alike now (%s); take it out of the differences", q.what, ours)
			case theirs != ours && (d.peer != theirs || d.watchword != ours):
				t.Errorf("a difference that is not listed: %s:\n\tpeer: %q,\n\twatchword: %q", q.what, theirs, ours)
			}
		}
	}
	for what := range known {
		if !asked[what] {
			t.Errorf("%q is listed and never compared", what)
		}
	}
	t.Logf("%d questions, %d differences", len(asked), len(known))
}

// testProvider is one of the two providers, with the clients of both.
type testProvider struct {
	*testing.T
	base     string
	metadata map[string]any
	http     *http.Client // follows nothing
	clients  map[string]*peerClient
	person   browserDriver // somebody who has signed in

	browser func() browserDriver // a new one
	pass    func(time.Duration)
	now     func() time.Time                    // the provider's
	decide  func(asked device, decision string) // of the person in front of a device
}

func (p *testProvider) at(endpoint string) string {
	p.Helper()
	address, _ := p.metadata[endpoint].(string)
	if address == "" {
		p.Fatalf("%s does not say where its %s is", p.base, endpoint)
	}
	return address
}

// signInPerson fetches the metadata and signs the user in.
func (p *testProvider) signInPerson() *testProvider {
	p.Helper()
	a := p.send(request{method: "GET", to: p.base + "/.well-known/openid-configuration"})
	if a.status != 200 {
		p.Fatalf("metadata: %s", a)
	}
	p.metadata = a.members
	p.person = p.browser()
	p.code("conf")
	return p
}

func startWatchword(t *testing.T) *testProvider {
	t.Helper()
	s := servertest.New(t, servertest.Configure(func(c *config.Config) { c.OAuth.Registration = "open" }))
	s.SignUp(t, alice)
	p := &testProvider{T: t, base: s.Issuer, http: s.Client, clients: createClients(t, s)}
	p.browser = func() browserDriver { return &watchwordBrowser{t, s, s.Browser(t)} }
	p.now, p.pass = s.Clock.Now, s.Clock.Advance
	p.decide = func(asked device, decision string) {
		b := p.person.(*watchwordBrowser).Browser
		b.Open(asked.Complete).Want(t, 200)
		b.Press("submit").Want(t, 200)
		b.Press(decision).Want(t, 200)
	}
	return p.signInPerson()
}

// startOIDCProvider starts oidc-provider with the same clients, secrets and keys as Watchword.
func startOIDCProvider(t *testing.T, dir string, clients map[string]*peerClient) *testProvider {
	t.Helper()
	base := "http://" + freeAddress(t)
	settings, err := json.Marshal(map[string]any{"issuer": base, "resource": resource, "clients": registrations(clients)})
	if err != nil {
		t.Fatal(err)
	}
	startProgram(t, append(os.Environ(), "NODE_ENV=production", "SETTINGS="+string(settings)), "node", filepath.Join(dir, "provider.mjs"))
	waitForServer(t, base+"/jwks")
	p := &testProvider{T: t, base: base, clients: clients, http: browser(t)}
	p.http.Jar = nil
	p.browser = func() browserDriver { return &peerBrowser{p, browser(t)} }
	hook := func(path string, q url.Values) {
		if a := p.send(request{method: "POST", to: base + "/hook/" + path + "?" + q.Encode()}); a.status != 204 {
			t.Fatalf("%s: %s", path, a)
		}
	}
	var ahead time.Duration
	p.now = func() time.Time { return time.Now().Add(ahead) }
	p.pass = func(d time.Duration) {
		ahead += d
		hook("clock", url.Values{"seconds": {strconv.Itoa(int(d / time.Second))}})
	}
	p.decide = func(asked device, decision string) { hook(decision, url.Values{"code": {asked.User}}) }
	return p.signInPerson()
}

// peerDir returns a directory with the program next to the package that it imports.
func peerDir(t *testing.T) string {
	t.Helper()
	modules, err := filepath.Abs("../../../.cache/peer/node_modules")
	if err == nil {
		_, err = os.Stat(filepath.Join(modules, "oidc-provider"))
	}
	if err != nil {
		skipMissing(t, "npm oidc-provider", err)
	}
	dir := t.TempDir()
	source, err := os.ReadFile("testdata/peer/provider.mjs")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "provider.mjs"), source, 0o644)
	}
	if err == nil {
		err = os.Symlink(modules, filepath.Join(dir, "node_modules"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
