package auth

import (
	"slices"
	"time"
)

// ProofMethod is how a user authenticated, as an Authentication Method Reference (RFC 8176).
type ProofMethod string

// ProofPassword is a password.
const ProofPassword ProofMethod = "pwd"

// Proof says that a user has proved to be the owner of an account.
type Proof struct {
	Method  ProofMethod
	Account AccountID
	At      time.Time
}

// Authentication is the result of proofs, in the terms of OpenID Connect Core §2.
type Authentication struct {
	ACR string
	AMR []string
	At  time.Time // of the newest proof
}

// EnoughProof decides whether the proofs are enough to sign the account in, and returns their
// ACR, AMR and time. It ignores proofs of other accounts. ACR and AMR are computed here only.
func EnoughProof(account AccountID, proofs []Proof) (Authentication, bool) {
	var out Authentication
	for _, p := range proofs {
		if p.Account != account || p.Method != ProofPassword {
			continue
		}
		if !slices.Contains(out.AMR, string(p.Method)) {
			out.AMR = append(out.AMR, string(p.Method))
		}
		if p.At.After(out.At) {
			out.At = p.At
		}
	}
	if out.AMR == nil {
		return Authentication{}, false
	}
	out.ACR = ACRPassword
	return out, true
}

// Proofs returns the proofs of the authentication with which a remember-me series began.
func (v RememberMe) Proofs() []Proof {
	out := make([]Proof, len(v.AMR))
	for i, method := range v.AMR {
		out[i] = Proof{Method: ProofMethod(method), Account: v.Account, At: v.AuthAt}
	}
	return out
}
