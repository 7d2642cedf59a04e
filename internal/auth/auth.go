// Package auth is the centre of the house: the words of the domain and the rules
// that need nothing but those words.
//
// It knows accounts, tenants, clients, sessions, grants, tokens, roles, actors,
// events, messages and errors. It does not know HTTP, SQL, files, clocks or
// randomness: a rule that needs the time is given the time. Every other room
// speaks in these types, so a value that has one of them has already been checked
// by the Parse function that made it.
package auth

// Identifiers are types, so that one cannot be passed where another is meant.
type (
	// TenantID is a tenant's name in paths and keys: 1–63 of [a-z0-9-].
	TenantID string
	// AccountID identifies a person's account for ever; it is the "sub" claim.
	AccountID string
	// ClientID is an OAuth client_id (RFC 6749 §2.2).
	ClientID string
	// SessionID names a session in audit lines and in the "sid" claim. It is not
	// the cookie and gives no rights.
	SessionID string
	// FamilyID names one chain of rotated refresh tokens.
	FamilyID string
	// RoleID identifies a role of a tenant.
	RoleID string
	// KeyID is the "kid" of a signing key.
	KeyID string
	// MessageID identifies a line of the outbox; ids sort by creation.
	MessageID string
)

// FirstParty is the client to which the tokens of the first-party JSON API
// belong. Every tenant has it.
const FirstParty ClientID = "first-party"

// DefaultTenant lives at the root of the issuer; every other tenant below /t/.
const DefaultTenant TenantID = "default"
