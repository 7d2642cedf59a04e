package auth

import "net/netip"

// ActorKind is the kind of an actor.
type ActorKind string

// The kinds of actors.
const (
	ActorAnonymous ActorKind = "anonymous" // not signed in
	ActorAccount   ActorKind = "account"   // a user
	ActorClient    ActorKind = "client"    // a client acting on its own behalf
	ActorOperator  ActorKind = "operator"  // a user of the command line
	ActorSystem    ActorKind = "system"    // the server itself
)

// Actor is who requests a change, and from where. Every mutating method of a service has one as
// a parameter, so that every change has an audit event. Only the As methods make the actor of a
// request.
type Actor struct {
	Kind      ActorKind
	ID        string // of the account, client or operator
	Session   SessionID
	Client    ClientID
	IP        string // as derived through the configured proxies
	UserAgent string // shortened
	RequestID string
	// Known is the cookie of a known browser. It is not stored.
	Known string `json:"-"`
	// Form is the digest of the form of an account page, if it may replace or end its own session.
	Form string `json:"-"`
	// Trusted is the cookie of a trusted browser. It is not stored.
	Trusted string `json:"-"`
	// Browser is the secret of the browser's cookie, JKT the thumbprint of the key of a DPoP proof. Both are of
	// requests to the JSON API that begin or continue a sign-in, and not stored.
	Browser string `json:"-"`
	JKT     string `json:"-"`
}

// Anonymous reports whether the actor is not signed in.
func (a Actor) Anonymous() bool { return a.Kind == "" || a.Kind == ActorAnonymous }

// Account returns the acting account, or empty when the actor is not an account.
func (a Actor) Account() AccountID {
	if a.Kind == ActorAccount {
		return AccountID(a.ID)
	}
	return ""
}

// Addr returns the actor's IP address; the zero Addr when IP holds none.
func (a Actor) Addr() netip.Addr {
	addr, _ := netip.ParseAddr(a.IP)
	return addr
}

// System is the actor of the server's own work.
var System = Actor{Kind: ActorSystem, ID: "watchword"}

// AsSession returns a as the account of the session.
func (a Actor) AsSession(s Session) Actor { return a.AsSubject(string(s.Account), s.ID, s.Client) }

// AsClient returns a as the authenticated client.
func (a Actor) AsClient(id ClientID) Actor { return a.AsSubject(string(id), "", id) }

// AsSubject returns a as the subject of an access token of the client: an account when the token
// belongs to a session, otherwise a client.
func (a Actor) AsSubject(subject string, session SessionID, client ClientID) Actor {
	a.Kind, a.ID, a.Session, a.Client = ActorAccount, subject, session, client
	if session == "" {
		a.Kind = ActorClient
	}
	return a
}
