package account

import (
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/password"
)

// errLink is the one answer to every link that does not work, whatever the reason.
func errLink() error {
	return auth.Invalid(auth.CodeInvalidLink, "token", "this link does not work any more; ask for a new one")
}

// errNotPublic refuses an address at which strangers could reach mailboxes of the
// operator's own network.
func errNotPublic() error {
	return auth.Invalid(auth.CodeEmailInvalid, "email", "email: the domain must be a public one, such as example.com")
}

// errPasswordNeeded asks whoever opened a link for more than the link.
func errPasswordNeeded(m Missing) error {
	msg := "password: send the one that shall be the account's from now on, the registered one or another"
	if m == MissingCurrentPassword {
		msg = "password: send the current one of the account whose address changes"
	}
	e := auth.Refuse(auth.KindConflict, auth.CodePasswordNeeded, msg)
	e.Field = string(m)
	return e
}

func errWrongPassword() error {
	e := auth.Refuse(auth.KindForbidden, auth.CodeWrongPassword, "the current password is not right")
	e.Field = "current_password"
	return e
}

func errChanged() error {
	return auth.Refuse(auth.KindConflict, auth.CodeChangedMeanwhile, "the account was changed at the same time; try again")
}

func errTaken() error {
	e := auth.Refuse(auth.KindConflict, auth.CodeEmailTaken, "another account has this e-mail address")
	e.Field = "email"
	return e
}

// mapHashError turns what the hasher reports into a refusal; field is the member that
// held the password.
func mapHashError(field string, err error) error {
	if busy, ok := errors.AsType[*password.BusyError](err); ok {
		return auth.Unavailable(err, busy.RetryAfter)
	}
	switch {
	case errors.Is(err, password.ErrTooLong):
		return auth.Invalid(auth.CodePasswordTooLong, field, "a password has at most 128 characters")
	case errors.Is(err, password.ErrNotText):
		return auth.Invalid(auth.CodePasswordInvalid, field, "a password must be text")
	}
	return fmt.Errorf("hash password: %w", err)
}

// checkPolicy asks the policy of server and tenant whether a new password will do.
func (s *Service) checkPolicy(t auth.Tenant, field, pw string, e auth.Email, name string) error {
	reasons := tenantPolicy(s.cfg.Policy, t.Settings.Password).Check(pw, e.Address, name, t.Name)
	if len(reasons) == 0 {
		return nil
	}
	refusal := auth.Invalid(auth.CodePasswordRefused, field, "this password cannot be used here")
	for _, r := range reasons {
		if r.Code == password.ReasonUnavailable {
			return auth.Unavailable(errors.New("the list of breached passwords cannot be read"), retryPolicy)
		}
		refusal.Reasons = append(refusal.Reasons, auth.Reason{Code: r.Code, Msg: r.Message})
	}
	return refusal
}

// tenantPolicy lays a tenant's rules over the server's policy.
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
