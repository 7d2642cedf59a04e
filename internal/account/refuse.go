package account

import (
	"context"
	"errors"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/password"
)

// errInvalidLink is the refusal of every invalid link, whatever the reason.
func errInvalidLink() error {
	return auth.Invalid(auth.CodeInvalidLink, "token", "the link is invalid, expired or used; request a new one")
}

// errEmailNotPublic refuses an address in the operator's own network.
func errEmailNotPublic() error {
	return auth.Invalid(auth.CodeEmailInvalid, "email", "email: the domain must be public, such as example.com")
}

// errPasswordNeeded requires a password in addition to a link.
func errPasswordNeeded(m Missing) error {
	msg := "password: a new password of the account is required"
	if m == MissingCurrentPassword {
		msg = "password: the current password of the account is required"
	}
	e := auth.Refuse(auth.KindConflict, auth.CodePasswordNeeded, msg)
	e.Field = string(m)
	return e
}

func errWrongPassword() error {
	e := auth.Refuse(auth.KindForbidden, auth.CodeWrongPassword, "the current password is incorrect")
	e.Field = "current_password"
	return e
}

func errChangedMeanwhile() error {
	return auth.Refuse(auth.KindConflict, auth.CodeChangedMeanwhile, "the account was changed concurrently; try again")
}

func errEmailTaken() error {
	e := auth.Refuse(auth.KindConflict, auth.CodeEmailTaken, "another account has this email address")
	e.Field = "email"
	return e
}

// newPassword is a new password of an account, with the values that the policy compares it with.
type newPassword struct {
	field, password string // field is the member of the request, for refusals
	email           auth.Email
	name            string
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
	reasons := tenantPolicy(s.cfg.Policy, t.Settings.Password).Check(p.password, p.email.Address, p.name, t.Name)
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

// tenantPolicy applies a tenant's rules to the policy of the server.
func tenantPolicy(p password.Policy, r auth.PasswordRules) password.Policy {
	if r.MinLength > 0 {
		p.MinLength = r.MinLength
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
