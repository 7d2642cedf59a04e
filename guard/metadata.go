package guard

import (
	"net/http"
	"strings"
)

// wellKnown is the well-known path of protected resource metadata (RFC 9728 section 3).
const wellKnown = "/.well-known/oauth-protected-resource"

// resourceMetadata is protected resource metadata (RFC 9728 section 2).
type resourceMetadata struct {
	Resource        string   `json:"resource"`
	Issuers         []string `json:"authorization_servers"`
	Scopes          []string `json:"scopes_supported,omitempty"`
	Methods         []string `json:"bearer_methods_supported"`
	Name            string   `json:"resource_name,omitempty"`
	Documentation   string   `json:"resource_documentation,omitempty"`
	ProofAlgorithms []string `json:"dpop_signing_alg_values_supported"`
	DPoPRequired    bool     `json:"dpop_bound_access_tokens_required,omitempty"`
}

func metadataOf(c Config) resourceMetadata {
	return resourceMetadata{
		Resource: c.Resource, Issuers: []string{c.Issuer}, Scopes: c.ResourceScopes, Methods: []string{"header"},
		Name: c.ResourceName, Documentation: c.ResourceDocumentation,
		ProofAlgorithms: ProofAlgorithms(), DPoPRequired: c.DPoPRequired,
	}
}

// MetadataPath returns the path of Metadata: the well-known path followed by the path
// of Config.Resource (RFC 9728 section 3.1). It is empty without a Resource.
func (g *Guard) MetadataPath() string {
	if g.resource == nil {
		return ""
	}
	return g.resource.metadataPath
}

// Metadata returns a handler for the protected resource metadata (RFC 9728), which tells
// clients where to get tokens:
//
//	mux.Handle(g.MetadataPath(), g.Metadata())
//
// Challenges refer to it as resource_metadata. The document is public: the handler
// allows every origin and CORS preflights. Without Config.Resource it responds with 404.
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
			h.Set("Access-Control-Allow-Headers", "*, Authorization") // the wildcard does not include it (Fetch §4.9)
			h.Set("Access-Control-Max-Age", "86400")
			w.WriteHeader(http.StatusNoContent)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD, OPTIONS")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		default:
			h := w.Header()
			h.Set("Content-Type", "application/json")
			h.Set("Cache-Control", "public, max-age=300")
			h.Set("Access-Control-Allow-Origin", "*") // public, and some clients run in browsers
			h.Set("X-Content-Type-Options", "nosniff")
			_, _ = w.Write(g.resource.document)
		}
	})
}

// proofAlgorithms is the value of algs in challenges.
var proofAlgorithms = strings.Join(ProofAlgorithms(), " ")
