package auth

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"time"
)

// maxGraceDays bounds FactorSettings.GraceDays.
const maxGraceDays = 365

// Check returns all errors of the settings.
func (f FactorSettings) Check() error {
	var errs []error
	policy := func(name string, p FactorPolicy) {
		if p != "" && !slices.Contains(FactorPolicies, p) {
			errs = append(errs, fmt.Errorf("factors.%s: want off, optional, required or phishing_resistant", name))
		}
	}
	policy("policy", f.Policy)
	for _, role := range slices.Sorted(maps.Keys(f.Roles)) {
		policy("roles."+role, f.Roles[role])
	}
	if f.GraceDays < 0 || f.GraceDays > maxGraceDays {
		errs = append(errs, fmt.Errorf("factors.grace_days: want 0 to %d", maxGraceDays))
	}
	if f.TrustDays != nil && (*f.TrustDays < 0 || *f.TrustDays > maxTrustDays) {
		errs = append(errs, fmt.Errorf("factors.trust_days: want 0 to %d", maxTrustDays))
	}
	return errors.Join(errs...)
}

// After returns the settings as a change of the ones before: days of grace count from the change that first
// requires a factor. One that requires more binds at once, as it would reopen the days that are over. Roles
// without a policy are left out.
func (f FactorSettings) After(before FactorSettings, now time.Time) FactorSettings {
	f.Roles = maps.Clone(f.Roles)
	maps.DeleteFunc(f.Roles, func(_ string, p FactorPolicy) bool { return p == "" })
	if f.requires() && !before.requires() && f.Since.Equal(before.Since) {
		f.Since = now
	}
	return f
}

// RequiresPasskey reports whether the settings require a passkey of any account.
func (f FactorSettings) RequiresPasskey() bool { return f.strictest(Client{}) == FactorsResistant }

// SupportsPasskeys reports whether browsers accept passkeys for the server with this base URL: they accept none for
// an IP address (WebAuthn §5.1.2).
func SupportsPasskeys(base string) bool {
	u, err := url.Parse(base)
	if err != nil {
		return false
	}
	_, err = netip.ParseAddr(u.Hostname())
	return err != nil
}

// PasskeysNeedDomain says why a policy that requires a passkey is refused, and names the way out.
const PasskeysNeedDomain = "phishing_resistant needs passkeys, which browsers accept for no IP address; give the issuer a domain name first, such as https://auth.example.com or http://localhost:8080"

// requires reports whether the settings require a factor of any account.
func (f FactorSettings) requires() bool {
	return f.strictest(Client{}).assurance() > AssuranceOneFactor
}

// Suffices reports whether the authentication on which a session rests is still enough for tokens of
// the client. The policy may have become stricter since, and a client may have one of its own. It is
// the decision of SignIn for a user who is not there: what is lacking needs a sign-in.
func (f FactorSettings) Suffices(s Session, a Account, roles []string, c Client, now time.Time) bool {
	if f.strictest(c).assurance() <= max(ParseACR(s.ACR), AssuranceOneFactor) {
		return true
	}
	in := SignIn{Account: s.Account, Proofs: s.Proofs(), Established: true, Now: now}
	in.Policy, in.Due = f.For(a, roles, c)
	_, need := in.Decide()
	return need == NeedNothing
}
