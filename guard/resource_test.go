package guard

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// B5: a script that fetches the document with a custom header sends a CORS preflight.
func TestRepair_B5_MetadataAnswersPreflights(t *testing.T) {
	t.Parallel()
	g := newGuard(t, newIssuerStub(esSigner().jwk(nil)), newClock(), func(c *Config) { c.Resource = "https://api.test" })
	mux := http.NewServeMux()
	mux.Handle(g.MetadataPath(), g.Metadata())
	r := httptest.NewRequest("OPTIONS", "https://api.test"+g.MetadataPath(), nil)
	r.Header.Set("Origin", "https://spa.test")
	r.Header.Set("Access-Control-Request-Method", "GET")
	r.Header.Set("Access-Control-Request-Headers", "mcp-protocol-version,authorization")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	h := w.Header()
	if w.Code != 204 || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Headers") != "*, Authorization" ||
		!strings.Contains(h.Get("Access-Control-Allow-Methods"), "GET") || h.Get("Access-Control-Max-Age") != "86400" || h.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("%d %v", w.Code, h)
	}
	w = httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("HEAD", "https://api.test"+g.MetadataPath(), nil))
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("HEAD: %d %v", w.Code, w.Header())
	}
}

// RFC 9728.
func TestMetadata_DescribesTheResource(t *testing.T) {
	t.Parallel()
	g := newGuard(t, newIssuerStub(esSigner().jwk(nil)), newClock(), func(c *Config) {
		c.Resource, c.ResourceName, c.ResourceDocumentation = "https://api.test/v1/", "Orders", "https://docs.test"
		c.ResourceScopes, c.DPoPRequired = []string{"orders:read"}, true
	})
	if got := g.MetadataPath(); got != "/.well-known/oauth-protected-resource/v1" {
		t.Fatal(got)
	}
	mux := http.NewServeMux()
	mux.Handle(g.MetadataPath(), g.Metadata())
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "https://api.test"+g.MetadataPath(), nil))
	want := map[string]any{
		"resource": "https://api.test/v1/", "authorization_servers": []any{issuerURL}, "scopes_supported": []any{"orders:read"},
		"bearer_methods_supported": []any{"header"}, "resource_name": "Orders", "resource_documentation": "https://docs.test",
		"dpop_signing_alg_values_supported": []any{"ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"},
		"dpop_bound_access_tokens_required": true,
	}
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
		t.Fatalf("%d %v", w.Code, err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("document (-want +got):\n%s", d)
	}
	if h := w.Header(); h.Get("Content-Type") != "application/json" || h.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%v", h)
	}
	w = httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("POST", "https://api.test"+g.MetadataPath(), nil))
	if w.Code != 405 {
		t.Error(w.Code)
	}
	if c := sendRequest(g.Require()(teapot), nil).Header.Get("WWW-Authenticate"); !strings.HasSuffix(c, `resource_metadata="https://api.test/.well-known/oauth-protected-resource/v1"`) {
		t.Error(c)
	}
	none := newStandardGuard(t)
	w = httptest.NewRecorder()
	none.Metadata().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 404 || none.MetadataPath() != "" {
		t.Errorf("without a Resource: %d %q", w.Code, none.MetadataPath())
	}
}

// The audience of a resource is the resource (RFC 8707).
func TestResource_IsTheAudience(t *testing.T) {
	t.Parallel()
	g := newGuard(t, newIssuerStub(esSigner().jwk(nil)), newClock(), func(c *Config) { c.Resource = apiURL })
	requireRefused(t, g, esSigner().validToken(), ErrAudience)
	requireAccepted(t, g, esSigner().token(esSigner().header(), validPayload(map[string]any{"aud": []string{"x", apiURL}})))
}

