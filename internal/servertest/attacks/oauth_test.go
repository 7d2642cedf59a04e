package attacks_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/servertest"
	"github.com/watchword-auth/watchword/internal/store"
)

const formType = "application/x-www-form-urlencoded"

// testClient is a registered client with its secret.
type testClient struct {
	auth.Client
	Secret string
}

// basic returns the client's Authorization header.
func (c testClient) basic() servertest.RequestOption {
	return servertest.Header("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(string(c.ID))+":"+url.QueryEscape(c.Secret))))
}

func createClient(t testing.TB, s *servertest.Server, tenant auth.TenantID, r client.Registration) testClient {
	t.Helper()
	c, sec, err := s.Clients.Create(t.Context(), tenant, r, auth.System)
	if err != nil {
		t.Fatal(err)
	}
	return testClient{c, sec.Reveal()}
}

func newMachine(t testing.TB, s *servertest.Server) testClient {
	t.Helper()
	return createClient(t, s, auth.DefaultTenant, client.Registration{Name: "Job", Type: auth.ClientMachine, Scopes: []string{"read"}})
}

func newWebApp(t testing.TB, s *servertest.Server) testClient {
	t.Helper()
	return createClient(t, s, auth.DefaultTenant, client.Registration{Name: "App", Type: auth.ClientWeb, RedirectURIs: []string{"https://app.example.test/cb"}})
}

// postForm sends a form to an endpoint.
func postForm(t testing.TB, s *servertest.Server, path, form string, opts ...servertest.RequestOption) servertest.Response {
	t.Helper()
	return s.Do(t, "POST", path, form, append([]servertest.RequestOption{servertest.Header("Content-Type", formType)}, opts...)...)
}

const forItself = "grant_type=client_credentials"

func machineToken(t testing.TB, s *servertest.Server, c testClient) string {
	t.Helper()
	return decode[servertest.Tokens](t, postForm(t, s, "/oauth2/token", forItself, c.basic()).Want(t, 200)).AccessToken
}

// wantError checks an OAuth error response (RFC 6749 §5.2, TK-20).
func wantError(t testing.TB, r servertest.Response, status int, code string) {
	t.Helper()
	var e struct{ Error, Error_description string }
	if err := json.Unmarshal(r.Body, &e); err != nil || r.Status != status || e.Error != code {
		t.Fatalf("status %d, %s, want %d %s (%v)", r.Status, r.Body, status, code, err)
	}
	for _, c := range e.Error_description {
		if c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			t.Errorf("error_description has %q", c)
		}
	}
	requireNoStore(t, r)
}

