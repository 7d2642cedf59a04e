package auth

import (
	"slices"
	"time"
)

// FlowID identifies a flow in URLs. It gives no rights: a flow continues only in the browser in
// which it began.
type FlowID string

// FlowKind is the purpose of a flow.
type FlowKind string

// The kinds of flows.
const (
	FlowAuthorize FlowKind = "authorize" // the response to a client's authorization request
	FlowDevice    FlowKind = "device"    // the approval of a device
	FlowAccount   FlowKind = "account"   // sign-in without a client
	FlowAPI       FlowKind = "api"       // sign-in by the JSON API
)

// Flow is one user's way through the pages: what was requested, and what the user has decided so
// far. Next computes the next step from these facts and the browser's sessions; it is not stored.
type Flow struct {
	ID      FlowID
	Browser string // digest of the secret in the browser's cookie
	Kind    FlowKind
	Request AuthorizationRequest // FlowAuthorize; for FlowDevice its Client, Scope and Resources
	Device  string               // FlowDevice: digest of the device code
	Session SessionID            // chosen or started by the user in this flow; or AddAccount
	// ProvedAt is when the user authenticated within this flow, or proved a second factor for a session that is
	// older than the flow.
	ProvedAt time.Time
	// Proofs are what the user has proved in this flow so far, until a session begins.
	Proofs []Proof
	// Ceremony is the WebAuthn ceremony that is under way, as JSON; empty without one.
	Ceremony string
	// OfferPasskey says that the user is offered a passkey once the sign-in in this flow is complete.
	// While it is not, it says that the browser can create one.
	OfferPasskey bool
	Remember     bool  // the user wants to stay signed in when the browser is closed
	Failures     int   // wrong responses of second factors in this flow
	Allowed      Scope // the scope that the user has allowed in this flow; nil until decided
	Denied       bool
	CreatedAt    time.Time
	ExpiresAt    time.Time
	DoneAt       time.Time // when it was completed, which happens once
}

// Live reports whether the flow can continue at the given time.
func (f Flow) Live(at time.Time) bool { return f.DoneAt.IsZero() && at.Before(f.ExpiresAt) }

// proofLifetime is how long a proof counts before the session begins, or another proof completes it.
const proofLifetime = 10 * time.Minute

// LiveProofs returns the proofs of the flow that count at the given time.
func (f Flow) LiveProofs(at time.Time) []Proof {
	return slices.DeleteFunc(slices.Clone(f.Proofs), func(p Proof) bool { return !at.Before(p.At.Add(proofLifetime)) })
}

// AuthorizationRequest is a validated authorization request with its defaults filled in (RFC 6749
// §4.1.1, OpenID Connect Core §3.1.2.1).
type AuthorizationRequest struct {
	Client       ClientID      `json:"client"`
	RedirectURI  string        `json:"redirect_uri"`
	ResponseMode string        `json:"response_mode,omitempty"` // query, fragment or form_post, with .jwt for a signed response
	State        string        `json:"state,omitempty"`
	Scope        Scope         `json:"scope,omitempty"`
	Resources    []string      `json:"resources,omitempty"` // RFC 8707
	Nonce        string        `json:"nonce,omitempty"`
	Challenge    string        `json:"challenge,omitempty"` // RFC 7636, S256
	JKT          string        `json:"jkt,omitempty"`       // RFC 9449 §10: thumbprint of the key to which the code is bound
	Prompt       []string      `json:"prompt,omitempty"`
	MaxAge       *int64        `json:"max_age,omitempty"` // seconds
	ACR          []string      `json:"acr,omitempty"`     // requested values, the preferred first
	Hint         string        `json:"hint,omitempty"`    // the subject of the id_token_hint, as the client knows it
	LoginHint    string        `json:"login_hint,omitempty"`
	Locales      []string      `json:"locales,omitempty"`
	Page         string        `json:"page,omitempty"` // of a FlowAccount: the path of the page to which it leads
	Claims       ClaimsRequest `json:"claims,omitzero"`
	DeviceIP     string        `json:"device_ip,omitempty"` // the IP address of the device of a device flow
	Pushed       string        `json:"pushed,omitempty"`    // digest of the request_uri that was used (RFC 9126)
	Consumed     bool          `json:"consumed,omitempty"`  // this flow, or one that it succeeds, got the code of the request_uri
	Signed       bool          `json:"signed,omitempty"`    // it came in a signed request object (RFC 9101)
	Until        time.Time     `json:"until,omitzero"`      // when no flow can continue the request any more; zero in its first flow
}

// ClaimsRequest holds the claims that the claims parameter requests (OpenID Connect Core §5.5).
type ClaimsRequest struct {
	UserInfo []string `json:"userinfo,omitempty"`
	IDToken  []string `json:"id_token,omitempty"`
	// Subject is the required subject, as the client knows it; empty for any.
	Subject string `json:"sub,omitempty"`
	// ACR are the values of an essential acr claim.
	ACR []string `json:"acr,omitempty"`
}

// Consent is what a user has allowed a client, until the user revokes it.
type Consent struct {
	Account   AccountID
	Client    ClientID
	Scope     Scope
	Audience  []string // resources in addition to the issuer's own
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Device is a device authorization (RFC 8628). Both codes are stored as digests.
type Device struct {
	Digest     string // of the device_code
	UserDigest string // of the user_code in its canonical form
	Client     ClientID
	Scope      Scope
	Audience   []string
	JKT        string        // thumbprint of the key to which its tokens are bound; empty for none
	Interval   time.Duration // least time between two polls
	PolledAt   time.Time
	Status     DeviceStatus
	Account    AccountID // the user who approved it
	Session    SessionID // the browser session in which it was approved
	IP         string    // of the device
	CreatedAt  time.Time
	ExpiresAt  time.Time
	UsedAt     time.Time // when tokens were issued
}

// DeviceStatus is the user's decision about a device.
type DeviceStatus string

// The states of a device.
const (
	DevicePending  DeviceStatus = "pending"
	DeviceApproved DeviceStatus = "approved"
	DeviceDenied   DeviceStatus = "denied"
)

// RememberMeID identifies a series of remember-me tokens.
type RememberMeID string

// RememberMe is a series of remember-me tokens of one browser, each of which is valid for one new
// session. A used token that is presented again was copied.
type RememberMe struct {
	ID        RememberMeID
	Account   AccountID
	Digest    string // of the newest token
	Previous  string // digest of the one before
	Retries   Retries
	AuthAt    time.Time
	ACR       string
	AMR       []string
	CreatedAt time.Time
	RotatedAt time.Time
	ExpiresAt time.Time
	RevokedAt time.Time
	EndReason string
}
