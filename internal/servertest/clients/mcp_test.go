package clients_test

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// mcpServer is a resource server and an authorization server with the configuration of the
// README.
type mcpServer struct {
	*servertest.Server
	resource string
	document string // of a client, at its own https address
}

func newMCPServer(t *testing.T) mcpServer {
	t.Helper()
	mux := http.NewServeMux()
	api := httptest.NewServer(mux)
	t.Cleanup(api.Close)
	doc := newClientDocument(t)
	s := servertest.New(t, servertest.Configure(func(c *config.Config) {
		c.OAuth.ClientMetadata, c.OAuth.Registration = true, client.RegistrationOpen
		c.OAuth.Resources = config.Resources{{URL: api.URL, Scopes: []string{"orders:read", "orders:write"}}}
		c.Outbound.Allow, c.Outbound.CAFile = config.Prefixes{netip.MustParsePrefix("127.0.0.1/32")}, doc.ca
	}))
	g, err := guard.New(t.Context(), guard.Config{Issuer: s.Issuer, Resource: api.URL, ResourceName: "Orders", ResourceScopes: []string{"orders:read", "orders:write"}, Now: s.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle(g.MetadataPath(), g.Metadata())
	mux.Handle("/", g.Require(guard.Scope("orders:read"))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := guard.FromContext(r.Context())
		_ = json.NewEncoder(w).Encode(map[string]string{"sub": c.Subject, "aud": strings.Join(c.Audience, " ")})
	})))
	return mcpServer{Server: s, resource: api.URL, document: doc.url}
}

// clientDocument is a served client ID metadata document.
type clientDocument struct{ url, ca string }

func newClientDocument(t *testing.T) clientDocument {
	t.Helper()
	var address string
	site := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"client_id": address, "client_name": "Test MCP client", "client_uri": "http://localhost:6274", "redirect_uris": []string{"http://localhost/callback", "http://127.0.0.1/callback"},
			"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"}, "token_endpoint_auth_method": "none", "scope": "mcp:tools",
		})
	}))
	t.Cleanup(site.Close)
	address = site.URL + "/client.json"
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: site.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return clientDocument{url: address, ca: ca}
}

// signIn makes a client sign in at the resource, and requires a token for that resource.
func (m mcpServer) signIn(t *testing.T, cmd *exec.Cmd, document string, refreshes bool) {
	t.Helper()
	said := runProgram(t, newPerson(t, m.Server), cmd, map[string]string{"resource": m.resource, "redirect": "http://localhost:23905/callback", "document": document})
	if said["sub"] == "" || said["aud"] != m.resource || refreshes && said["refreshed"] != "true" {
		t.Errorf("it says %v", said)
	}
}

// TestRepair_B2_B4_TypeScriptSDK: @modelcontextprotocol/sdk, in the version that appends a
// slash to the resource and registers its announced scopes, and in the newest one, which
// supports client ID metadata documents.
func TestRepair_B2_B4_TypeScriptSDK(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		modules  string
		document bool
	}{"1.20 registers": {"mcp-1.20", false}, "1.32 registers": {"mcp", false}, "1.32 has a document": {"mcp", true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMCPServer(t)
			document := ""
			if c.document {
				document = m.document
			}
			cmd := exec.CommandContext(t.Context(), "node", "mcp.mjs")
			cmd.Dir = modulesDir(t, c.modules, "@modelcontextprotocol/sdk")
			m.signIn(t, cmd, document, false)
		})
	}
}

// TestRepair_B2_PythonSDK: the SDK for Python, which requests the scopes that the resource
// announces.
func TestRepair_B2_PythonSDK(t *testing.T) {
	t.Parallel()
	python, err := filepath.Abs("../../../.cache/mcp-python/bin/python")
	if err == nil {
		err = exec.Command(python, "-c", "import mcp, httpx2").Run()
	}
	if err != nil {
		skipMissing(t, "Python mcp", err)
	}
	for _, document := range []bool{false, true} {
		m := newMCPServer(t)
		address := ""
		if document {
			address = m.document
		}
		m.signIn(t, exec.CommandContext(t.Context(), python, "testdata/mcp_client.py"), address, false)
	}
}

// TestRepair_B8_AuthJS: Auth.js shows the email address from the ID Token if the client has
// id_token_claims=scope, and from userinfo if configured.
func TestRepair_B8_AuthJS(t *testing.T) {
	t.Parallel()
	const site = "https://shop.example.test"
	for _, idToken := range []string{"true", "false"} {
		s := servertest.New(t)
		id, secret := register(t, s, application(site+"/auth/callback/watchword", func(r *client.Registration) {
			if idToken == "true" {
				r.IDTokenClaims = "scope"
			}
		}))
		cmd := exec.CommandContext(t.Context(), "node", "authjs.mjs")
		cmd.Dir = modulesDir(t, "mcp", "@auth/core")
		said := runProgram(t, newPerson(t, s), cmd, map[string]string{"id": id, "secret": secret, "site": site, "idToken": idToken})
		if said["email"] != alice {
			t.Errorf("idToken %s: it shows %q", idToken, said["email"])
		}
	}
}

// TestRepair_EmptySecret_OAuth2: golang.org/x/oauth2 tries Basic first by default. A public
// client is accepted, and no refusal is recorded.
func TestRepair_EmptySecret_OAuth2(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id, _ := register(t, s, client.Registration{Name: "Terminal", Type: auth.ClientNative, RedirectURIs: []string{"http://localhost/callback"}, Scopes: auth.DefaultScope})
	signInWithOAuth2(t, s, id, "http://localhost:51004/callback")
}