// requireNoStore checks the headers of a response of a protocol endpoint.
func requireNoStore(t testing.TB, r servertest.Response) {
	t.Helper()
	for name, want := range map[string]string{
		"Content-Type": "application/json;charset=UTF-8", "Cache-Control": "no-store", "Pragma": "no-cache", "Etag": "", "X-Content-Type-Options": "nosniff",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestAttack_TK_Door sends requests of attackers and of faulty clients to the token endpoint.
func TestAttack_TK_Door(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c, app := newMachine(t, s), newWebApp(t, s)
		inBody := "&client_id=" + string(c.ID) + "&client_secret=" + c.Secret
		wrong := testClient{c.Client, "wws_wrong"}
		good := postForm(t, s, "/oauth2/token", forItself, c.basic()).Want(t, 200)
		requireNoStore(t, good)
		if d := cmp.Diff(map[string]any{"access_token": decode[servertest.Tokens](t, good).AccessToken, "token_type": "Bearer", "expires_in": 900.0, "scope": "read"}, decode[body](t, good)); d != "" {
			t.Errorf("answer (-want +got):\n%s", d)
		}
		requireNoStore(t, postForm(t, s, "/oauth2/token", forItself+inBody).Want(t, 200))

		r := postForm(t, s, "/oauth2/token", forItself, wrong.basic())
		wantError(t, r, 401, "invalid_client") // TK-11
		if !strings.HasPrefix(r.Header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("TK-11: challenge %q", r.Header.Get("WWW-Authenticate"))
		}
		r = postForm(t, s, "/oauth2/token", forItself+"&client_id="+string(c.ID)+"&client_secret=x")
		wantError(t, r, 401, "invalid_client")
		if r.Header.Get("WWW-Authenticate") != "" {
			t.Errorf("TK-11: a challenge to a form: %q", r.Header.Get("WWW-Authenticate"))
		}
		answers := map[string]servertest.Response{}
		for name, c := range map[string]testClient{"wrong": wrong, "unknown": {auth.Client{ID: "cl_nobody"}, c.Secret}, "other": {c.Client, app.Secret}} {
			answers[name] = postForm(t, s, "/oauth2/token", forItself, c.basic())
		}
		requireSameAnswers(t, answers)

		type attempt struct {
			name, form string
			opts       []servertest.RequestOption
			status     int
			code       string
		}
		basic := []servertest.RequestOption{c.basic()}
		for _, a := range []attempt{
			{"TK-13 both methods", forItself + inBody, basic, 400, "invalid_request"},
			{"TK-16 grant_type twice", forItself + "&" + forItself, basic, 400, "invalid_request"},
			{"TK-16 client_id twice", forItself + inBody + "&client_id=x", nil, 400, "invalid_request"},
			{"TK-16 scope twice", forItself + "&scope=read&scope=read", basic, 400, "invalid_request"},
			{"TK-17 password", "grant_type=password&username=a&password=b", basic, 400, "unsupported_grant_type"},
			{"TK-17 password, nobody", "grant_type=password&username=a&password=b", nil, 400, "unsupported_grant_type"},
			{"TK-18 not its grant", forItself, []servertest.RequestOption{app.basic()}, 400, "unauthorized_client"},
			{"TK-19 public client", forItself + "&client_id=first-party", nil, 400, "unauthorized_client"},
			{"TK-21 id alone", forItself + "&client_id=" + string(c.ID), nil, 401, "invalid_client"},
			{"TK-38 empty", "grant_type=", basic, 400, "invalid_request"},
			{"TK-38 none", "", basic, 400, "invalid_request"},
			{"TK-38 long", "grant_type=" + strings.Repeat("x", 10<<10), basic, 400, "unsupported_grant_type"},
			{"invalid scope", forItself + "&scope=%22", basic, 400, "invalid_scope"},
			{"wider scope", forItself + "&scope=admin", basic, 400, "invalid_scope"},
			{"unknown resource", forItself + "&resource=https%3A%2F%2Fa.test", basic, 400, "invalid_target"},
			{"broken escape", "grant_type=%zz", basic, 400, "invalid_request"},
			{"no UTF-8", "grant_type=%ff", basic, 400, "invalid_request"},
			{"huge", "grant_type=" + strings.Repeat("x", 100<<10), basic, 413, "invalid_request"},
			{"broken Basic", forItself, []servertest.RequestOption{servertest.Header("Authorization", "Basic ~~~")}, 401, "invalid_client"},
			{"Bearer", forItself, []servertest.RequestOption{servertest.Bearer(machineToken(t, s, c))}, 401, "invalid_client"},
		} {
			t.Run(a.name, func(t *testing.T) { wantError(t, postForm(t, s, "/oauth2/token", a.form, a.opts...), a.status, a.code) })
		}
	})
}

// TK-15: other methods and media types.
func TestAttack_TK_15_Media(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	c := newMachine(t, s)
	for _, path := range []string{"/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"} {
		for _, method := range []string{"GET", "PUT", "DELETE", "PATCH"} { // EP-03: GET as well
			r := s.Do(t, method, path, nil, c.basic())
			wantError(t, r, 405, "invalid_request")
			if r.Header.Get("Allow") != "POST" {
				t.Errorf("%s %s: Allow %q", method, path, r.Header.Get("Allow"))
			}
		}
		if r := s.Do(t, "HEAD", path, nil); r.Status != 405 {
			t.Errorf("HEAD %s: %d", path, r.Status)
		}
		for _, media := range []string{"application/json", "multipart/form-data; boundary=x", "text/plain", ""} {
			wantError(t, s.Do(t, "POST", path, forItself, c.basic(), servertest.Header("Content-Type", media)), 415, "invalid_request")
		}
		wantError(t, postForm(t, s, path, forItself, c.basic(), servertest.Header("Content-Encoding", "gzip")), 415, "invalid_request")
		postForm(t, s, path, forItself+"&token=x", c.basic(), servertest.Header("Content-Type", "")).Want(t, 415) // two media types
	}
	s.Do(t, "POST", "/oauth2/token", forItself, c.basic(), servertest.Header("Content-Type", "Application/X-WWW-Form-Urlencoded; charset=UTF-8")).Want(t, 200)
}

