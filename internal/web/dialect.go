package web

import (
	"net/http"
	"strings"

	"github.com/watchword-auth/watchword/internal/web/pages"
	"github.com/watchword-auth/watchword/internal/web/protocol"
	"github.com/watchword-auth/watchword/internal/web/router"
)

// dialects are the dialects of a server.
type dialects struct {
	page, flowPage, upload, browserEndpoint, endpoint, serverEndpoint, registration, document, api, internal router.Dialect
}

// newDialects makes the dialects. A topic adds handlers, never a dialect.
func (s *Server) newDialects() dialects {
	return dialects{
		// page is for users and sends no Referer, since its URL may hold the secret of a mailed
		// link. The response to its forms is 303 or another page.
		page: router.Dialect{
			LinkSecret: true,
			Headers:    pages.SetHeaders,
			Read:       (*router.Exchange).ReadForm,
			Fail:       s.pages.WriteProblem,
		},
		// flowPage is a page of a flow or of the account. Its forms require an Origin and hold a
		// CSRF token.
		flowPage: router.Dialect{
			Headers: func(ex *router.Exchange) { pages.SetFlowHeaders(ex) },
			Read:    (*router.Exchange).ReadForm,
			Fail:    s.pages.WriteProblem,
		},
		// upload is flowPage for a form with a file. A file that is too large is an error of the form.
		upload: router.Dialect{
			Headers: func(ex *router.Exchange) { pages.SetFlowHeaders(ex) },
			Read:    (*router.Exchange).ReadUpload,
			Fail:    s.pages.WriteUploadProblem,
		},
		// browserEndpoint is an endpoint to which clients send browsers, by GET or by a form of
		// their own site. Scripts may not call it (RFC 9700 §2.6); errors are pages.
		browserEndpoint: router.Dialect{
			CrossSite: true,
			Headers:   func(ex *router.Exchange) { pages.SetFlowHeaders(ex) },
			Fail:      s.pages.WriteProblem,
		},
		// endpoint is called by clients with their own credentials, also from scripts of any
		// origin. It reads no cookie, and its errors are those of RFC 6749 §5.2.
		endpoint: router.Dialect{
			CORS:      router.CORSOpen,
			CrossSite: true,
			Headers:   (*router.Exchange).OfferNonce,
			Fail:      protocol.WriteError,
		},
		// serverEndpoint is an endpoint that only servers call.
		serverEndpoint: router.Dialect{
			CrossSite: true,
			Headers:   (*router.Exchange).OfferNonce,
			Fail:      protocol.WriteError,
		},
		// registration is an endpoint that reads JSON; its errors are those of RFC 7591 §3.2.2.
		registration: router.Dialect{
			CORS:      router.CORSOpen,
			CrossSite: true,
			Fail:      protocol.WriteRegistrationError,
		},
		// document is public and cacheable: metadata, keys, branding, the OpenAPI description.
		document: router.Dialect{
			CORS:      router.CORSOpen,
			Cacheable: true,
			Fail:      (*router.Exchange).WriteProblem,
		},
		// api is the JSON API: access tokens or the session cookie, problem+json.
		api: router.Dialect{
			CORS:   router.CORSConfigured,
			Bearer: true,
			Fail:   (*router.Exchange).WriteProblem,
		},
		// internal belongs to the server, not to a tenant: health, metrics, assets of the pages.
		internal: router.Dialect{
			ServerWide: true,
			Fail:       (*router.Exchange).WriteProblem,
		},
	}
}

// apiPrefix begins the paths of the JSON API.
const apiPrefix = "/api/v1/"

// unmatched returns the dialect of the error for a request that no route matches.
func (d *dialects) unmatched(r *http.Request) *router.Dialect {
	path := router.LocalPath(r.URL)
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