func TestProof_ChecksTheRequestURL(t *testing.T) {
	t.Parallel()
	p := newProver()
	access := p.boundToken(t)
	send := func(h http.Handler, target, htu string) int {
		r := httptest.NewRequest("GET", target, nil)
		setProofs(access, p.proof(access, map[string]any{"htu": htu}))(r)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	plain, _ := newProofAPI(t, func(c *Config) { c.Resource = apiURL + "/v1" })
	stripped := http.StripPrefix("/v1", plain)
	if got := send(stripped, "/v1/orders?x=y", apiURL+"/v1/orders"); got != 418 {
		t.Errorf("a prefix that the API strips: %d", got)
	}
	if got := send(plain, "/v1/a%2Fb", apiURL+"/v1/a%2fb"); got != 418 {
		t.Errorf("an escaped slash: %d", got)
	}
	if got := send(plain, "/v1/a%2Fb", apiURL+"/v1/a/b"); got != 401 {
		t.Errorf("a slash for an escaped one: %d", got)
	}
	proxied, _ := newProofAPI(t, func(c *Config) {
		c.RequestURL = func(r *http.Request) string { return apiURL + "/public" + r.URL.EscapedPath() }
	})
	if got := send(proxied, "/orders", apiURL+"/public/orders"); got != 418 {
		t.Errorf("a prefix that the proxy strips: %d", got)
	}
}

// RFC 9470.
func TestStepUp_ChallengesWeakOrOldSignIns(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := newGuard(t, newIssuerStub(esSigner().jwk(nil)), c, nil)
	token := esSigner().validToken() // acr 1, signed in at start
	const detail = `, error_description="A newer or stronger sign-in is required."`
	const insufficient = `Bearer error="insufficient_user_authentication"` + detail
	try := func(status int, challenge string, reqs ...Requirement) {
		t.Helper()
		for range 2 {
			res := sendRequest(g.Require(reqs...)(teapot), setAuthorization("Bearer "+token))
			if got := res.Header.Get("WWW-Authenticate"); res.StatusCode != status || got != challenge {
				t.Errorf("%s %q, want %d %q", res.Status, got, status, challenge)
			}
		}
	}
	try(418, "", ACR("2", "1"), MaxAge(time.Minute))
	try(401, insufficient+`, acr_values="3 2"`, ACR("3", "2"))
	try(401, insufficient+`, acr_values="2", max_age="60"`, Scope("orders:read"), ACR("2"), MaxAge(time.Minute))
	c.Advance(time.Minute)
	try(418, "", MaxAge(time.Minute))
	c.Advance(time.Second)
	try(401, insufficient+`, max_age="60"`, MaxAge(time.Hour), MaxAge(time.Minute))
	try(403, `Bearer error="insufficient_scope", error_description="The access token lacks a required scope.", scope="x"`, Scope("x"), MaxAge(time.Minute))
	claims := requireAccepted(t, g, token)
	if err := Check(claims, MaxAge(time.Minute)); !errors.Is(err, ErrMaxAge) {
		t.Error(err)
	}
	if err := Check(claims, MaxAge(time.Hour)); err != nil {
		t.Error(err)
	}
	if err := Check(&Claims{AuthTime: c.Now()}, MaxAge(time.Hour)); !errors.Is(err, ErrMaxAge) {
		t.Errorf("claims without a Guard: %v", err)
	}
	silent := esSigner().token(esSigner().header(), validPayload(map[string]any{"auth_time": nil, "acr": nil}))
	for _, r := range []Requirement{MaxAge(time.Hour), ACR("1")} {
		if res := sendRequest(g.Require(r)(teapot), setAuthorization("Bearer "+silent)); res.StatusCode != 401 {
			t.Error(res.Status)
		}
	}
	for _, r := range []Requirement{ACR(), ACR(""), ACR("a b"), ACR(`"`), MaxAge(0), MaxAge(time.Second / 2)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v: no panic", r)
				}
			}()
			g.Require(r)
		}()
	}
}

func TestNew_RefusesInvalidResources(t *testing.T) {
	t.Parallel()
	for field, c := range map[string]Config{
		"Resource":       {Resource: "api.test"},
		"ResourceScopes": {Resource: apiURL, ResourceScopes: []string{"a b"}},
		"DPoPNonceKey":   {Resource: apiURL, DPoPNonces: true, DPoPNonceKey: []byte("short")},
		"ReplaySize":     {Resource: apiURL, ReplaySize: -1},
	} {
		c.Issuer = issuerURL
		var e *ConfigError
		if err := c.withDefaults().validate(); !errors.As(err, &e) || e.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, c := range []Config{{DPoPRequired: true}, {DPoPNonces: true}, {Resource: "http://api.test"}, {Resource: apiURL + "?x"}, {Resource: apiURL + "#x"}} {
		c.Issuer = issuerURL
		var e *ConfigError
		if err := c.withDefaults().validate(); !errors.As(err, &e) || e.Field != "Resource" {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// FuzzMetadata verifies that the metadata of every accepted Resource is at the path of
// RFC 9728 and names the Resource exactly.
func FuzzMetadata(f *testing.F) {
	for _, s := range []string{apiURL, apiURL + "/", apiURL + "/v1/x%2Fy", "https://[::1]:8443/a b", `https://a.test/"`, "https://a.test/\r\nx", "http://localhost", "https://ä.test", "https://a.test/{x}"} {
		f.Add(s, "Orders")
	}
	f.Fuzz(func(t *testing.T, id, name string) {
		g, err := New(context.Background(), Config{Issuer: issuerURL, Resource: id, ResourceName: name,
			FetchKeys: func(context.Context) ([]byte, error) { return encodeJWKS(esSigner().jwk(nil)), nil }})
		if err != nil || id == "" {
			return
		}
		w := httptest.NewRecorder()
		g.Metadata().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		var doc struct {
			Resource string `json:"resource"`
			Name     string `json:"resource_name"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || doc.Resource != id {
			t.Fatalf("%q gives %s (%v)", id, w.Body, err)
		}
		u, err := url.Parse(g.resource.metadataURL)
		if err != nil || u.EscapedPath() != g.MetadataPath() || !strings.HasPrefix(g.MetadataPath(), wellKnown) {
			t.Fatalf("%q is described at %q, path %q (%v)", id, g.resource.metadataURL, g.MetadataPath(), err)
		}
		for _, c := range g.challenges(refuse(ErrSignature, nil)) {
			if strings.Count(c, `"`)%2 != 0 || strings.ContainsFunc(c, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Fatalf("%q makes the challenge %q", id, c)
			}
		}
	})
}
