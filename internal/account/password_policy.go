package account

import (
	"context"
	"errors"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/password"
	"github.com/watchword-auth/watchword/internal/store"
)

// newPassword is a new password of an account, with the values that the policy compares it with.
type newPassword struct {
	field, password string // field is the member of the request, for refusals
	email           auth.Email
	name, username  string
	besideFactor    bool // as needsFactor reports
}

// hashPassword checks a new password against the policy, and hashes it.
func (s *Service) hashPassword(ctx context.Context, t auth.Tenant, p newPassword) (string, error) {
	if err := s.checkPolicy(t, p); err != nil {
		return "", err
	}
	hash, err := s.cfg.Hasher.Hash(ctx, p.password)
	if err != nil {
		return "", password.Refusal(p.field, err)
	}
	return hash, nil
}

// checkPolicy checks a new password against the policy of server and tenant.
func (s *Service) checkPolicy(t auth.Tenant, p newPassword) error {
	reasons := s.tenantPolicy(t, p.besideFactor).Check(p.password, p.email.Address, p.name, p.username, t.Name)
	if len(reasons) == 0 {
		return nil
	}
	refusal := auth.Invalid(auth.CodePasswordRefused, p.field, "the password does not meet the policy")
	for _, r := range reasons {
		if r.Code == password.ReasonUnavailable {
			return auth.Unavailable(errors.New("cannot read the list of breached passwords"), unavailableRetry)
		}
		refusal.Reasons = append(refusal.Reasons, auth.Reason{Code: r.Code, Msg: r.Message})
	}
	return refusal
}

// tenantPolicy applies a tenant's rules to the policy of the server. Beside a second factor a
// shorter password is enough, unless the tenant sets the length.
func (s *Service) tenantPolicy(t auth.Tenant, besideFactor bool) password.Policy {
	p, r := s.cfg.Policy, t.Settings.Password
	switch {
	case r.MinLength > 0:
		p.MinLength = r.MinLength
	case besideFactor:
		p.MinLength = password.LengthBesideFactor
	}
	if r.MaxLength > 0 {
		p.MaxLength = r.MaxLength
	}
	if r.MinScore != nil {
		p.MinScore = *r.MinScore
	}
	p.RequireUpper = p.RequireUpper || r.RequireUpper
	p.RequireLower = p.RequireLower || r.RequireLower
	p.RequireDigit = p.RequireDigit || r.RequireDigit
	p.RequireSpecial = p.RequireSpecial || r.RequireSpecial
	return p
}

// MinPasswordLength returns the minimum length of the password of a new account.
func (s *Service) MinPasswordLength(t auth.Tenant) int {
	return s.tenantPolicy(t, s.newAccountNeedsFactor(t)).MinLength
}

func (s *Service) newAccountNeedsFactor(t auth.Tenant) bool {
	now := s.cfg.Now()
	return t.NeedsFactor(auth.Account{CreatedAt: now}, nil, nil, now)
}

// needsFactor reports whether a password is not enough to sign in to the account.
func needsFactor(tx *store.Tx, t auth.Tenant, a auth.Account) (bool, error) {
	factors, err := tx.Factors(a.ID)
	if err != nil {
		return false, err
	}
	return needsFactorWith(tx, t, a, factors)
}

// needsFactorWith is needsFactor for an account that will have these factors.
func needsFactorWith(tx *store.Tx, t auth.Tenant, a auth.Account, factors []auth.Factor) (bool, error) {
	roles, err := tx.FactorRoles(t, a.ID)
	return t.NeedsFactor(a, roles, factors, tx.Now), err
}
