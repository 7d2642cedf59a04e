package auth

import (
	"slices"
	"time"
)

// FactorsReset is a factor that is never usable. It says that an operator has removed the factors of the
// account, which must add one, and is there until then.
const FactorsReset FactorKind = "reset"

// wereReset reports whether an operator has removed the factors of an account, and none was added since.
func wereReset(factors []Factor) bool {
	return slices.ContainsFunc(factors, func(f Factor) bool { return f.Kind == FactorsReset })
}

// Rescued returns when the owner of an account has opened a rescue link; zero without one.
func Rescued(account AccountID, proofs []Proof) time.Time {
	for _, p := range proofs {
		if p.Account == account && p.Method == ProofRescueLink {
			return p.At
		}
	}
	return time.Time{}
}

// withoutLost returns a sign-in whose user has lost the factors of the account, as a rescue link says, or whose
// account has lost them to a reset. It needs a new factor at once, unless the policy is FactorsOff.
func (s SignIn) withoutLost() SignIn {
	rescued := !Rescued(s.Account, s.Proofs).IsZero()
	if s.Policy == FactorsOff || !rescued && !wereReset(s.Factors) {
		return s
	}
	s.Policy, s.Due = s.Policy.Stricter(FactorsRequired), time.Time{}
	s.EmailCode, s.Proofs = false, withoutTrust(s.Proofs) // neither of them is a new factor
	if rescued {
		s.Factors = nil
	}
	return s
}
