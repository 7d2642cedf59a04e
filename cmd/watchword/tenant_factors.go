package main

import "github.com/watchword-auth/watchword/internal/auth"

// factorFlags are the flags for the second factors of a tenant's accounts.
type factorFlags struct {
	Policy *string           `name:"second-factor" enum:"off,optional,required,phishing_resistant" placeholder:"POLICY" help:"Second factors: off, optional, required or phishing_resistant (a passkey)."`
	Role   map[string]string `name:"second-factor-role" placeholder:"ROLE=POLICY" help:"Stricter policy for the accounts that have a role; an empty one removes it. Repeatable."`
	Grace  *int              `name:"second-factor-grace-days" placeholder:"N" help:"Days for which accounts may sign in without a factor that is required, 0 to 365."`
}

// apply sets the given flags.
func (f factorFlags) apply(to *auth.FactorSettings) {
	if f.Policy != nil {
		to.Policy = auth.FactorPolicy(*f.Policy)
	}
	for role, policy := range f.Role {
		if to.Roles == nil {
			to.Roles = map[string]auth.FactorPolicy{}
		}
		to.Roles[role] = auth.FactorPolicy(policy)
	}
	if f.Grace != nil {
		to.GraceDays = *f.Grace
	}
}
