package router

// Principal is the word in the route table for who may call a route.
type Principal struct {
	Name    string
	Proved  bool // the caller proves an identity; refusals carry a challenge
	Session bool // the caller has a session: when the account or session is gone, they sign in again
	Admit   func(*Exchange) error
}
