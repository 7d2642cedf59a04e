package auth

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

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

// FactorSettings say when the users of a tenant need a second factor.
type FactorSettings struct {
	// Policy is that of all accounts; empty for FactorsOptional.
	Policy FactorPolicy `json:"policy,omitempty"`
	// Roles are stricter policies of the accounts that have a role, by its name.
	Roles map[string]FactorPolicy `json:"roles,omitempty"`
	// GraceDays is how many days an account may sign in without a factor that the policy requires,
	// counted from Since, or from its creation if that is later.
	GraceDays int       `json:"grace_days,omitempty"`
	Since     time.Time `json:"since,omitzero"` // when the policy was set
	// EmailCode mails a code to accounts without an authenticator, as the second factor of a sign-in
	// that needs one.
	EmailCode bool `json:"email_code,omitempty"`
	// TrustDays is for how many days a user can exempt a browser from second factors; nil for 30, zero
	// for not at all.
	TrustDays *int `json:"trust_days,omitempty"`
}

// For returns the policy that binds the sign-ins of an account with these roles at a client, and
// until when the account may do without a factor.
func (f FactorSettings) For(a Account, roles []string, c Client) (policy FactorPolicy, due time.Time) {
	policy = cmp.Or(f.Policy, FactorsOptional).Stricter(c.Settings.SecondFactor)
	for _, r := range roles {
		policy = policy.Stricter(f.Roles[r])
	}
	due = f.Since
	if a.CreatedAt.After(due) {
		due = a.CreatedAt
	}
	return policy, due.AddDate(0, 0, f.GraceDays)
}

// MailsCodes reports whether the second factor of an account is a code that is mailed to it: it has
// no authenticator that binds it, and its address is verified. A mailed code never replaces one that does.
func (f FactorSettings) MailsCodes(a Account, factors []Factor) bool {
	return f.EmailCode && a.Verified() && !slices.ContainsFunc(factors, Factor.Binds)
}

// strictest returns the strictest policy that binds any account at the client.
func (f FactorSettings) strictest(c Client) FactorPolicy {
	policy := f.Policy.Stricter(c.Settings.SecondFactor)
	for _, p := range f.Roles {
		policy = policy.Stricter(p)
	}
	return policy
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
	// EmailCode says that a code can be mailed to the account as its second factor. An account never
	// has to use it unless the policy or a client requires one.
	EmailCode bool
	Policy    FactorPolicy
	// Established says that the proofs are those of a session. A factor that was added since is
	// needed only when more is required than the session has.
	Established bool
	// Due is when the policy begins to bind an account without a factor; zero for at once.
	Due time.Time
	// Requested is the assurance that a client requires, beyond the policy.
	Requested Assurance
	Now       time.Time
}

// Decide decides whether the proofs are enough for a session, and what is lacking. It is the only
// such decision, for every way to a session.
//
// A user who has a factor that binds always uses it, unless the policy is FactorsOff. A new factor is enrolled
// only after what the user has is proved, so that a stolen password is not enough to add one. A
// trusted browser counts as a second factor for the policy, never for what a client requests.
func (s SignIn) Decide() (Authentication, Need) {
	s = s.withoutLost()
	proved := Authenticate(s.Account, s.Proofs)
	if proved.Trusted {
		if s.need(proved.Assurance, AssuranceTwoFactors) == NeedNothing {
			return proved, NeedNothing
		}
		s.Established = false // what trust stood for is proved before anything is added
	}
	return proved, s.need(proved.Assurance, proved.Assurance)
}

// Required returns the assurance that the policy and the client require.
func (s SignIn) Required() Assurance { return max(s.Policy.assurance(), s.Requested) }

// need returns what a sign-in lacks that has proved one assurance, and counts with another one for the
// policy.
func (s SignIn) need(proved, counted Assurance) Need {
	switch reachable, required := s.reachable(), s.Policy.assurance(); {
	case proved == AssuranceNone:
		return NeedFirstFactor
	case s.Policy != FactorsOff && !s.Established && counted < min(s.held(), AssuranceTwoFactors):
		return NeedFactor
	case proved < s.Requested && s.Requested <= reachable, counted < required && required <= reachable:
		return NeedFactor
	case proved >= s.Requested && (counted >= required || s.Now.Before(s.Due)):
		return NeedNothing
	case counted < min(reachable, AssuranceTwoFactors): // before anything is added
		return NeedFactor
	}
	return NeedEnrolment
}

// LacksFactor reports whether the policy requires a factor that the account does not have, and its grace
// period is over.
func (s SignIn) LacksFactor() bool {
	return s.Policy.assurance() > s.reachable() && !s.Now.Before(s.Due)
}