// TK-14: parameters in the URL have no effect, and the log does not contain them.
func TestAttack_TK_14_Address(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	s := servertest.New(t, servertest.Log(slog.New(slog.NewJSONHandler(&log, nil))))
	c := newMachine(t, s)
	for _, query := range []string{"?client_id=" + string(c.ID) + "&client_secret=" + c.Secret, "?" + forItself, "?code=" + c.Secret, "?"} {
		for _, form := range []string{"", forItself, "token=x"} {
			for _, path := range []string{"/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"} {
				wantError(t, postForm(t, s, path+query, form), 400, "invalid_request")
				wantError(t, postForm(t, s, path+query, form, c.basic()), 400, "invalid_request")
			}
		}
	}
	machineToken(t, s, c)
	postForm(t, s, "/oauth2/token", forItself, testClient{c.Client, "wrong-" + c.Secret}.basic()).Want(t, 401)
	text := log.String()
	if !strings.Contains(text, `"route":"/oauth2/token"`) || !strings.Contains(text, string(c.ID)) {
		t.Fatalf("the log does not tell of the requests:\n%s", text)
	}
	if strings.Contains(text, c.Secret) || strings.Contains(text, "eyJ") {
		t.Error("the log holds a secret or a token")
	}
}

// lockedBuffer is a bytes.Buffer for many goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TK-12 over HTTP.
func TestAttack_TK_12_Door(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := newMachine(t, s)
		c.Secret = "a:b%c+d e&é"
		err := s.DB.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
			c.Secrets = []auth.ClientSecret{{Digest: secret.Digest(c.Secret), CreatedAt: tx.Now}}
			return tx.UpdateClient(c.Client)
		})
		if err != nil {
			t.Fatal(err)
		}
		machineToken(t, s, c)
		raw := base64.StdEncoding.EncodeToString([]byte(string(c.ID) + ":" + c.Secret))
		wantError(t, postForm(t, s, "/oauth2/token", forItself, servertest.Header("Authorization", "Basic "+raw)), 401, "invalid_client")
	})
}

// TK-29, TK-30: a change on one node applies to the other at once.
func TestAttack_TK_29_30_TwoNodes(t *testing.T) {
	t.Parallel()
	nodes := servertest.Nodes(t, 2)
	c := newMachine(t, nodes[0])
	access := machineToken(t, nodes[1], c)
	if _, err := nodes[0].Clients.Disable(t.Context(), auth.DefaultTenant, c.ID, auth.System); err != nil {
		t.Fatal(err)
	}
	for _, s := range nodes {
		wantError(t, postForm(t, s, "/oauth2/token", forItself, c.basic()), 401, "invalid_client")
		wantError(t, postForm(t, s, "/oauth2/introspect", "token="+access, c.basic()), 401, "invalid_client")
		wantError(t, postForm(t, s, "/oauth2/revoke", "token="+access, c.basic()), 401, "invalid_client")
	}
	if _, err := nodes[1].Clients.Enable(t.Context(), auth.DefaultTenant, c.ID, auth.System); err != nil {
		t.Fatal(err)
	}
	_, next, err := nodes[0].Clients.RotateSecret(t.Context(), auth.DefaultTenant, c.ID, time.Hour, auth.System)
	if err != nil {
		t.Fatal(err)
	}
	machineToken(t, nodes[1], c)
	machineToken(t, nodes[1], testClient{c.Client, next.Reveal()})
	nodes[0].Clock.Advance(time.Hour)
	wantError(t, postForm(t, nodes[1], "/oauth2/token", forItself, c.basic()), 401, "invalid_client")
	machineToken(t, nodes[1], testClient{c.Client, next.Reveal()})
}

