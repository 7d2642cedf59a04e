package web

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/web/pages"
)

//go:generate go test -run ^TestOpenAPIIsPublished$ -update .

var update = flag.Bool("update", false, "write docs/openapi.json")

// docs/openapi.json is the description that the server publishes.
// To write it: go test ./internal/web -run TestOpenAPIIsPublished -update
func TestOpenAPIIsPublished(t *testing.T) {
	t.Parallel()
	h := newFixture(t, func(c *Config) { c.Base = "https://auth.example.com" })
	description := h.requireReply(h.get("/api/v1/openapi.json"), 200, "").body
	file := filepath.Join("..", "..", "docs", "openapi.json")
	if *update {
		h.requireOK(os.WriteFile(file, description, 0o644))
	}
	published, err := os.ReadFile(file)
	h.requireOK(err)
	if !bytes.Equal(published, description) {
		t.Error("docs/openapi.json is stale; run: go generate ./internal/web")
	}
}

func TestOpenAPI(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	_, err := h.cfg.Tenants.Create(t.Context(), "acme", "Acme", noSettings, system)
	h.requireOK(err)
	var doc struct {
		OpenAPI string
		Servers []struct{ URL string }
		Paths   map[string]map[string]struct {
			OperationID string
			Summary     string
			Security    []any
			RequestBody struct{ Content map[string]any }
			Responses   map[string]struct{ Content map[string]any }
		}
		Components struct{ Schemas map[string]map[string]any }
	}
	r := h.requireReply(h.get("/t/acme/api/v1/openapi.json"), 200, "")
	h.requireOK(json.Unmarshal(r.body, &doc))
	if !strings.HasPrefix(doc.OpenAPI, "3.1") || len(doc.Servers) != 1 || doc.Servers[0].URL != base+"/t/acme" {
		t.Errorf("%s at %v", doc.OpenAPI, doc.Servers)
	}
	described := map[string]bool{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			described[strings.ToUpper(method)+" "+path] = true
			if op.OperationID == "" || op.Summary == "" {
				t.Errorf("%s %s is not described", method, path)
			}
			for status, res := range op.Responses {
				if status >= "400" && res.Content["application/problem+json"] == nil {
					t.Errorf("%s %s: %s is no problem", method, path, status)
				}
			}
		}
	}
	for _, rt := range h.router.Table() {
		name := rt.Method + " " + rt.Path
		if strings.HasPrefix(rt.Path, "/api/v1/") && rt.Path != "/api/v1/openapi.json" != described[name] {
			t.Errorf("%s: described %v", name, described[name])
		}
		if op := doc.Paths[rt.Path][strings.ToLower(rt.Method)]; described[name] && (len(op.Security) > 0) != rt.Principal.Proved {
			t.Errorf("%s: the description is wrong about who may call it", name)
		}
	}
	for name, schema := range doc.Components.Schemas {
		if extra, known := schema["additionalProperties"]; known && extra != false {
			t.Errorf("schema %s allows additional members", name)
		}
	}
	if doc.Components.Schemas["Problem"]["properties"].(map[string]any)["code"] == nil {
		t.Error("the problem has no code")
	}
}

// Every route says who may call it, and every unauthenticated route that changes something has a
// limit.
func TestTable(t *testing.T) {
	t.Parallel()
	h := newFixture(t, func(c *Config) { c.Mailbox = func() []pages.Mail { return nil } })
	for _, rt := range h.router.Table() {
		name := rt.Method + " " + rt.Path
		if rt.Principal.Name == "" || rt.Dialect.Fail == nil {
			t.Errorf("%s has no principal or no dialect", name)
		}
		if rt.Method != "GET" && !rt.Principal.Proved && rt.Limit.Name == unlimited.Name {
			t.Errorf("%s: an unauthenticated route without a limit", name)
		}
		if strings.HasPrefix(rt.Path, "/dev/") && rt.Method != "GET" {
			t.Errorf("%s: development pages must not change anything", name)
		}
	}
	seen, rates := map[string]bool{}, config.Default().Limits.Rates.All()
	for _, rt := range h.router.Table() {
		if rt.Limit.Name == unlimited.Name {
			continue
		}
		seen[rt.Limit.Name] = true
		if rates[cmp.Or(rt.Limit.Rate, rt.Limit.Name)] == (config.Rate{}) {
			t.Errorf("%s is not a rate of the configuration", rt.Limit.Name)
		}
	}
	for name := range rates {
		inService := name == "user_code.ip" || name == "public_client.ip"
		if strings.HasSuffix(name, ".ip") && seen[name] == inService {
			t.Errorf("%s: used by a route %v, want %v", name, seen[name], !inService)
		}
	}
}
