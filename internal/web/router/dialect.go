package router

import "net/http"

// Dialect is how a group of routes reads requests and writes responses: which cross-origin requests
// are allowed, which headers are set, how a body is read and how an error is written.
type Dialect struct {
	// CORS says which scripts of other origins may read the response.
	CORS CORSPolicy
	// CrossSite lets pages of other sites send state-changing requests. It is safe where the route
	// uses no cookie, or changes nothing before the user agrees.
	CrossSite bool
	// Bearer exempts a request with an Authorization header from the cross-site check, since no
	// browser adds that header by itself.
	Bearer bool
	// LinkSecret exempts forms with the origin null from the cross-site check: they hold the secret
	// of a mailed link, which no other site knows.
	LinkSecret bool
	// Cacheable routes are served from memory while the database is unavailable.
	Cacheable bool
	// ServerWide routes exist once, at the root; the rest exist below each tenant.
	ServerWide bool

	Headers func(*Exchange)                      // sets headers before the handler runs; may be nil
	Read    func(*Exchange, *http.Request) error // reads the body before the handler runs; nil leaves it to the handler
	Fail    func(*Exchange, error)               // writes an error
}
