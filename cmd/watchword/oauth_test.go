package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/servertest"
)

const alice = "alice@example.test"

// terminal is a person with a terminal and a browser.
type terminal struct {
	t         *testing.T
	s         *servertest.Server
	b         *servertest.Browser
	out, errs *buffer
	world     system
}

func newTerminal(t *testing.T, s *servertest.Server) *terminal {
	t.Helper()
	s.SignUp(t, alice)
	v := &terminal{t: t, s: s, b: s.Browser(t), out: &buffer{}, errs: &buffer{}}
	v.world = system{Out: v.out, Err: v.errs, Browse: v.browse}
	return v
}

// oauth runs a command against the server and returns its exit code.
func (v *terminal) oauth(args ...string) int {
	v.t.Helper()
	return run(v.t.Context(), append([]string{"oauth", "--issuer", v.s.Issuer, "--data", v.t.TempDir()}, args...), v.world)
}

// browse is the person: signs in, says yes, and is sent back to the terminal.
func (v *terminal) browse(address string) error {
	page := v.walk(v.b.Open(address))
	if !page.Away {
		v.t.Fatalf("left at %s: %s", page.URL, page.Text())
	}
	return v.comeBack(page.URL.String())
}

func (v *terminal) comeBack(address string) error {
	res, err := http.Get(address)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// walk does what the pages ask for.
func (v *terminal) walk(page *servertest.Page) *servertest.Page {
	v.t.Helper()
	for range 4 {
		switch {
		case page.Away || page.Value("csrf") == "":
			return page
		case page.Has("password"):
			page = v.b.Press("submit", "email", alice, "password", servertest.Password)
		default:
			page = v.b.Press("decision=approve")
		}
	}
	return page
}

func nativeClient(t *testing.T, s *servertest.Server, change ...func(*client.Registration)) string {
	t.Helper()
	r := client.Registration{Name: "Terminal", Type: auth.ClientNative, RedirectURIs: []string{"http://127.0.0.1/callback"}, Scopes: []string{"openid", "email", "offline_access"}}
	for _, f := range change {
		f(&r)
	}
	c, _, err := s.Clients.Create(t.Context(), auth.DefaultTenant, r, auth.Actor{Kind: auth.ActorOperator, ID: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return string(c.ID)
}

func TestOAuthAuthorizationCode(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.Configure(func(c *config.Config) { c.OAuth.DPoPNonce = true }))
	v := newTerminal(t, s)
	id := nativeClient(t, s)
	if code := v.oauth("authorization-code", "--client-id", id, "--scope", "openid", "--scope", "email", "--scope", "offline_access", "--prompt", "consent"); code != 0 {
		t.Fatalf("exit %d:\n%s", code, v.errs)
	}
	for _, want := range []string{"Access token (expires in 900 seconds):\ney", `"client_id":"` + id + `"`, "Refresh token:\nwwr_", "Claims of the verified ID Token:\n{\"iss\":\"" + s.Issuer + `"`} {
		if !strings.Contains(v.out.String(), want) {
			t.Errorf("%q is not in\n%s", want, v.out)
		}
	}

	v.out, v.errs = &buffer{}, &buffer{}
	v.world.Out, v.world.Err = v.out, v.errs
	if code := v.oauth("authorization-code", "--client-id", id, "--par", "--dpop", "--json"); code != 0 {
		t.Fatalf("with PAR and DPoP: exit %d:\n%s", code, v.errs)
	}
	var answer map[string]any
	if err := json.Unmarshal([]byte(v.out.String()), &answer); err != nil || answer["token_type"] != "DPoP" || answer["id_token"] == nil {
		t.Errorf("%v: %s", err, v.out)
	}
	if !regexp.MustCompile(`/oauth2/authorize\?client_id=[\w-]+&request_uri=[\w%:.-]+\n`).MatchString(v.errs.String()) {
		t.Errorf("the address says more than it must: %s", v.errs)
	}
}

// What the client is told by anybody but its server, it does not believe.
func TestOAuth_RefusesAnswersOfOthers(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id := nativeClient(t, s)
	v := newTerminal(t, s)
	for name, c := range map[string]struct {
		change func(url.Values)
		says   string
	}{
		"another issuer": {func(q url.Values) { q.Set("iss", "https://evil.example.test") }, "is from issuer \"https://evil.example.test\""},
		"no issuer":      {func(q url.Values) { q.Del("iss") }, `is from issuer ""`},
		"a refusal":      {func(q url.Values) { q.Del("code"); q.Set("error", "access_denied") }, "authorization failed: access_denied"},
		"no code":        {func(q url.Values) { q.Del("code") }, "has no code"},
		"another code":   {func(q url.Values) { q.Set("code", "wwc_x") }, "invalid_grant"},
	} {
		v.errs = &buffer{}
		v.world.Err = v.errs
		v.world.Browse = func(address string) error {
			page := v.walk(v.b.Open(address))
			back, q := *page.URL, page.URL.Query()
			q.Set("state", "guessed")
			back.RawQuery = q.Encode()
			if err := v.comeBack(back.String()); err != nil { // which is passed over
				return err
			}
			q = page.URL.Query()
			c.change(q)
			back.RawQuery = q.Encode()
			return v.comeBack(back.String())
		}
		if code := v.oauth("authorization-code", "--client-id", id); code != 1 || !strings.Contains(v.errs.String(), c.says) {
			t.Errorf("%s: exit %d:\n%s", name, code, v.errs)
		}
	}
}

func TestOAuth_ReportsRefusalAndTimeout(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id := nativeClient(t, s)
	v := newTerminal(t, s)
	if code := v.oauth("authorization-code", "--client-id", id, "--prompt", "none"); code != 1 || !strings.Contains(v.errs.String(), "login_required") {
		t.Errorf("exit %d:\n%s", code, v.errs)
	}
	v.world.Browse = func(string) error { return nil }
	if code := v.oauth("authorization-code", "--client-id", id, "--timeout", "10ms"); code != 1 || !strings.Contains(v.errs.String(), "no response within 10ms") {
		t.Errorf("exit %d:\n%s", code, v.errs)
	}
	if code := v.oauth("authorization-code", "--client-id", "nobody", "--par"); code != 1 || !strings.Contains(v.errs.String(), "401 Unauthorized: invalid_client") {
		t.Errorf("exit %d:\n%s", code, v.errs)
	}
}

// The browser gets its page before the command ends, also when the sign-in was refused.
func TestOAuth_AnswersTheBrowserBeforeItEnds(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id := nativeClient(t, s)
	v := newTerminal(t, s)
	for range 100 {
		answered := make(chan error, 1)
		v.world.Browse = func(address string) error {
			page := v.b.Open(address).URL.String()
			go func() { answered <- v.comeBack(page) }()
			return nil
		}
		if code := v.oauth("authorization-code", "--client-id", id, "--prompt", "none"); code != 1 {
			t.Fatalf("exit %d:\n%s", code, v.errs)
		}
		if err := <-answered; err != nil {
			t.Fatalf("the browser got no page: %v", err)
		}
	}
}

var shownCode = regexp.MustCompile(`\n    ([A-Z]{4}-[A-Z]{4})\n`)

func TestOAuthDevice(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	v := newTerminal(t, s)
	id := nativeClient(t, s, func(r *client.Registration) {
		r.Grants = []auth.GrantType{auth.GrantDeviceCode, auth.GrantRefreshToken}
	})
	pauses := []time.Duration{}
	v.world.Pause = func(_ context.Context, d time.Duration) error {
		switch pauses = append(pauses, d); len(pauses) {
		case 2: // the machine slept too short, so it is told to slow down
			s.Clock.Advance(d / 2)
			return nil
		case 3:
			v.b.Open("/device")
			v.walk(v.b.Press("submit", "code", shownCode.FindStringSubmatch(v.errs.String())[1]))
		}
		s.Clock.Advance(d)
		return nil
	}
	if code := v.oauth("device", "--client-id", id, "--scope", "openid", "--scope", "email", "--dpop"); code != 0 {
		t.Fatalf("exit %d:\n%s", code, v.errs)
	}
	if len(pauses) != 3 || pauses[0] != 5*time.Second || pauses[1] != 5*time.Second || pauses[2] != 10*time.Second {
		t.Errorf("waited %v", pauses)
	}
	for _, want := range []string{"Access token (expires in 900 seconds):\n", `"jkt":`, "Claims of the verified ID Token:\n"} {
		if !strings.Contains(v.out.String(), want) {
			t.Errorf("%q is not in\n%s", want, v.out)
		}
	}
}

func TestOAuth_ReportsDeniedDevice(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	v := newTerminal(t, s)
	id := nativeClient(t, s, func(r *client.Registration) { r.Grants = []auth.GrantType{auth.GrantDeviceCode} })
	v.world.Pause = func(_ context.Context, d time.Duration) error {
		s.Clock.Advance(d)
		v.b.Open("/device")
		page := v.b.Press("submit", "code", shownCode.FindStringSubmatch(v.errs.String())[1])
		if page.Has("password") {
			v.b.Press("submit", "email", alice, "password", servertest.Password)
		}
		v.b.Press("decision=deny")
		return nil
	}
	if code := v.oauth("device", "--client-id", id); code != 1 || !strings.Contains(v.errs.String(), "access_denied") {
		t.Errorf("exit %d:\n%s", code, v.errs)
	}
}

func TestOAuth_DeviceCodeExpires(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	v := newTerminal(t, s)
	id := nativeClient(t, s, func(r *client.Registration) { r.Grants = []auth.GrantType{auth.GrantDeviceCode} })
	v.world.Pause = func(_ context.Context, d time.Duration) error {
		s.Clock.Advance(d)
		return nil
	}
	if code := v.oauth("device", "--client-id", id); code != 1 || !regexp.MustCompile(`expired_token|in time`).MatchString(v.errs.String()) {
		t.Errorf("exit %d:\n%s", code, v.errs)
	}
}
