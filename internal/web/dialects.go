package web

import (
	"net/http"
	"strings"
)

// dialects are those of a server.
type dialects struct {
	page, flowPage, browserEndpoint, endpoint, serverEndpoint, registration, document, api, internal dialect
}

// newDialects makes the dialects. A topic adds handlers, never a dialect.
func (s *Server) newDialects() dialects {
	return dialects{
		// page is for users and sends no Referer, since its address may hold the secret
		// of a mailed link. Its forms answer with 303 or another page.
		page: dialect{
			linkSecret: true,
			headers:    pageHeaders,
			read:       (*exchange).readForm,
			fail:       s.pages.writeProblemPage,
		},
		// flowPage is a page of a flow or of the account, whose forms need an origin and hold
		// a CSRF token.
		flowPage: dialect{
			headers: func(ex *exchange) { flowHeaders(ex) },
			read:    (*exchange).readForm,
			fail:    s.pages.writeProblemPage,
		},
		// browserEndpoint is where clients send browsers, by GET or by a form of their own site.
		// It is for no scripts (RFC 9700 §2.6); refusals are pages.
		browserEndpoint: dialect{
			crossSite: true,
			headers:   func(ex *exchange) { flowHeaders(ex) },
			fail:      s.pages.writeProblemPage,
		},
		// endpoint is called by programs, among them scripts of any origin, with credentials of
		// their own. It looks at no cookie and refuses in the words of RFC 6749 §5.2.
		endpoint: dialect{
			cors:      corsOpen,
			crossSite: true,
			headers:   (*exchange).offerNonce,
			fail:      writeOAuthError,
		},
		// serverEndpoint is an endpoint that only servers call.
		serverEndpoint: dialect{
			crossSite: true,
			headers:   (*exchange).offerNonce,
			fail:      writeOAuthError,
		},
		// registration is an endpoint that takes JSON and refuses in the words of RFC 7591 §3.2.2.
		registration: dialect{
			cors:      corsOpen,
			crossSite: true,
			fail:      writeRegistrationError,
		},
		// document is published by the tenant for everyone.
		document: dialect{
			cors:      corsOpen,
			cacheable: true,
			fail:      (*exchange).writeProblem,
		},
		// api is the JSON API: access tokens or the session cookie, problem+json.
		api: dialect{
			cors:   corsConfigured,
			bearer: true,
			fail:   (*exchange).writeProblem,
		},
		// internal belongs to the server and to no tenant: health, metrics, the assets of the pages.
		internal: dialect{
			serverWide: true,
			fail:       (*exchange).writeProblem,
		},
	}
}

// apiPrefix is what the paths of the JSON API begin with.
const apiPrefix = "/api/v1/"

// unmatched is the dialect in which a request is refused that no route matches.
func (d *dialects) unmatched(r *http.Request) *dialect {
	path := localPath(r.URL)
	switch {
	case strings.HasPrefix(path, apiPrefix):
		return &d.api
	case strings.HasPrefix(path, "/oauth2/"):
		return &d.endpoint
	case strings.HasPrefix(path, "/api/"):
		return &d.internal
	case strings.Contains(r.Header.Get("Accept"), "text/html"):
		return &d.page
	case strings.HasPrefix(path, "/.well-known/"):
		return &d.document
	}
	return &d.internal
}
