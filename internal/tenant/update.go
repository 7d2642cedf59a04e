package tenant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/password"
	"github.com/watchword-auth/watchword/internal/store"
)

// Update applies fn to the current tenant. fn may be called more than once; when it fails, Update
// returns its error and changes nothing. The id cannot be changed. A new signing algorithm gets
// its first key before the change. Refusals: not_found, name_…, settings_invalid.
func (s *Service) Update(ctx context.Context, id auth.TenantID, fn func(*auth.Tenant) error, actor auth.Actor) (auth.Tenant, error) {
	t, err := s.read(ctx, id)
	if err != nil {
		return auth.Tenant{}, err
	}
	// Applied to a copy first: generating a key is too slow for the transaction.
	if err := applyChange(&t, fn, s.cfg.Now()); err != nil {
		return auth.Tenant{}, err
	}
	if err := s.ensureKey(ctx, t); err != nil {
		return auth.Tenant{}, err
	}
	err = s.cfg.DB.Write(ctx, id, func(tx *store.Tx) (err error) {
		if t, err = tx.CurrentTenant(); err != nil {
			return err
		}
		before := t
		if err := applyChange(&t, fn, tx.Now); err != nil {
			return err
		}
		if err := checkRoles(tx, before, t); err != nil {
			return err
		}
		if err := s.checkPasskeys(before, t); err != nil {
			return err
		}
		if err := tx.UpdateCurrentTenant(t); err != nil {
			return err
		}
		return tx.Record(auth.Event{Kind: auth.EventTenantChanged, Actor: actor, Detail: describeChanges(before, t)})
	})
	s.invalidate(id)
	if err != nil {
		return auth.Tenant{}, fmt.Errorf("update tenant: %w", err)
	}
	return t, nil
}

func (s *Service) read(ctx context.Context, id auth.TenantID) (auth.Tenant, error) {
	s.invalidate(id)
	return s.Get(ctx, id)
}

func (s *Service) invalidate(id auth.TenantID) {
	s.mu.Lock()
	delete(s.cached, id)
	s.mu.Unlock()
}

// describeChanges returns the changes for the audit line.
func describeChanges(before, after auth.Tenant) map[string]string {
	d := map[string]string{"change": "updated"}
	if after.Name != before.Name {
		d["name"] = after.Name
	}
	if after.Disabled() != before.Disabled() {
		d["disabled"] = strconv.FormatBool(after.Disabled())
	}
	// Settings always marshal.
	was, _ := json.Marshal(before.Settings)
	is, _ := json.Marshal(after.Settings)
	if string(is) != string(was) {
		d["settings"] = string(is)
	}
	return d
}

// checkRoles refuses a policy of second factors for a role that the tenant does not have: a misspelt name
// would leave the role without one.
func checkRoles(tx *store.Tx, before, after auth.Tenant) error {
	for name := range after.Settings.Factors.Roles {
		if _, known := before.Settings.Factors.Roles[name]; known {
			continue
		}
		if _, err := tx.Role(name); errors.Is(err, auth.ErrNotFound) {
			return auth.Invalid(auth.CodeSettingsInvalid, "settings", fmt.Sprintf("factors.roles: the tenant has no role %q", name))
		} else if err != nil {
			return fmt.Errorf("read role: %w", err)
		}
	}
	return nil
}

// checkPasskeys refuses a change that begins to require passkeys where there are none: nobody could sign in.
func (s *Service) checkPasskeys(before, after auth.Tenant) error {
	if after.Settings.Factors.RequiresPasskey() && !before.Settings.Factors.RequiresPasskey() && !auth.SupportsPasskeys(s.cfg.Base) {
		return auth.Invalid(auth.CodeSettingsInvalid, "settings", "factors: "+auth.PasskeysNeedDomain)
	}
	return nil
}

// applyChange runs fn on the tenant and validates the result.
func applyChange(t *auth.Tenant, fn func(*auth.Tenant) error, now time.Time) error {
	before := *t
	t.Settings.Factors.Roles = maps.Clone(before.Settings.Factors.Roles) // fn may change it
	if err := fn(t); err != nil {
		return err
	}
	t.ID, t.CreatedAt = before.ID, before.CreatedAt
	t.Settings.Factors = t.Settings.Factors.After(before.Settings.Factors, now)
	name, err := auth.ParseName(t.Name)
	if err != nil {
		return err
	}
	if t.Name = name; name == "" {
		t.Name = string(t.ID)
	}
	return checkTenant(*t)
}

// The longest lifetimes that a tenant may choose.
const (
	maxAccess   = 24 * time.Hour
	maxLifetime = 400 * 24 * time.Hour
)

// maxDeletionDays bounds how long an account is kept whose owner wants it deleted: the month within
// which GDPR article 12 (3) wants such a request carried out.
const maxDeletionDays = 30

// checkTenant returns all errors of the settings.
func checkTenant(t auth.Tenant) error {
	set := t.Settings
	var errs []error
	if r := set.Registration; r != "" && r != "open" && r != "closed" {
		errs = append(errs, errors.New("registration: want open or closed"))
	}
	errs = append(errs, set.Factors.Check())
	switch set.Identifiers {
	case "", auth.IdentifyByEmail, auth.IdentifyByUsername, auth.IdentifyByBoth:
	default:
		errs = append(errs, errors.New("identifiers: want email, username or both"))
	}
	switch set.ClientRegistration {
	case "", "closed", "token", "open":
	default:
		errs = append(errs, errors.New("client_registration: want closed, token or open"))
	}
	switch set.Algorithm {
	case "", keys.ES256, keys.RS256, keys.EdDSA:
	default:
		errs = append(errs, errors.New("algorithm: want ES256, RS256 or EdDSA"))
	}
	p := password.Policy{MinLength: set.Password.MinLength, MaxLength: set.Password.MaxLength}
	if set.Password.MinScore != nil {
		p.MinScore = *set.Password.MinScore
	}
	if err := p.Validate(); err != nil {
		errs = append(errs, err)
	}
	if set.DeletionDays < 0 || set.DeletionDays > maxDeletionDays {
		errs = append(errs, fmt.Errorf("deletion_days: want 0 to %d", maxDeletionDays))
	}
	if _, err := auth.ParseLocale(set.Locale); err != nil {
		errs = append(errs, errors.New("locale: want "+strings.Join(auth.Locales, " or ")))
	}
	errs = append(errs, checkLifetimes(set.Lifetimes), auth.CheckBranding(set.Branding), checkLogo(set.Branding))
	if err := errors.Join(errs...); err != nil {
		return auth.Invalid(auth.CodeSettingsInvalid, "settings", err.Error())
	}
	return nil
}

func checkLifetimes(l auth.Lifetimes) error {
	var errs []error
	bound := func(name string, d, most time.Duration) {
		if d != 0 && (d < time.Second || d > most) {
			errs = append(errs, fmt.Errorf("lifetimes.%s: want 1s to %gh", name, most.Hours()))
		}
	}
	bound("access", l.Access, maxAccess)
	bound("refresh_idle", l.RefreshIdle, maxLifetime)
	bound("refresh_absolute", l.RefreshAbsolute, maxLifetime)
	bound("session_idle", l.SessionIdle, maxLifetime)
	bound("session_absolute", l.SessionAbsolute, maxLifetime)
	bound("remember", l.Remember, maxLifetime)
	return errors.Join(errs...)
}
