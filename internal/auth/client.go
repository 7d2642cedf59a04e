package auth

import "time"

// ClientType says what kind of program a client is (RFC 6749 §2.1, RFC 8252).
type ClientType string

// The kinds of clients.
const (
	ClientWeb     ClientType = "web"     // confidential, with a server
	ClientSPA     ClientType = "spa"     // public, in a browser
	ClientNative  ClientType = "native"  // public, on a device
	ClientMachine ClientType = "machine" // confidential, no person
)

// Client is a program that asks for tokens.
type Client struct {
	ID           ClientID
	Name         string
	Type         ClientType
	FirstParty   bool
	Secrets      []ClientSecret
	RedirectURIs []string
	Scopes       []string
	CreatedAt    time.Time
	UpdatedAt    time.Time
	DisabledAt   time.Time
}

// ClientSecret is the digest of one secret; two live side by side while a client
// changes over.
type ClientSecret struct {
	Digest    string    `json:"digest"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Disabled reports whether the client has been shut.
func (c Client) Disabled() bool { return !c.DisabledAt.IsZero() }

// Public reports whether the client can keep no secret (RFC 6749 §2.1).
func (c Client) Public() bool {
	return c.ID == FirstParty || c.Type == ClientSPA || c.Type == ClientNative
}
