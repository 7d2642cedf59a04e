package router

import "net/http"

// Dialect is how a route speaks: who may send requests from other origins, what an answer
// carries, how a body is read and how a refusal is written. A handler speaks none of it.
type Dialect struct {
	// CORS says which scripts of other origins may read the answer.
	CORS CORSPolicy
	// CrossSite lets pages of other sites send requests that change something. Nothing
	// that the route does rests on a cookie, or nothing happens before the user agrees.
	CrossSite bool
	// Bearer exempts a request with an Authorization header from the cross-site check: no
	// browser sends that header on its own.
	Bearer bool
	// LinkSecret exempts forms that hide their origin from that check: they hold the secret
	// of a mailed link, which no other site knows.
	LinkSecret bool
	// Cacheable routes are answered from memory while the database is unavailable.
	Cacheable bool
	// ServerWide routes exist once, at the root; the rest exist below each tenant.
	ServerWide bool

	Headers func(*Exchange)                      // sets headers before the handler runs; may be nil
	Read    func(*Exchange, *http.Request) error // reads the body before the handler runs; nil leaves it to the handler
	Fail    func(*Exchange, error)               // writes a refusal
}