// BF-11: failures from one address are limited, successes are not counted.
func TestAttack_BF_11_Clients(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := newMachine(t, s)
		address, credential := s.Config.Limits.Rate("client.ip"), s.Config.Limits.Rate("client.credential")
		for range address.Burst + 10 {
			postForm(t, s, "/oauth2/token", forItself, c.basic(), fromIP("192.0.2.1")).Want(t, 200)
		}
		i := 0
		for ; i < address.Burst+10; i++ {
			path := []string{"/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"}[i%3]
			r := postForm(t, s, path, forItself+"&token=x", testClient{auth.Client{ID: auth.ClientID(fmt.Sprint("cl_", i))}, "x"}.basic(), fromIP("192.0.2.1"))
			if r.Status == 429 {
				wantError(t, r, 429, "temporarily_unavailable")
				if r.Header.Get("Retry-After") == "" {
					t.Error("429 without Retry-After")
				}
				break
			}
			wantError(t, r, 401, "invalid_client")
		}
		if i != address.Burst {
			t.Errorf("%d failures were looked at, want %d", i, address.Burst)
		}
		limited := 0
		for i := range credential.Count + 10 {
			r := postForm(t, s, "/oauth2/token", forItself, testClient{c.Client, "x"}.basic(), fromIP(fmt.Sprintf("198.51.100.%d", i)))
			if r.Status == 429 {
				limited++
			}
		}
		if limited != 10 {
			t.Errorf("%d failures for one client were limited, want 10", limited)
		}
		postForm(t, s, "/oauth2/token", forItself, c.basic(), fromIP("203.0.113.1")).Want(t, 200) // other addresses do not lock the client out
	}, servertest.RealLimits(), servertest.Configure(trustLocalProxy))
}

// EP-01 to EP-05 over HTTP.
func TestAttack_EP_Introspection(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		api, job := newMachine(t, s), newMachine(t, s)
		tokens := s.SignUp(t, alice)
		inactive := func(name string, r servertest.Response) {
			t.Helper()
			requireNoStore(t, r)
			if got := strings.TrimSpace(string(r.Want(t, 200).Body)); got != `{"active":false}` {
				t.Errorf("%s: %s", name, got)
			}
		}
		ask := func(c testClient, token string, more ...string) servertest.Response {
			return postForm(t, s, "/oauth2/introspect", "token="+url.QueryEscape(token)+strings.Join(more, ""), c.basic())
		}
		for name, form := range map[string]string{"nobody": "", "public": "&client_id=first-party", "id alone": "&client_id=" + string(api.ID)} {
			t.Run("EP-01 "+name, func(t *testing.T) {
				wantError(t, postForm(t, s, "/oauth2/introspect", "token="+tokens.AccessToken+form), 401, "invalid_client")
			})
		}
		mine := machineToken(t, s, job)
		for _, hint := range []string{"", "&token_type_hint=refresh_token", "&token_type_hint=x"} { // EP-03
			requireNoStore(t, ask(api, tokens.AccessToken, hint))
			if v := decode[body](t, ask(api, tokens.AccessToken, hint).Want(t, 200)); v["active"] != true || v["client_id"] != "first-party" || v["token_type"] != "Bearer" || v["iss"] != s.Issuer {
				t.Errorf("EP-03: %v", v)
			}
		}
		for _, raw := range []string{"x", "..", "wwr_x", tokens.RefreshToken, tokens.AccessToken + "x", strings.Repeat("y", 30_000)} {
			inactive("EP-02 "+raw[:min(20, len(raw))], ask(api, raw))
		}
		wantError(t, postForm(t, s, "/oauth2/introspect", "", api.basic()), 400, "invalid_request")

		empty := func(r servertest.Response) {
			t.Helper()
			if r.Want(t, 200); len(r.Body) != 0 || r.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("revocation answers %q, %v", r.Body, r.Header)
			}
		}
		wantError(t, postForm(t, s, "/oauth2/revoke", "token="+mine, api.basic()), 400, "invalid_request") // EP-04
		if decode[body](t, ask(api, mine))["active"] != true {
			t.Error("EP-04: revoked by another client")
		}
		for range 2 { // EP-05
			empty(postForm(t, s, "/oauth2/revoke", "token="+mine+"&token_type_hint=refresh_token", job.basic()))
			empty(postForm(t, s, "/oauth2/revoke", "token=garbage", job.basic()))
		}
		inactive("EP-05 revoked", ask(api, mine))
		empty(postForm(t, s, "/oauth2/revoke", "client_id=first-party&token="+tokens.RefreshToken))
		inactive("EP-05 its access token", ask(api, tokens.AccessToken))
		me(t, s, servertest.Bearer(tokens.AccessToken)).Want(t, 401)
		refresh(t, s, tokens.RefreshToken).WantCode(t, 401, "invalid_refresh_token")

		again := s.Login(t, alice, servertest.Password)
		me(t, s, servertest.Bearer(again.RefreshToken)).Want(t, 401) // RT-11
		wantError(t, postForm(t, s, "/oauth2/token", "grant_type=refresh_token&client_id=first-party&refresh_token="+again.AccessToken), 400, "invalid_grant")
		next := decode[servertest.Tokens](t, postForm(t, s, "/oauth2/token", "grant_type=refresh_token&client_id=first-party&refresh_token="+again.RefreshToken).Want(t, 200))
		if next.RefreshToken == "" || next.Scope != again.Scope {
			t.Errorf("refreshed: %+v", next)
		}
		s.Clock.Advance(time.Hour)
		inactive("EP-02 expired", ask(api, next.AccessToken))
	})
}

