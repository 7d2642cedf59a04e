package web

// principal is the word in the route table for who may call a route.
type principal struct {
	name    string
	proved  bool // the caller proves an identity; refusals carry a challenge
	session bool // the caller has a session: when the account or session is gone, they sign in again
	admit   func(*exchange) error
}
