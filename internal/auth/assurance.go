package auth

import "slices"

// Assurance is how strong an authentication is, the weakest first. Each but AssuranceNone is an
// Authentication Context Class (OpenID Connect Core §2).
type Assurance int

// The levels of assurance.
const (
	AssuranceNone              Assurance = iota
	AssuranceOneFactor                   // "1": a password, or a mailed link
	AssuranceTwoFactors                  // "2": two factors of different kinds
	AssurancePhishingResistant           // "phr": a passkey that verified the user, or one beside a password
	AssuranceHardware                    // "phrh": the same, and the passkey never leaves its device
)

// ACRs are the authentication contexts that a sign-in can reach, by Assurance. The names of the
// last two are those of OpenID Connect EAP ACR Values §2.
var ACRs = []string{"1", "2", "phr", "phrh"}

// ACR returns the level as a value of the acr claim; empty for AssuranceNone.
func (a Assurance) ACR() string {
	if a == AssuranceNone {
		return ""
	}
	return ACRs[a-1]
}

// ParseACR returns the level of a value of the acr claim; AssuranceNone for an unknown value.
func ParseACR(acr string) Assurance { return Assurance(slices.Index(ACRs, acr) + 1) }