// EP-06: while the database accepts no writes, revocation responds 503 and changes nothing.
func TestAttack_EP_06_StorageAway(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		job := newMachine(t, s)
		access, tokens := machineToken(t, s, job), s.SignUp(t, alice)
		if err := s.DB.FlushAudit(t.Context()); err != nil {
			t.Fatal(err)
		}
		release := lockDatabase(t, s)
		for name, r := range map[string]servertest.Response{
			"access":  postForm(t, s, "/oauth2/revoke", "token="+access, job.basic()),
			"refresh": postForm(t, s, "/oauth2/revoke", "client_id=first-party&token="+tokens.RefreshToken),
		} {
			wantError(t, r, 503, "temporarily_unavailable")
			if r.Header.Get("Retry-After") == "" {
				t.Errorf("%s: 503 without Retry-After", name)
			}
		}
		release()
		if decode[body](t, postForm(t, s, "/oauth2/introspect", "token="+access, job.basic()).Want(t, 200))["active"] != true {
			t.Error("the access token was revoked")
		}
		refresh(t, s, tokens.RefreshToken).Want(t, 200)
		postForm(t, s, "/oauth2/revoke", "token="+access, job.basic()).Want(t, 200)
	})
}

// lockDatabase blocks writes to the database until release is called.
func lockDatabase(t testing.TB, s *servertest.Server) (release func()) {
	t.Helper()
	db := openDatabase(t, s.Config.DatabaseURL())
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	statements := []string{"BEGIN IMMEDIATE"}
	if s.DB.Dialect() == "postgres" {
		statements = []string{"BEGIN", "LOCK TABLE refresh_families, single_use, sessions IN SHARE MODE"}
	}
	exec := func(conn *sql.Conn, statement string) {
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for _, statement := range statements {
		exec(conn, statement)
	}
	return func() {
		exec(conn, "ROLLBACK")
		conn.Close()
	}
}

// fetchMetadata returns a tenant's metadata.
func fetchMetadata(t testing.TB, s *servertest.Server, path string, opts ...servertest.RequestOption) body {
	t.Helper()
	return decode[body](t, s.Do(t, "GET", path, nil, opts...).Want(t, 200))
}

func stringList(v any) (out []string) {
	for _, e := range v.([]any) {
		out = append(out, e.(string))
	}
	return out
}

// EP-11: everything in the metadata works, and everything else is refused.
func TestAttack_EP_11_Metadata(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		if _, err := s.Tenants.Create(t.Context(), "acme", "Acme", auth.Settings{ClientRegistration: "open"}, auth.System); err != nil {
			t.Fatal(err)
		}
		for _, tenant := range []auth.TenantID{auth.DefaultTenant, "acme"} {
			m := fetchMetadata(t, s, tenant.Path()+"/.well-known/openid-configuration")
			if d := cmp.Diff(m, fetchMetadata(t, s, "/.well-known/oauth-authorization-server"+tenant.Path())); d != "" {
				t.Errorf("the two documents differ:\n%s", d)
			}
			requireEndpoints(t, s, tenant, m)
			requireAuthMethods(t, s, tenant, m)
			requireGrantTypes(t, s, tenant, m)
			requireRegistrable(t, s, tenant, m)
		}
	})
}

