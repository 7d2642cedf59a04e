package auth

import (
	"math/bits"
	"slices"
	"strings"
	"time"
)

// Grant is what tokens are issued for: the account and client, and their scope, audience and
// rights.
type Grant struct {
	Account  AccountID // empty for a client that acts for itself
	Client   ClientID
	Session  SessionID
	Scope    Scope
	Audience []string // empty: the client's default
	// Narrow is the part of the audience for which the access token is issued (RFC 8707 §2.2);
	// empty for all of it.
	Narrow      []string
	Roles       []string
	Permissions []string
	Omitted     int // number of roles and permissions that were omitted because of the size limit
	// Within bounds roles and permissions by those of the exchanged token; nil for other grants.
	Within *Rights
	AuthAt time.Time
	ACR    string
	AMR    []string
	// JKT is the thumbprint of the key to which the tokens are bound (RFC 9449 §6.1).
	JKT string
	// Subject is the "sub" when it is not the account's or client's id (OpenID Connect
	// Core §8.1).
	Subject string
	// Actor is the encoded "act" claim (RFC 8693 §4.1); empty for none.
	Actor []byte
	// Until is the latest expiry of the access token; zero for no limit.
	Until time.Time
	// Opaque requests an access token that only this server can read.
	Opaque bool
	// IDToken requests an ID Token as well, if the scope has openid.
	IDToken *IDTokenRequest
}

// IDTokenRequest holds what an ID Token contains in addition to the claims about the
// authentication.
type IDTokenRequest struct {
	Nonce  string   // OpenID Connect Core §2
	Claims []string // requested by name (§5.5)
}

