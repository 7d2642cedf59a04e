package auth

import "time"

// FactorID identifies an authenticator of an account.
type FactorID string

// FactorKind is the kind of an authenticator. It is the method of the proofs that it gives.
type FactorKind = ProofMethod

// Factor is an authenticator of an account beside its password. It counts once it is proved.
type Factor struct {
	ID        FactorID
	Account   AccountID
	Kind      FactorKind
	Name      string // as the user calls it
	Lookup    string // unique within the tenant and kind: a credential ID, a digest
	Data      FactorData
	Sealed    []byte // its secret under the master key
	Counter   int64  // the newest step of TOTP, the counter of a passkey
	CreatedAt time.Time
	ProvedAt  time.Time // zero until a first response of it was right
	UsedAt    time.Time
}

// FactorData are the properties of a factor that its kind has.
type FactorData struct {
	// Of TOTP (RFC 6238).
	Algorithm string `json:"algorithm,omitempty"`
	Digits    int    `json:"digits,omitempty"`
	Period    int    `json:"period,omitempty"`   // seconds
	AddedIn   string `json:"added_in,omitempty"` // the flow or session; no other shows its secret

	// Of passkeys: the credential record (WebAuthn §4).
	PublicKey      []byte   `json:"public_key,omitempty"`
	Handle         []byte   `json:"handle,omitempty"` // that the authenticator has for the user
	AAGUID         []byte   `json:"aaguid,omitempty"`
	Transports     []string `json:"transports,omitempty"`
	BackupEligible bool     `json:"backup_eligible,omitempty"`
	BackedUp       bool     `json:"backed_up,omitempty"`
	UserVerified   bool     `json:"user_verified,omitempty"`
	Discoverable   bool     `json:"discoverable,omitempty"`
	Signalled      string   `json:"signalled,omitempty"` // digest of what its browser was last told
	// Offered says that the passkey was created from an offer, while the account had no second factor. It signs in,
	// and is no second factor of the account until the user adds another factor or recovery codes.
	Offered bool `json:"offered,omitempty"`
}

// Usable reports whether the factor can be used in a sign-in: it is proved and not used up.
func (f Factor) Usable() bool {
	return !f.ProvedAt.IsZero() && (f.Kind != ProofRecoveryCode || f.UsedAt.IsZero())
}

// Authenticates reports whether the factor is a usable authenticator: a recovery code only stands in for one.
func (f Factor) Authenticates() bool { return f.Kind != ProofRecoveryCode && f.Usable() }

// Binds reports whether the factor is an authenticator because of which a password alone is not enough.
func (f Factor) Binds() bool { return f.Authenticates() && !f.Data.Offered }

// StandsBefore reports whether the factor is an authenticator that was proved before the given time.
func (f Factor) StandsBefore(at time.Time) bool { return f.Authenticates() && f.ProvedAt.Before(at) }

// DeviceBound reports whether the factor is a passkey that never leaves its authenticator.
func (f Factor) DeviceBound() bool { return f.Kind == ProofPasskey && !f.Data.BackupEligible }

// SignsIn reports whether the factor is a passkey that can be the only factor of a sign-in: the authenticator
// finds it without its ID. Browsers may not report that of a new passkey. A passkey on several devices is
// always found, and so is one that has signed in without its ID.
func (f Factor) SignsIn() bool {
	return f.Kind == ProofPasskey && f.Usable() && (f.Data.Discoverable || f.Data.BackupEligible)
}
