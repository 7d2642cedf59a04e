package web

import "net/http"

// dialect is how a route speaks: who may send requests from other origins, what an answer
// carries, how a body is read and how a refusal is written. A handler speaks none of it.
type dialect struct {
	// cors says which scripts of other origins may read the answer.
	cors corsPolicy
	// crossSite lets pages of other sites send requests that change something. Nothing
	// that the route does rests on a cookie, or nothing happens before the user agrees.
	crossSite bool
	// bearer exempts a request with an Authorization header from the cross-site check: no
	// browser sends that header on its own.
	bearer bool
	// linkSecret exempts forms that hide their origin from that check: they hold the secret
	// of a mailed link, which no other site knows.
	linkSecret bool
	// cacheable routes are answered from memory while the database is unavailable.
	cacheable bool
	// serverWide routes exist once, at the root; the rest exist below each tenant.
	serverWide bool

	headers func(*exchange)                      // sets headers before the handler runs; may be nil
	read    func(*exchange, *http.Request) error // reads the body before the handler runs; nil leaves it to the handler
	fail    func(*exchange, error)               // writes a refusal
}
