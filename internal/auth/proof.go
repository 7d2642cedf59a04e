package auth

import (
	"slices"
	"time"
)

// ProofMethod is how a user authenticated.
type ProofMethod string

// The methods of proofs. The first factor is one of the first three.
const (
	ProofPassword     ProofMethod = "password"
	ProofEmailLink    ProofMethod = "email_link" // a link or a code that was mailed instead of a password
	ProofPasskey      ProofMethod = "passkey"
	ProofTOTP         ProofMethod = "totp"
	ProofRecoveryCode ProofMethod = "recovery_code"
	ProofEmailCode    ProofMethod = "email_code" // a code that was mailed after the password
	// ProofRescueLink is the link of an operator with which a new factor replaces lost ones. It is no
	// factor by itself.
	ProofRescueLink ProofMethod = "rescue_link"
	// ProofTrustedBrowser says that the account trusts the browser. It is no factor by itself.
	ProofTrustedBrowser ProofMethod = "trusted_browser"
)

// Proof says that a user has proved to be the owner of an account.
type Proof struct {
	Method  ProofMethod `json:"method"`
	Account AccountID   `json:"account"`
	At      time.Time   `json:"at"`
	// UserVerified says that the authenticator of a passkey verified its user, so that the passkey
	// counts as two factors. DeviceBound says that the passkey never leaves its authenticator.
	UserVerified bool `json:"user_verified,omitempty"`
	DeviceBound  bool `json:"device_bound,omitempty"`
	// Link is the digest of the token of a rescue link. The proof counts while the link is there.
	Link string `json:"link,omitempty"`
}

// Authentication is the result of proofs, in the terms of OpenID Connect Core §2.
type Authentication struct {
	Assurance Assurance
	AMR       []string // RFC 8176
	// At is the time of the newest proof. If the assurance rests on a proof that is older than that by proofLifetime
	// or more, At is the time of that proof: a code makes no old sign-in recent.
	At time.Time
	// Trusted says that the first factor was proved in a trusted browser.
	Trusted bool
}

// Authenticate returns what the proofs of an account amount to. It ignores proofs of other
// accounts. Assurance and AMR are computed here only.
func Authenticate(account AccountID, proofs []Proof) Authentication {
	out := amount(account, proofs)
	newest := slices.SortedFunc(slices.Values(proofs), func(a, b Proof) int { return b.At.Compare(a.At) })
	for i, p := range newest {
		if amount(account, newest[:i+1]).Assurance < out.Assurance {
			continue
		}
		if out.At.Sub(p.At) >= proofLifetime {
			out.At = p.At
		}
		break
	}
	return out
}

// amount is Authenticate with the time of the newest proof.
func amount(account AccountID, proofs []Proof) Authentication {
	var out Authentication
	var known, mailed, second, code, verified, passkey, bound bool
	for _, p := range proofs {
		if p.Account != account || account == "" {
			continue
		}
		switch p.Method {
		case ProofPassword:
			known = true
			out.AMR = append(out.AMR, "pwd")
		case ProofEmailLink:
			mailed = true
			out.AMR = append(out.AMR, "email")
		case ProofPasskey:
			passkey, verified, bound = true, verified || p.UserVerified, bound || p.DeviceBound
			key := "swk"
			if p.DeviceBound {
				key = "hwk"
			}
			out.AMR = append(out.AMR, key, "user")
		case ProofTOTP, ProofRecoveryCode:
			second = true
			out.AMR = append(out.AMR, "otp")
		case ProofEmailCode:
			code = true
		case ProofTrustedBrowser:
			out.Trusted = true
			continue
		default:
			continue
		}
		if p.At.After(out.At) {
			out.At = p.At
		}
	}
	if code && known { // beside a mailed link it would be the same factor twice
		second = true
		out.AMR = append(out.AMR, "otp")
	}
	switch first := known || mailed; {
	case passkey && (verified || first) && bound:
		out.Assurance = AssuranceHardware
	case passkey && (verified || first):
		out.Assurance = AssurancePhishingResistant
	case first && second:
		out.Assurance = AssuranceTwoFactors
	case first:
		out.Assurance = AssuranceOneFactor
	default:
		return Authentication{}
	}
	switch {
	case out.Assurance >= AssuranceTwoFactors:
		out.AMR, out.Trusted = append(out.AMR, "mfa"), false
	case out.Trusted:
		out.AMR = append(out.AMR, "rba")
	}
	slices.Sort(out.AMR)
	out.AMR = slices.Compact(out.AMR)
	return out
}

// proofsOf returns the proofs on which a stored authentication rests. They amount to it again.
func proofsOf(account AccountID, at time.Time, amr []string) []Proof {
	var out []Proof
	add := func(p Proof) {
		p.Account, p.At = account, at
		out = append(out, p)
	}
	password := slices.Contains(amr, "pwd")
	for _, v := range amr {
		switch v {
		case "pwd":
			add(Proof{Method: ProofPassword})
		case "email":
			add(Proof{Method: ProofEmailLink})
		case "otp":
			add(Proof{Method: ProofTOTP})
		case "rba":
			add(Proof{Method: ProofTrustedBrowser})
		case "swk", "hwk":
			add(Proof{Method: ProofPasskey, UserVerified: !password && !slices.Contains(amr, "email"), DeviceBound: v == "hwk"})
		}
	}
	return out
}

// Proofs returns the proofs on which a remember-me series rests. Whether the browser is trusted is
// decided anew.
func (v RememberMe) Proofs() []Proof { return withoutTrust(proofsOf(v.Account, v.AuthAt, v.AMR)) }

func withoutTrust(proofs []Proof) []Proof {
	return slices.DeleteFunc(slices.Clone(proofs), func(p Proof) bool { return p.Method == ProofTrustedBrowser })
}

// Proofs returns the proofs on which a session rests.
func (s Session) Proofs() []Proof { return proofsOf(s.Account, s.AuthAt, s.AMR) }