// Family is the refresh tokens of one sign-in, each rotated from the one before (RFC 9700
// §4.14.2). Only the digest of the newest token is stored.
type Family struct {
	ID         FamilyID
	Account    AccountID
	Client     ClientID
	Session    SessionID
	Scope      Scope
	Audience   []string // empty: the client's default
	JKT        string   // thumbprint of the key to which it is bound (RFC 9449 §5); empty for none
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

// Retries records which of the last eight tokens of a chain were sent again, because the response
// with them may have been lost: one bit for each, the lowest for the newest. Each rotation shifts
// them up by one. Tokens that are sent again within the grace period are not counted.
type Retries uint8

// MaxRetries is how many of the last eight tokens may be sent again. A client that loses more
// responses is rarer than a copy that is used one step behind its owner.
const MaxRetries = 4

// Next returns the retries after the newest token was sent again. The same token counts once.
func (r Retries) Next() Retries { return r | 1 }

// Repetition is the verdict on a second use of a used token whose successor has not been used.
type Repetition int

// The repetitions. For the first two the same successor is sent again.
const (
	Race  Repetition = iota // within the grace period after the first use
	Retry                   // the response with the successor was lost
	Late                    // a retry after too long: the chain ends, but nothing indicates a copy
	Reuse                   // a copy: the chain ends
)

// Judge judges the second use of a token that was used the given time ago. The age may be
// negative, because the clock of another node may be a little ahead.
//
// Two holders of copies that take turns look like one client that loses every response, so only a
// few tokens of a chain are sent again (MaxRetries).
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

// Tokens is the token response (RFC 6749 §5.1).
type Tokens struct {
	AccessToken      string
	ExpiresIn        time.Duration
	RefreshToken     string
	RefreshExpiresIn time.Duration
	Scope            Scope
	Session          SessionID
	Account          AccountID
	// IDToken is set with scope openid. Type is Bearer when empty, or DPoP. IssuedType is set by
	// a token exchange (RFC 8693 §2.2.1).
	IDToken    string
	Type       string
	IssuedType string
}

// Scope is a set of scope tokens (RFC 6749 §3.3) in the order given.
type Scope []string

// String returns the value of the scope parameter.
func (s Scope) String() string { return strings.Join(s, " ") }

// Has reports whether the scope contains the token.
func (s Scope) Has(token string) bool { return slices.Contains(s, token) }

// Within reports whether every token of s is in o.
func (s Scope) Within(o Scope) bool {
	return !slices.ContainsFunc(s, func(t string) bool { return !o.Has(t) })
}

// DefaultScope is the scope of a client that was registered without scopes.
var DefaultScope = Scope{"openid", "profile", "email", "offline_access"}

// maxScopeTokens bounds the search for duplicates.
const maxScopeTokens = 256

// ParseScope splits a scope string, drops duplicates and refuses characters outside RFC 6749
// §3.3.
func ParseScope(s string) (Scope, error) {
	if len(s) > 4096 {
		return nil, Invalid(CodeScopeInvalid, "scope", "scope: want at most 4096 characters")
	}
	var out Scope
	for t := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ' ' }) {
		for i := range len(t) {
			if c := t[i]; c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
				return nil, Invalid(CodeScopeInvalid, "scope", "scope: want only the characters of RFC 6749 §3.3")
			}
		}
		if !out.Has(t) {
			if len(out) == maxScopeTokens {
				return nil, Invalid(CodeScopeInvalid, "scope", "scope: want at most 256 tokens")
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
	ActiveAt  time.Time // signs from this time; published before
	RetiredAt time.Time // does not sign from this time; zero for no end
	ExpiresAt time.Time // not published from this time; zero for no end
}

// CodeGrant is the grant of an authorization code (RFC 6749 §4.1.2).
type CodeGrant struct {
	RedirectURI string        `json:"redirect_uri"`
	Challenge   string        `json:"challenge,omitempty"`
	JKT         string        `json:"jkt,omitempty"`
	Nonce       string        `json:"nonce,omitempty"`
	Scope       Scope         `json:"scope"`
	Resources   []string      `json:"resources,omitempty"`
	Claims      ClaimsRequest `json:"claims,omitzero"`
	// Browser is the browser session, Session the client session below it: its id is reserved
	// when the code is issued, its row is written when the code is redeemed.
	Browser SessionID `json:"browser"`
	Session SessionID `json:"session"`
	AuthAt  time.Time `json:"auth_at"`
	ACR     string    `json:"acr,omitempty"`
	AMR     []string  `json:"amr,omitempty"`
}

// SingleUse is a secret that can be used once, such as a link in a mail, a code or a nonce, or a mark
// that is kept for some time. Each kind has its own key space.
type SingleUse struct {
	Kind      SingleUseKind
	Digest    string
	Account   AccountID // may be empty
	Client    ClientID  // may be empty
	Data      string    // JSON, meaning by kind
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    time.Time
	// The sessions of an authorization code, as in CodeGrant; empty for other kinds.
	Browser SessionID
	Session SessionID
}

// Live reports whether the secret can be used at the given time.
func (v SingleUse) Live(at time.Time) bool { return v.UsedAt.IsZero() && at.Before(v.ExpiresAt) }

// SingleUseKind is the purpose of a single-use secret. A secret of one kind is not accepted as
// another.
type SingleUseKind string

// The kinds of single-use secrets.
const (
	UseVerifyEmail   SingleUseKind = "verify_email"
	UseResetPassword SingleUseKind = "reset_password"
	UseChangeEmail   SingleUseKind = "change_email"
	UseRescue        SingleUseKind = "rescue"           // a link that replaces lost factors
	UseKeepAccount   SingleUseKind = "keep_account"     // the link that cancels the deletion of an account
	UseSecureAccount SingleUseKind = "secure_account"   // the link of a notice, which locks the account
	UseAssertion     SingleUseKind = "client_assertion" // the jti of a used client assertion
	UseRevokedAccess SingleUseKind = "revoked_access"   // the jti of a revoked access token
	UseCode          SingleUseKind = "code"             // an authorization code; Data is a CodeGrant
	UsePushed        SingleUseKind = "pushed_request"   // a request_uri of RFC 9126; Data is the request
	UseProof         SingleUseKind = "dpop_proof"       // the jti of a used DPoP proof
	UseInitialAccess SingleUseKind = "initial_access"   // an initial access token (RFC 7591); Data holds its remaining uses
	UseForm          SingleUseKind = "form"             // a form that a browser has just sent
	UseMailedCode    SingleUseKind = "mailed_code"      // a code that was mailed for one flow
	UsePasskey       SingleUseKind = "passkey"          // the challenge of a passkey ceremony outside of flows; Data is the ceremony
	UseFormerName    SingleUseKind = "former_name"      // a user name that its account gave up lately; the digest is that of the name
	UsePasskeyOffer  SingleUseKind = "passkey_offer"    // no passkey is offered to the account before its expiry
	UseWrongCodes    SingleUseKind = "wrong_codes"      // counts the wrong codes of the account in a day; Data is their number
)
