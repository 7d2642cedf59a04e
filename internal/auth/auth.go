// Package auth defines the types of the domain and the rules that depend only on those types.
//
// It knows accounts, tenants, clients, sessions, grants, tokens, roles, actors, events, messages
// and errors. It does not know HTTP, SQL, files, clocks or randomness: a rule that needs the time
// takes it as a parameter. All other packages use these types. The Parse functions return only
// valid values.
package auth

// Identifiers are types, so that the compiler tells them apart.
type (
	// TenantID is a tenant's name in paths and keys: 1–63 of [a-z0-9-].
	TenantID string
	// AccountID identifies an account and is never reused; it is the "sub" claim.
	AccountID string
	// ClientID is an OAuth client_id (RFC 6749 §2.2).
	ClientID string
	// SessionID names a session in audit lines and in the "sid" claim. It is not
	// the cookie and gives no rights.
	SessionID string
	// FamilyID identifies a family of refresh tokens.
	FamilyID string
	// RoleID identifies a role of a tenant.
	RoleID string
	// KeyID is the "kid" of a signing key.
	KeyID string
	// MessageID identifies a line of the outbox; ids sort by creation.
	MessageID string
)

// FirstParty is the client of the tokens of the first-party JSON API. Every tenant has it.
const FirstParty ClientID = "first-party"

// DefaultTenant has the root path of the base URL; every other tenant has a path below /t/.
const DefaultTenant TenantID = "default"