// GraceEnds returns when the policy begins to require a factor that the account does not have; zero if it does
// already or never will.
func (s SignIn) GraceEnds() time.Time {
	if s.Policy.assurance() <= s.reachable() || !s.Now.Before(s.Due) {
		return time.Time{}
	}
	return s.Due
}

// FreshAge is how old the proofs of a fresh session may be.
const FreshAge = 5 * time.Minute

// Fresh returns what a session lacks before its user may change how the account signs in. Proofs count
// for the given age, and must reach what the account can, up to two factors. That includes a mailed code
// where the tenant allows it: whoever has only the password must not add the first authenticator. A trusted
// browser is no proof. A factor that the policy requires and the account lacks is not needed: the user is
// about to add it.
func (s SignIn) Fresh(age time.Duration) Need {
	s.Proofs = slices.DeleteFunc(withoutTrust(s.Proofs), func(p Proof) bool { return s.Now.Sub(p.At) > age })
	s.Established, s.Requested = false, s.fresh()
	_, need := s.Decide()
	if need == NeedEnrolment {
		return NeedNothing
	}
	return need
}

// RequireFresh refuses a session that lacks something by Fresh: Unauthenticated
// insufficient_user_authentication, with a StepUp as its cause.
func (s SignIn) RequireFresh(age time.Duration) error {
	if s.Fresh(age) == NeedNothing {
		return nil
	}
	up := StepUp{MaxAge: age, Assurance: s.fresh()}
	e := Refuse(KindUnauthenticated, CodeStepUp, up.Error())
	e.Err = up
	return e
}

// fresh returns the assurance that Fresh requires.
func (s SignIn) fresh() Assurance {
	if s.Policy == FactorsOff {
		return AssuranceOneFactor
	}
	return min(max(s.held(), s.mailed()), AssuranceTwoFactors)
}

// Wish makes the first of the values that the account can reach the requested assurance. It is the meaning of
// acr_values (OpenID Connect Core §5.5.1.1).
func (s *SignIn) Wish(acr []string) {
	for _, value := range acr {
		if v := ParseACR(value); v != AssuranceNone && v <= s.reachable() {
			s.Requested = v
			return
		}
	}
}

// StepUp is the authentication that a request requires and its session lacks (RFC 9470 §3).
type StepUp struct {
	MaxAge    time.Duration
	Assurance Assurance
}

func (u StepUp) Error() string {
	return fmt.Sprintf("sign in again: a sign-in with acr %s in the last %d seconds is required", u.Assurance.ACR(), int64(u.MaxAge.Seconds()))
}

// reachable returns the strongest assurance that the account can reach beside a first factor.
func (s SignIn) reachable() Assurance { return max(strongest(s.Factors), s.mailed()) }

// held returns the strongest assurance of the factors that the user has to use: those that bind, and all where
// the policy requires one.
func (s SignIn) held() Assurance {
	if s.Policy.assurance() > AssuranceOneFactor {
		return strongest(s.Factors)
	}
	return strongest(slices.DeleteFunc(slices.Clone(s.Factors), func(f Factor) bool { return !f.Binds() }))
}

// mailed returns the assurance that a mailed code gives. It counts only beside a password: after a mailed link it
// would be the same factor twice.
func (s SignIn) mailed() Assurance {
	password := slices.ContainsFunc(s.Proofs, func(p Proof) bool { return p.Account == s.Account && p.Method == ProofPassword })
	if s.EmailCode && password {
		return AssuranceTwoFactors
	}
	return AssuranceOneFactor
}

// strongest returns the strongest assurance that factors can reach beside a first factor.
func strongest(factors []Factor) Assurance {
	out := AssuranceOneFactor
	for _, f := range factors {
		if !f.Usable() {
			continue
		}
		switch f.Kind {
		case ProofTOTP:
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

// NeedsFactor reports whether a password is not enough to sign in to an account with these roles
// and factors.
func (t Tenant) NeedsFactor(a Account, roles []string, factors []Factor, now time.Time) bool {
	const owner AccountID = "owner" // also of an account that does not exist yet
	s := SignIn{Account: owner, Proofs: []Proof{{Method: ProofPassword, Account: owner, At: now}}, Factors: factors, Now: now}
	s.EmailCode = t.Settings.Factors.MailsCodes(a, factors)
	s.Policy, s.Due = t.Settings.Factors.For(a, roles, Client{})
	_, need := s.Decide()
	return need != NeedNothing
}
