package auth

// ActorKind says what kind of being acts.
type ActorKind string

// The kinds of actors.
const (
	ActorAnonymous ActorKind = "anonymous" // nobody signed in
	ActorAccount   ActorKind = "account"   // a person
	ActorClient    ActorKind = "client"    // a program acting for itself
	ActorOperator  ActorKind = "operator"  // someone at the command line
	ActorSystem    ActorKind = "system"    // the server itself
)

// Actor is who does something and from where. Every mutating method of a service
// takes one, so that no change can be made without an audit line.
type Actor struct {
	Kind      ActorKind
	ID        string // account, client or operator
	Session   SessionID
	Client    ClientID
	IP        string // as derived through the configured proxies
	UserAgent string // clipped
	RequestID string
	// Known is the cookie by which accounts know the browser. It is written nowhere.
	Known string `json:"-"`
}

// Anonymous reports whether nobody has signed in.
func (a Actor) Anonymous() bool { return a.Kind == "" || a.Kind == ActorAnonymous }

// Account is the acting account, or empty when the actor is not a person.
func (a Actor) Account() AccountID {
	if a.Kind == ActorAccount {
		return AccountID(a.ID)
	}
	return ""
}

// System is the actor of the server's own work.
var System = Actor{Kind: ActorSystem, ID: "watchword"}

// As is the actor as the person of a session in the browser.
func (a Actor) As(p SignedInAccount) Actor {
	a.Kind, a.ID, a.Session = ActorAccount, string(p.Account.ID), p.Session.ID
	return a
}
