package auth

import (
	"slices"
	"time"
)

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
	Period    int    `json:"period,omitempty"` // seconds

	// Of passkeys: the credential record (WebAuthn §4).
	PublicKey      []byte   `json:"public_key,omitempty"`
	AAGUID         []byte   `json:"aaguid,omitempty"`
	Transports     []string `json:"transports,omitempty"`
	BackupEligible bool     `json:"backup_eligible,omitempty"`
	BackedUp       bool     `json:"backed_up,omitempty"`
	UserVerified   bool     `json:"user_verified,omitempty"`
	Discoverable   bool     `json:"discoverable,omitempty"`
}

// Usable reports whether the factor can be used in a sign-in: it is proved and not used up.
func (f Factor) Usable() bool {
	return !f.ProvedAt.IsZero() && (f.Kind != ProofRecoveryCode || f.UsedAt.IsZero())
}

// DeviceBound reports whether the factor is a passkey that never leaves its authenticator.
func (f Factor) DeviceBound() bool { return f.Kind == ProofPasskey && !f.Data.BackupEligible }

// FactorPolicy is when sign-ins need a second factor.
type FactorPolicy string

// The policies, the weakest first.
const (
	FactorsOff       FactorPolicy = "off"                // no second factors, not even those that accounts have
	FactorsOptional  FactorPolicy = "optional"           // of accounts that have one
	FactorsRequired  FactorPolicy = "required"           // of every account
	FactorsResistant FactorPolicy = "phishing_resistant" // a passkey of every account
)

// FactorPolicies are the policies, the weakest first.
var FactorPolicies = []FactorPolicy{FactorsOff, FactorsOptional, FactorsRequired, FactorsResistant}

// Stricter returns the stricter of two policies. An empty policy is the weakest.
func (p FactorPolicy) Stricter(other FactorPolicy) FactorPolicy {
	if slices.Index(FactorPolicies, other) > slices.Index(FactorPolicies, p) {
		return other
	}
	return p
}

// assurance returns what the policy requires of every sign-in.
func (p FactorPolicy) assurance() Assurance {
	switch p {
	case FactorsRequired:
		return AssuranceTwoFactors
	case FactorsResistant:
		return AssurancePhishingResistant
	}
	return AssuranceOneFactor
}

// Need is what a sign-in lacks.
type Need string

// What a sign-in can lack.
const (
	NeedNothing     Need = ""              // the proofs are enough for a session
	NeedFirstFactor Need = "first_factor"  // a password or a passkey
	NeedFactor      Need = "second_factor" // one of the account's factors
	NeedEnrolment   Need = "enrolment"     // a factor that the account does not have yet
)

// SignIn is everything on which it depends whether proofs are enough for a session.
type SignIn struct {
	Account AccountID
	Proofs  []Proof
	Factors []Factor // of the account
	Policy  FactorPolicy
	// Due is when the policy begins to bind an account without a factor; zero for at once.
	Due time.Time
	// Requested is the assurance that a client requires, beyond the policy.
	Requested Assurance
	Now       time.Time
}

// Decide decides whether the proofs are enough for a session, and what is lacking. It is the only
// such decision, for every way to a session.
//
// A user who has a factor always uses it, unless the policy is FactorsOff. A new factor is enrolled
// only after what the user has is proved, so that a stolen password is not enough to add one.
func (s SignIn) Decide() (Authentication, Need) {
	proved := Authenticate(s.Account, s.Proofs)
	switch reachable, required := s.reachable(), s.Policy.assurance(); {
	case proved.Assurance == AssuranceNone:
		return Authentication{}, NeedFirstFactor
	case s.Policy != FactorsOff && proved.Assurance < min(reachable, AssuranceTwoFactors):
		return proved, NeedFactor
	case proved.Assurance < s.Requested && s.Requested <= reachable, proved.Assurance < required && required <= reachable:
		return proved, NeedFactor
	case proved.Assurance < s.Requested, proved.Assurance < required && !s.Now.Before(s.Due):
		return proved, NeedEnrolment
	}
	return proved, NeedNothing
}

// reachable returns the strongest assurance that the account's factors can reach beside a first
// factor.
func (s SignIn) reachable() Assurance {
	out := AssuranceOneFactor
	for _, f := range s.Factors {
		if !f.Usable() {
			continue
		}
		switch f.Kind {
		case ProofTOTP, ProofEmailCode:
			out = max(out, AssuranceTwoFactors)
		case ProofPasskey:
			out = max(out, AssurancePhishingResistant)
			if f.DeviceBound() {
				out = AssuranceHardware
			}
		}
	}
	return out
}
