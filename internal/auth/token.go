package auth

import (
	"slices"
	"strings"
	"time"
)

// Grant is what a person or a program was allowed, from which tokens are made.
type Grant struct {
	Account     AccountID // empty when a client acts for itself
	Client      ClientID
	Session     SessionID
	Scope       Scope
	Audience    []string // empty: the issuer
	Roles       []string
	Permissions []string
	AuthAt      time.Time
	ACR         string
	AMR         []string
}

// Family is one chain of rotated refresh tokens (RFC 9700 §4.14.2). Only the
// digest of the newest token is kept.
type Family struct {
	ID         FamilyID
	Account    AccountID
	Client     ClientID
	Session    SessionID
	Scope      Scope
	Generation int64  // how often it was rotated
	Digest     string // of the newest token
	CreatedAt  time.Time
	RotatedAt  time.Time
	IdleAt     time.Time
	ExpiresAt  time.Time
	RevokedAt  time.Time
	EndReason  string
}

// Live reports whether the family may be used at the given time.
func (f Family) Live(at time.Time) bool {
	return f.RevokedAt.IsZero() && at.Before(f.IdleAt) && at.Before(f.ExpiresAt)
}

// Tokens is the answer to a successful sign-in or refresh, in the words of
// RFC 6749 §5.1. The two secrets are never logged: see LogValue.
type Tokens struct {
	AccessToken      string
	ExpiresIn        time.Duration
	RefreshToken     string
	RefreshExpiresIn time.Duration
	Scope            Scope
	Session          SessionID
	Account          AccountID
}

// Scope is a set of scope tokens (RFC 6749 §3.3) in the order given.
type Scope []string

// String joins the scope as it travels on the wire.
func (s Scope) String() string { return strings.Join(s, " ") }

// Has reports whether the scope holds the token.
func (s Scope) Has(token string) bool { return slices.Contains(s, token) }

// Within reports whether every token of s is in o.
func (s Scope) Within(o Scope) bool {
	return !slices.ContainsFunc(s, func(t string) bool { return !o.Has(t) })
}

// DefaultScope is what first-party tokens carry.
var DefaultScope = Scope{"openid", "profile", "email", "offline_access"}

// ParseScope splits a scope string, drops repeats and refuses characters outside
// RFC 6749 §3.3.
func ParseScope(s string) (Scope, error) {
	if len(s) > 4096 {
		return nil, Invalid("scope_invalid", "scope", "the scope is too long")
	}
	var out Scope
	for t := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ' ' }) {
		for i := range len(t) {
			if c := t[i]; c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
				return nil, Invalid("scope_invalid", "scope", "the scope has a character that RFC 6749 does not allow")
			}
		}
		if !out.Has(t) {
			out = append(out, t)
		}
	}
	return out, nil
}

// SigningKey is one key pair of a tenant. The private half is sealed under the
// master key.
type SigningKey struct {
	ID        KeyID
	Algorithm string // ES256, RS256 or EdDSA
	Public    []byte // JWK, RFC 7517
	Sealed    []byte
	CreatedAt time.Time
	ActiveAt  time.Time // signs from here; published before
	RetiredAt time.Time // signs no more from here; zero while it may
	ExpiresAt time.Time // published no more from here; zero while it may
}

// SingleUse is a secret that works once: a link in a mail, a code, a nonce. Kinds
// keep their key spaces apart.
type SingleUse struct {
	Kind      SingleUseKind
	Digest    string
	Account   AccountID // may be empty
	Client    ClientID  // may be empty
	Data      string    // JSON, meaning by kind
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    time.Time
}

// SingleUseKind keeps secrets for one purpose from working for another.
type SingleUseKind string

// The kinds of single-use secrets.
const (
	UseVerifyEmail   SingleUseKind = "verify_email"
	UseResetPassword SingleUseKind = "reset_password"
	UseChangeEmail   SingleUseKind = "change_email"
	UseAssertion     SingleUseKind = "client_assertion" // the jti of one, already spent
	UseRevokedAccess SingleUseKind = "revoked_access"   // the jti of an access token that is worth nothing any more
)
