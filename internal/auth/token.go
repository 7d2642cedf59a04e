package auth

import (
	"math/bits"
	"slices"
	"strings"
	"time"
)

// Grant is what a person or a program was allowed, from which tokens are made.
type Grant struct {
	Account  AccountID // empty when a client acts for itself
	Client   ClientID
	Session  SessionID
	Scope    Scope
	Audience []string // empty: the client's default
	// Narrow is the part of the audience for which the access token is (RFC 8707 §2.2);
	// empty for all of it.
	Narrow      []string
	Roles       []string
	Permissions []string
	Omitted     int // how many roles and permissions were left out because of the size limit
	// Within bounds roles and permissions by those of the token that was exchanged; nil for
	// a token that comes of no other.
	Within *Rights
	AuthAt time.Time
	ACR    string
	AMR    []string
	// JKT is the thumbprint of the key to which the tokens are bound (RFC 9449 §6.1).
	JKT string
	// Subject is the "sub" when it is not the account's or client's id (OpenID Connect
	// Core §8.1).
	Subject string
	// Actor is who acts for the subject (RFC 8693 §4.1), encoded; empty for nobody.
	Actor []byte
	// Until is the latest end of the access token; zero for no such limit.
	Until time.Time
	// Opaque asks for an access token that only we can read.
	Opaque bool
	// IDToken asks for an ID Token as well, if the scope has openid.
	IDToken *IDTokenRequest
}

// IDTokenRequest is what an ID Token holds in addition to who signed in, when and how.
type IDTokenRequest struct {
	Nonce  string   // OpenID Connect Core §2
	Claims []string // asked for by name (§5.5)
}

// Family is one chain of rotated refresh tokens (RFC 9700 §4.14.2). Only the
// digest of the newest token is kept.
type Family struct {
	ID         FamilyID
	Account    AccountID
	Client     ClientID
	Session    SessionID
	Scope      Scope
	Audience   []string // empty: the client's default
	JKT        string   // the key to which it is bound (RFC 9449 §5); empty for none
	Generation int64    // how often it was rotated
	Digest     string   // of the newest token
	Retries    Retries
	CreatedAt  time.Time
	RotatedAt  time.Time
	IdleAt     time.Time
	ExpiresAt  time.Time
	RevokedAt  time.Time
	EndReason  string
}

// Retries says which of the last eight tokens of a chain were given again, because the
// answer with them may have been lost: one bit for each, the lowest for the newest. Each
// rotation moves them up by one. What is given again within the grace is not in it, so
// it neither adds to the count nor ends it.
type Retries uint8

// MaxRetries is how many of the last eight tokens may be given again. Clients that lose
// more answers are rarer than copies that follow their owner one step behind.
const MaxRetries = 4

// Next returns the retries after the newest token was given again. The same token counts
// once, however often it is given.
func (r Retries) Next() Retries { return r | 1 }

// Repetition is what the second use of a spent token is, while its successor has not been
// used.
type Repetition int

// The repetitions. For the first two the same successor is given again.
const (
	Race  Repetition = iota // a moment after the first use
	Retry                   // the answer with the successor was lost
	Late                    // the same, too long ago: the chain ends, but nothing speaks of theft
	Reuse                   // a copy: the chain ends
)

// Judge judges a token that was spent the given time ago. The time counts in both
// directions, because the clock of the node that spent it may be a little ahead.
//
// Two that hold copies and come in turns would look like one client that loses every
// answer; so only a few tokens of a chain are given again (MaxRetries).
func (r Retries) Judge(age, grace, retry time.Duration) Repetition {
	age = age.Abs()
	switch {
	case grace > 0 && age <= grace:
		return Race
	case retry == 0 || bits.OnesCount8(uint8(r.Next())) > MaxRetries:
		return Reuse
	case age <= retry:
		return Retry
	}
	return Late
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
	// IDToken comes with scope openid; Type is Bearer when empty, or DPoP; IssuedType
	// is said of a token exchange (RFC 8693 §2.2.1).
	IDToken    string
	Type       string
	IssuedType string
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

// DefaultScope is what a client may ask of people that was registered without scopes.
var DefaultScope = Scope{"openid", "profile", "email", "offline_access"}

// maxScopeTokens bounds the search for repeats.
const maxScopeTokens = 256

// ParseScope splits a scope string, drops repeats and refuses characters outside
// RFC 6749 §3.3.
func ParseScope(s string) (Scope, error) {
	if len(s) > 4096 {
		return nil, Invalid(CodeScopeInvalid, "scope", "the scope is too long")
	}
	var out Scope
	for t := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ' ' }) {
		for i := range len(t) {
			if c := t[i]; c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
				return nil, Invalid(CodeScopeInvalid, "scope", "the scope has a character that RFC 6749 does not allow")
			}
		}
		if !out.Has(t) {
			if len(out) == maxScopeTokens {
				return nil, Invalid(CodeScopeInvalid, "scope", "the scope has more than 256 tokens")
			}
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

// CodeGrant is what an authorization code stands for (RFC 6749 §4.1.2).
type CodeGrant struct {
	RedirectURI string        `json:"redirect_uri"`
	Challenge   string        `json:"challenge,omitempty"`
	JKT         string        `json:"jkt,omitempty"`
	Nonce       string        `json:"nonce,omitempty"`
	Scope       Scope         `json:"scope"`
	Resources   []string      `json:"resources,omitempty"`
	Claims      ClaimsRequest `json:"claims,omitzero"`
	// Browser is the session in the browser, Session the client's session under it: the
	// id is set aside when the code is issued, the row is written when it is redeemed.
	Browser SessionID `json:"browser"`
	Session SessionID `json:"session"`
	AuthAt  time.Time `json:"auth_at"`
	ACR     string    `json:"acr,omitempty"`
	AMR     []string  `json:"amr,omitempty"`
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
	// Of an authorization code, as CodeGrant has them; empty for other kinds.
	Browser SessionID
	Session SessionID
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
	UseCode          SingleUseKind = "code"             // an authorization code; Data is a CodeGrant
	UsePushed        SingleUseKind = "pushed_request"   // a request_uri of RFC 9126; Data is the request
	UseProof         SingleUseKind = "dpop_proof"       // the jti of a DPoP proof, already spent
	UseInitialAccess SingleUseKind = "initial_access"   // a token that registers clients; Data counts what is left of it
	UseForm          SingleUseKind = "form"             // a form that a browser has just sent
)
