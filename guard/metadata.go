package guard

import (
	"net/http"
	"strings"
)

// wellKnown is where the metadata of an API is (RFC 9728 section 3).
const wellKnown = "/.well-known/oauth-protected-resource"

// description is protected resource metadata (RFC 9728 section 2).
type description struct {
	Resource         string   `json:"resource"`
	Issuers          []string `json:"authorization_servers"`
	Scopes           []string `json:"scopes_supported,omitempty"`
	Methods          []string `json:"bearer_methods_supported"`
	Name             string   `json:"resource_name,omitempty"`
	Documentation    string   `json:"resource_documentation,omitempty"`
	ProofAlgorithms  []string `json:"dpop_signing_alg_values_supported"`
	BoundTokensAlone bool     `json:"dpop_bound_access_tokens_required,omitempty"`
}

func describe(c Config) description {
	return description{
		Resource: c.Resource, Issuers: []string{c.Issuer}, Scopes: c.ResourceScopes, Methods: []string{"header"},
		Name: c.ResourceName, Documentation: c.ResourceDocumentation,
		ProofAlgorithms: ProofAlgorithms(), BoundTokensAlone: c.DPoPRequired,
	}
}

// MetadataPath is where the document of Metadata belongs: the well-known path with the
// path of Config.Resource behind it (RFC 9728 section 3.1). It is empty without a
// Resource.
func (g *Guard) MetadataPath() string {
	if g.resource == nil {
		return ""
	}
	return g.resource.metadataPath
}

// Metadata answers with the document that tells clients where to get tokens for this
// API (RFC 9728):
//
//	mux.Handle(g.MetadataPath(), g.Metadata())
//
// Challenges point to it. It is for everybody, from every origin: the handler answers
// the preflights of browsers too, whatever headers their scripts send. Without
// Config.Resource there is no document, and the answer is 404.
func (g *Guard) Metadata() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case g.resource == nil:
			http.NotFound(w, r)
		case r.Method == http.MethodOptions:
			h := w.Header()
			h.Set("Allow", "GET, HEAD, OPTIONS")
			h.Set("Access-Control-Allow-Origin", "*")
			h.Set("Access-Control-Allow-Methods", "GET, HEAD")
			h.Set("Access-Control-Allow-Headers", "*, Authorization") // the wildcard does not hold for this one (Fetch §4.9)
			h.Set("Access-Control-Max-Age", "86400")
			w.WriteHeader(http.StatusNoContent)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD, OPTIONS")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		default:
			h := w.Header()
			h.Set("Content-Type", "application/json")
			h.Set("Cache-Control", "public, max-age=300")
			h.Set("Access-Control-Allow-Origin", "*") // nothing here is secret, and clients live in browsers too
			h.Set("X-Content-Type-Options", "nosniff")
			_, _ = w.Write(g.resource.document)
		}
	})
}

// proofAlgorithms is the list as challenges have it.
var proofAlgorithms = strings.Join(ProofAlgorithms(), " ")
