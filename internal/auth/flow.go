package auth

import "time"

// FlowID names a flow in addresses. It gives no rights: a flow goes on only in the
// browser in which it began.
type FlowID string

// FlowKind says what a flow leads to.
type FlowKind string

// What a person is led through.
const (
	FlowAuthorize FlowKind = "authorize" // an answer to a client's authorization request
	FlowDevice    FlowKind = "device"    // the approval of a device
	FlowAccount   FlowKind = "account"   // signing in for its own sake
)

// Flow is one way of one person through our pages: what was asked for, and what the
// person has decided so far. Where it goes from here is worked out from these facts
// and those of the browser's sessions, by Next, and is stored nowhere.
type Flow struct {
	ID      FlowID
	Browser string // digest of the secret in the cookie of the browser in which it began
	Kind    FlowKind
	Request AuthorizationRequest // FlowAuthorize; for FlowDevice its Client, Scope and Resources
	Device  string               // FlowDevice: digest of the device code
	Session SessionID            // whom the person chose, or signed in as, in this flow; or AnotherAccount
	// ProvedAt is when the person proved within this flow who they are.
	ProvedAt  time.Time
	Allowed   Scope // what the person has allowed in this flow; nil until asked
	Denied    bool
	CreatedAt time.Time
	ExpiresAt time.Time
	DoneAt    time.Time // it has led to its end, which happens once
}

// Live reports whether the flow can still go on at the given time.
func (f Flow) Live(at time.Time) bool { return f.DoneAt.IsZero() && at.Before(f.ExpiresAt) }

// AuthorizationRequest is what a client asked of the authorization endpoint, checked
// and with its defaults filled in (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1).
type AuthorizationRequest struct {
	Client       ClientID      `json:"client"`
	RedirectURI  string        `json:"redirect_uri"`
	ResponseMode string        `json:"response_mode,omitempty"` // query, fragment or form_post, with .jwt for a signed answer
	State        string        `json:"state,omitempty"`
	Scope        Scope         `json:"scope,omitempty"`
	Resources    []string      `json:"resources,omitempty"` // RFC 8707
	Nonce        string        `json:"nonce,omitempty"`
	Challenge    string        `json:"challenge,omitempty"` // RFC 7636, S256
	JKT          string        `json:"jkt,omitempty"`       // RFC 9449 §10: thumbprint of the key to which the code is bound
	Prompt       []string      `json:"prompt,omitempty"`
	MaxAge       *int64        `json:"max_age,omitempty"` // seconds
	ACR          []string      `json:"acr,omitempty"`     // wanted, the best first
	Hint         string        `json:"hint,omitempty"`    // the subject of the id_token_hint, as the client knows it
	LoginHint    string        `json:"login_hint,omitempty"`
	Locales      []string      `json:"locales,omitempty"`
	Claims       ClaimsRequest `json:"claims,omitzero"`
	DeviceIP     string        `json:"device_ip,omitempty"` // from where the device of a device flow asked
	Pushed       string        `json:"pushed,omitempty"`    // digest of the request_uri that was used (RFC 9126)
}

// ClaimsRequest is what the claims parameter asks for by name (OpenID Connect Core
// §5.5).
type ClaimsRequest struct {
	UserInfo []string `json:"userinfo,omitempty"`
	IDToken  []string `json:"id_token,omitempty"`
	// Subject is the only account for which the request may be answered, as the
	// client knows it; empty for any.
	Subject string `json:"sub,omitempty"`
	// ACR are values of which one is essential.
	ACR []string `json:"acr,omitempty"`
}

// Consent is what a person has allowed a client, until they take it back.
type Consent struct {
	Account   AccountID
	Client    ClientID
	Scope     Scope
	Audience  []string // resources in addition to the issuer's own
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Device is a device that waits for a person's approval (RFC 8628). Both codes are
// kept as digests.
type Device struct {
	Digest     string // of the device_code
	UserDigest string // of the user_code in its canonical form
	Client     ClientID
	Scope      Scope
	Audience   []string
	JKT        string        // the key to which its tokens are bound, if to any
	Interval   time.Duration // least time between two polls
	PolledAt   time.Time
	Status     DeviceStatus
	Account    AccountID // who approved
	Session    SessionID // the browser's session in which it was approved
	IP         string    // from where it asked
	CreatedAt  time.Time
	ExpiresAt  time.Time
	UsedAt     time.Time // tokens were issued for it
}

// DeviceStatus is what a person said about a device.
type DeviceStatus string

// The states of a device.
const (
	DevicePending  DeviceStatus = "pending"
	DeviceApproved DeviceStatus = "approved"
	DeviceDenied   DeviceStatus = "denied"
)

// RememberMeID names a chain of remember-me tokens.
type RememberMeID string

// RememberMe is a device on which a person is remembered: a chain of tokens, each good
// for one new session. A spent token that comes back was copied.
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