// requireEndpoints fails the test unless every URL of the metadata is the tenant's and is
// served, and no other protocol endpoint is.
func requireEndpoints(t *testing.T, s *servertest.Server, tenant auth.TenantID, m body) {
	known := map[string]bool{}
	for name, v := range m {
		address, ok := v.(string)
		if !ok || name == "issuer" {
			continue
		}
		path, ok := strings.CutPrefix(address, tenant.Issuer(s.Issuer))
		if !ok || m["issuer"] != tenant.Issuer(s.Issuer) {
			t.Errorf("EP-09: %s is %s", name, address)
		}
		known[path] = true
		method := "POST"
		if name == "jwks_uri" {
			method = "GET"
		}
		if r := s.Do(t, method, tenant.Path()+path, nil); r.Status == 404 || r.Status == 405 || r.Status >= 500 {
			t.Errorf("%s answers %d", name, r.Status)
		}
	}
	registers := s.Do(t, "POST", tenant.Path()+"/oauth2/register", body{"redirect_uris": []string{"https://rp.example.test/cb"}}).Status
	if want := map[bool]int{true: 201, false: 403}[known["/oauth2/register"]]; registers != want { // EP-12
		t.Errorf("registering answers %d, is offered: %v", registers, known["/oauth2/register"])
	}
	for _, path := range []string{"/oauth2/token", "/oauth2/introspect", "/oauth2/revoke", "/oauth2/authorize", "/oauth2/par", "/oauth2/device_authorization", "/oauth2/userinfo", "/oauth2/logout", "/.well-known/jwks.json"} {
		for _, method := range []string{"GET", "POST"} {
			if r := s.Do(t, method, tenant.Path()+path, nil); !known[path] && r.Status != 404 {
				t.Errorf("%s %s is not in the metadata and answers %d", method, path, r.Status)
			}
		}
	}
}

// requireAuthMethods tries every method and algorithm at every endpoint.
func requireAuthMethods(t *testing.T, s *servertest.Server, tenant auth.TenantID, m body) {
	for _, name := range []string{"token", "introspection", "revocation"} {
		path := strings.TrimPrefix(m[name+"_endpoint"].(string), s.Issuer)
		form := forItself + "&token=x"
		offered := stringList(m[name+"_endpoint_auth_methods_supported"])
		for _, method := range []string{"client_secret_basic", "client_secret_post", "client_secret_jwt", "tls_client_auth", "none"} {
			works := canAuthenticate(t, s, tenant, path, form, method)
			if works != slices.Contains(offered, method) {
				t.Errorf("%s: %s works: %v, is offered: %v", name, method, works, !works)
			}
		}
		algorithms := stringList(m[name+"_endpoint_auth_signing_alg_values_supported"])
		for alg, key := range newSigners(t) {
			works := canAssert(t, s, tenant, path, form, alg, key)
			if works != slices.Contains(algorithms, string(alg)) || !slices.Contains(offered, "private_key_jwt") {
				t.Errorf("%s: private_key_jwt with %s works: %v, is offered: %v", name, alg, works, algorithms)
			}
		}
	}
}

// canAuthenticate reports whether the method is accepted. Only invalid_client is a refusal: a
// public client may lack other rights.
func canAuthenticate(t *testing.T, s *servertest.Server, tenant auth.TenantID, path, form, method string) bool {
	r := client.Registration{Name: "A", Type: auth.ClientMachine, ClientSettings: auth.ClientSettings{Auth: auth.AuthMethod(method)}}
	if method == "none" {
		r.Type, r.RedirectURIs = auth.ClientSPA, []string{"https://app.example.test/cb"}
	}
	made, sec, err := s.Clients.Create(t.Context(), tenant, r, auth.System)
	if err != nil {
		return false
	}
	c := testClient{made, sec.Reveal()}
	var answer servertest.Response
	switch method {
	case "client_secret_basic":
		answer = postForm(t, s, path, form, c.basic())
	case "client_secret_post":
		answer = postForm(t, s, path, form+"&client_id="+string(c.ID)+"&client_secret="+c.Secret)
	default:
		answer = postForm(t, s, path, form+"&client_id="+string(c.ID))
	}
	return answer.Status != 401
}

