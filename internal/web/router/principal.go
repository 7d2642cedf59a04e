package router

// Principal says in the route table who may call a route.
type Principal struct {
	Name    string
	Proved  bool // the caller authenticates; a 401 has a WWW-Authenticate challenge
	Session bool // the caller has a session: once it or the account has ended, the error is session_invalid
	Admit   func(*Exchange) error
}