func newSigners(t *testing.T) map[jose.SignatureAlgorithm]crypto.Signer {
	t.Helper()
	made := func(k crypto.Signer, err error) crypto.Signer {
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	es256 := made(p256, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	es384 := made(p384, err)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	rs := made(key, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	return map[jose.SignatureAlgorithm]crypto.Signer{jose.ES256: es256, jose.ES384: es384, jose.RS256: rs, jose.RS512: rs, jose.PS256: rs, jose.EdDSA: made(ed, err)}
}

func canAssert(t *testing.T, s *servertest.Server, tenant auth.TenantID, path, form string, alg jose.SignatureAlgorithm, key crypto.Signer) bool {
	t.Helper()
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k"}}})
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := s.Clients.Create(t.Context(), tenant, client.Registration{Name: "A", Type: auth.ClientMachine, ClientSettings: auth.ClientSettings{Auth: auth.AuthPrivateKeyJWT, JWKS: jwks}}, auth.System)
	if err != nil {
		return false
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	claims, _ := json.Marshal(body{"iss": c.ID, "sub": c.ID, "aud": tenant.Issuer(s.Issuer), "jti": rand.Text(), "exp": s.Clock.Now().Add(time.Minute).Unix()})
	jws, err := signer.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := jws.CompactSerialize()
	form += "&client_assertion_type=" + url.QueryEscape("urn:ietf:params:oauth:client-assertion-type:jwt-bearer") + "&client_assertion=" + raw
	first := postForm(t, s, path, form)
	if again := postForm(t, s, path, form); first.Status == 200 && again.Status != 401 { // TK-24
		t.Errorf("%s: an assertion passed twice: %d", path, again.Status)
	}
	return first.Status == 200
}

// requireGrantTypes tries every grant.
func requireGrantTypes(t *testing.T, s *servertest.Server, tenant auth.TenantID, m body) {
	c := createClient(t, s, tenant, client.Registration{Name: "A", Type: auth.ClientMachine})
	path := strings.TrimPrefix(m["token_endpoint"].(string), s.Issuer)
	for _, g := range []string{"client_credentials", "refresh_token", "authorization_code", "password", "implicit", "urn:ietf:params:oauth:grant-type:device_code",
		"urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:openid:params:grant-type:ciba"} {
		r := postForm(t, s, path, "grant_type="+url.QueryEscape(g), c.basic())
		unsupported := strings.Contains(string(r.Body), "unsupported_grant_type")
		if unsupported == slices.Contains(stringList(m["grant_types_supported"]), g) {
			t.Errorf("%s: %s", g, r.Body)
		}
	}
	machineIn := decode[servertest.Tokens](t, postForm(t, s, path, forItself, c.basic()).Want(t, 200))
	var claims struct{ Iss string }
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(machineIn.AccessToken, ".")[1])
	if err != nil || json.Unmarshal(b, &claims) != nil || claims.Iss != m["issuer"] {
		t.Errorf("the token is issued by %q (%v)", claims.Iss, err)
	}
	other := auth.DefaultTenant
	if tenant == other {
		other = "acme"
	}
	wantError(t, postForm(t, s, other.Path()+"/oauth2/token", forItself, c.basic()), 401, "invalid_client")
}

// EP-09, EP-10: the documents do not depend on headers of the request, and the keys are public.
func TestAttack_EP_09_10_Documents(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	plain := fetchMetadata(t, s, "/.well-known/openid-configuration")
	for _, h := range []servertest.RequestOption{servertest.Header("Host", "evil.test"), servertest.Header("X-Forwarded-Host", "evil.test"),
		servertest.Header("X-Forwarded-Proto", "https"), servertest.Header("Forwarded", "host=evil.test;proto=https")} {
		if d := cmp.Diff(plain, fetchMetadata(t, s, "/.well-known/openid-configuration", h)); d != "" {
			t.Errorf("EP-09 (-plain +spoofed):\n%s", d)
		}
	}
	before := publishedKeys(t, s)
	if err := s.Keys.Rotate(t.Context(), auth.DefaultTenant, "ES256", auth.System); err != nil {
		t.Fatal(err)
	}
	after := publishedKeys(t, s)
	if len(after) != len(before)+1 {
		t.Errorf("EP-10: %d keys before, %d after the next one was published", len(before), len(after))
	}
	c := newMachine(t, s)
	if kid := jwtHeader(t, machineToken(t, s, c))["kid"]; before[kid.(string)] == nil {
		t.Error("EP-10: signed with a key before verifiers could fetch it")
	}
	s.Clock.Advance(s.Config.Keys.PublishAhead + time.Minute)
	if kid := jwtHeader(t, machineToken(t, s, c))["kid"]; after[kid.(string)] == nil || before[kid.(string)] != nil {
		t.Errorf("EP-10: signed with %v", kid)
	}
	s.Do(t, "HEAD", "/.well-known/jwks.json", nil).Want(t, 200)
	s.Do(t, "POST", "/.well-known/jwks.json", nil).Want(t, 405)
}

func jwtHeader(t testing.TB, jwt string) (h body) {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(jwt, ".")[0])
	if err == nil {
		err = json.Unmarshal(b, &h)
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// publishedKeys returns the published keys by kid, and checks that none has a private member.
func publishedKeys(t testing.TB, s *servertest.Server) map[string]body {
	t.Helper()
	set := decode[struct{ Keys []body }](t, s.Do(t, "GET", "/.well-known/jwks.json", nil).Want(t, 200))
	out := map[string]body{}
	for _, k := range set.Keys {
		for _, member := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
			if k[member] != nil {
				t.Errorf("EP-10: a key shows %s", member)
			}
		}
		kid, _ := k["kid"].(string)
		if kid == "" || out[kid] != nil || k["use"] != "sig" || k["alg"] == nil {
			t.Errorf("EP-10: key %v", k)
		}
		out[kid] = k
	}
	return out
}

// OP-05: issued tokens, failures and changes of clients are in the audit log within the
// documented second.
func TestAttack_OP_05_Clients(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := newMachine(t, s)
		access := machineToken(t, s, c)
		postForm(t, s, "/oauth2/token", forItself, testClient{c.Client, "x"}.basic()).Want(t, 401)
		postForm(t, s, "/oauth2/revoke", "token="+access, c.basic()).Want(t, 200)
		db := openDatabase(t, s.Config.DatabaseURL())
		for kind, outcome := range map[auth.EventKind]auth.Outcome{auth.EventTokenIssued: auth.Success, auth.EventClientRefused: auth.Failure,
			auth.EventTokenRevoked: auth.Success, auth.EventClientChanged: auth.Success} {
			eventually(t, string(kind)+" is recorded", func() bool { return countEvents(t, db, string(kind)) == 1 })
			got := queryValue[string](t, db, "SELECT outcome || ' ' || ip FROM audit WHERE event = $1", string(kind))
			want := string(outcome) + " 127.0.0.1"
			if kind == auth.EventClientChanged {
				want = string(outcome) + " " // by the system, from nowhere
			}
			if got != want {
				t.Errorf("%s: %q, want %q", kind, got, want)
			}
		}
		if n := queryValue[int](t, db, "SELECT count(*) FROM audit WHERE detail LIKE '%wws_%' OR detail LIKE '%eyJ%'"); n != 0 {
			t.Errorf("%d lines hold a secret", n)
		}
	})
}

// A configuration that accepts the endpoint as audience does so over HTTP.
func TestAssertionAudience(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.Configure(func(c *config.Config) { c.OAuth.AssertionAudience = "endpoint" }))
	if !canAssert(t, s, auth.DefaultTenant, "/oauth2/token", forItself, jose.ES256, newSigners(t)[jose.ES256]) {
		t.Error("the issuer is no longer accepted as audience")
	}
}
