package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// SecretPrefix begins every client secret.
const SecretPrefix = "wws_"

// DefaultOverlap is how long the previous secret stays valid after a rotation by default;
// MaxOverlap is the longest.
const (
	DefaultOverlap = 24 * time.Hour
	MaxOverlap     = 90 * 24 * time.Hour
)

// Create registers a client. A confidential client gets a secret unless it signs with a key
// of its own. The secret is shown once and stored as a digest. Refusals are Invalid: name_…,
// type_invalid, invalid_redirect_uri, uri_invalid, scope_invalid, invalid_target,
// grant_invalid, auth_invalid, jwks_invalid, alg_invalid, sector_invalid and more, each
// with its field.
func (s *Service) Create(ctx context.Context, tenant auth.TenantID, r Registration, actor auth.Actor) (auth.Client, secret.Text, error) {
	c, err := s.validate(ctx, r)
	if err != nil {
		return auth.Client{}, "", err
	}
	return s.insert(ctx, tenant, c, actor, nil)
}

// insert gives a checked client its id and secret and stores it. The precondition, if any, runs in
// the same transaction; its error prevents the insert.
func (s *Service) insert(ctx context.Context, tenant auth.TenantID, c auth.Client, actor auth.Actor, precondition func(*store.Tx) error) (auth.Client, secret.Text, error) {
	// A client_id never looks like an account's id, so the sub of a machine's token
	// cannot be mistaken for a user's (RFC 9700 §4.15, RFC 9068 §5).
	c.ID = auth.ClientID("cl_" + secret.Encode(secret.Bytes(16)))
	var newSecret secret.Text
	if hasSecret(c) {
		newSecret = secret.New(SecretPrefix)
	}
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		c.CreatedAt, c.UpdatedAt = tx.Now, tx.Now
		if newSecret != "" {
			c.Secrets = []auth.ClientSecret{{Digest: secret.Digest(newSecret.Reveal()), CreatedAt: tx.Now}}
		}
		if _, err := tx.CurrentTenant(); errors.Is(err, auth.ErrNotFound) {
			return auth.TenantNotFound()
		} else if err != nil {
			return err
		}
		if precondition != nil {
			if err := precondition(tx); err != nil {
				return err
			}
		}
		if err := tx.InsertClient(c); err != nil {
			return err
		}
		return recordClient(tx, c.ID, "created", actor)
	})
	if err != nil {
		return auth.Client{}, "", fmt.Errorf("create client: %w", err)
	}
	if !slices.ContainsFunc(c.Settings.Grants, s.isForUser) {
		return c, newSecret, nil
	}
	// A key that cannot be made now is made when the first token needs it.
	if err := s.cfg.Tokens.EnsureIDTokenKey(ctx, tenant, c); err != nil {
		s.cfg.Log.Warn("the signing key for a new client's ID Tokens could not be created", "client", c.ID, "error", err)
	}
	return c, newSecret, nil
}

// Version is a digest of a client's stored values except the times.
func Version(c auth.Client) string {
	c.CreatedAt, c.UpdatedAt = time.Time{}, time.Time{}
	b, err := json.Marshal(c)
	if err != nil {
		return "" // matches nothing
	}
	return secret.Digest(string(b))[:22]
}

// Update lets fn change a registration, validates the whole and writes it. It refuses with
// Conflict client_changed when the client has changed meanwhile, or its Version is not the
// given one (empty for any). Type and FirstParty cannot change. A client that authenticates by a
// secret from now on gets one; one that no longer does loses it. Of the built-in client only
// the audiences can change.
func (s *Service) Update(ctx context.Context, tenant auth.TenantID, id auth.ClientID, version string, actor auth.Actor, fn func(*Registration) error) (auth.Client, secret.Text, error) {
	before, err := s.Get(ctx, tenant, id)
	if err != nil {
		return auth.Client{}, "", err
	}
	if version != "" && version != Version(before) {
		return auth.Client{}, "", errChanged()
	}
	r := registrationOf(before)
	if err := fn(&r); err != nil {
		return auth.Client{}, "", err
	}
	r.Type, r.FirstParty = before.Type, before.FirstParty
	if id == auth.FirstParty {
		checked, err := changeBuiltIn(before, r)
		if err != nil {
			return auth.Client{}, "", err
		}
		return s.replace(ctx, tenant, before, checked, actor)
	}
	checked, err := s.validate(ctx, r)
	if err != nil {
		return auth.Client{}, "", err
	}
	checked.Settings.ResourceScopes = before.Settings.ResourceScopes
	checked.Settings.Registration, checked.Settings.DocumentAt = before.Settings.Registration, before.Settings.DocumentAt
	if before.SelfDescribed() {
		checked.Bounds = newBounds(before, checked, r.Bounds)
	}
	return s.replace(ctx, tenant, before, checked, actor)
}

// changeBuiltIn applies the audiences and refuses every other change.
func changeBuiltIn(c auth.Client, r Registration) (auth.Client, error) {
	same := registrationOf(c)
	same.Audiences = r.Audiences
	if !reflect.DeepEqual(same, r) {
		return c, errBuiltIn()
	}
	return c, parseResources(&c, r)
}

// replace overwrites a client with the checked one, unless it has changed since it was read.
func (s *Service) replace(ctx context.Context, tenant auth.TenantID, before, checked auth.Client, actor auth.Actor) (auth.Client, secret.Text, error) {
	var newSecret secret.Text
	if hasSecret(checked) && len(before.Secrets) == 0 {
		newSecret = secret.New(SecretPrefix)
	}
	version := Version(before)
	c, err := s.write(ctx, tenant, before.ID, "updated", actor, func(c *auth.Client, now time.Time) error {
		if Version(*c) != version {
			return errChanged()
		}
		c.Name, c.RedirectURIs, c.Scopes, c.Settings, c.Bounds = checked.Name, checked.RedirectURIs, checked.Scopes, checked.Settings, checked.Bounds
		switch {
		case !hasSecret(*c):
			c.Secrets = nil
		case newSecret != "":
			c.Secrets = []auth.ClientSecret{{Digest: secret.Digest(newSecret.Reveal()), CreatedAt: now}}
		}
		return nil
	})
	return c, newSecret, err
}

func errChanged() error {
	return auth.Refuse(auth.KindConflict, auth.CodeClientChanged, "the client has changed since it was read; read it again")
}

// Disable disables a client: nothing is issued to it, its tokens are invalid, and the sessions
// of its users end for good.
func (s *Service) Disable(ctx context.Context, tenant auth.TenantID, id auth.ClientID, actor auth.Actor) (auth.Client, error) {
	c, err := s.change(ctx, tenant, id, "disabled", actor, func(c *auth.Client, now time.Time) error {
		if !c.Disabled() {
			c.DisabledAt = now
		}
		return nil
	})
	if err == nil {
		err = s.endSessions(ctx, tenant, id)
	}
	if err != nil {
		return auth.Client{}, fmt.Errorf("disable client: %w", err)
	}
	return c, nil
}

// endSessions ends all sessions of a disabled client in batches, so that no other write
// waits for all of them.
func (s *Service) endSessions(ctx context.Context, tenant auth.TenantID, id auth.ClientID) (err error) {
	for more := true; more && err == nil; {
		err = s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
			n, err := tx.EndClientSessions(id, endAtOnce, auth.EndClient)
			more = n == endAtOnce
			return err
		})
	}
	return err
}

// Enable enables a disabled client. Sessions that ended stay ended. If disabling was interrupted,
// the remaining sessions end now.
func (s *Service) Enable(ctx context.Context, tenant auth.TenantID, id auth.ClientID, actor auth.Actor) (auth.Client, error) {
	if c, err := s.Get(ctx, tenant, id); err == nil && c.Disabled() {
		if err := s.endSessions(ctx, tenant, id); err != nil {
			return auth.Client{}, fmt.Errorf("enable client: %w", err)
		}
	}
	return s.change(ctx, tenant, id, "enabled", actor, func(c *auth.Client, _ time.Time) error {
		c.DisabledAt = time.Time{}
		return nil
	})
}

// Delete removes a client for good, with the consents and sessions of its users; its tokens
// are invalid from then on. It is disabled first, in a transaction of its own, so that a
// session that begins meanwhile is seen and ended, or does not begin.
func (s *Service) Delete(ctx context.Context, tenant auth.TenantID, id auth.ClientID, actor auth.Actor) error {
	if id == auth.FirstParty {
		return errBuiltIn()
	}
	for done := false; !done; {
		c, err := s.Get(ctx, tenant, id)
		switch {
		case err != nil:
		case c.Disabled():
			err = s.endSessions(ctx, tenant, id)
		default:
			_, err = s.Disable(ctx, tenant, id, actor)
		}
		if err == nil {
			done, err = s.deleteDisabled(ctx, tenant, id, actor)
		}
		if err != nil {
			return fmt.Errorf("delete client: %w", err)
		}
	}
	return nil
}

// deleteDisabled deletes a client unless it was enabled again, and reports whether it
// did.
func (s *Service) deleteDisabled(ctx context.Context, tenant auth.TenantID, id auth.ClientID, actor auth.Actor) (done bool, err error) {
	err = s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		c, err := tx.Client(id)
		if errors.Is(err, auth.ErrNotFound) {
			return errUnknown()
		}
		if done = err == nil && c.Disabled(); !done {
			return err
		}
		if err := tx.DeleteClient(id); err != nil {
			return err
		}
		return recordClient(tx, id, "deleted", actor)
	})
	return done, err
}

// endAtOnce is how many sessions of a client end in one transaction.
const endAtOnce = 200

// Get returns one client; NotFound when there is none.
func (s *Service) Get(ctx context.Context, tenant auth.TenantID, id auth.ClientID) (c auth.Client, err error) {
	err = s.cfg.DB.ReadOne(ctx, tenant, func(tx *store.Tx) (err error) {
		c, err = tx.Client(id)
		return err
	})
	if errors.Is(err, auth.ErrNotFound) {
		return c, errUnknown()
	} else if err != nil {
		return c, fmt.Errorf("read client: %w", err)
	}
	return c, nil
}

// List lists the tenant's clients by id.
func (s *Service) List(ctx context.Context, tenant auth.TenantID) (list []auth.Client, err error) {
	err = s.cfg.DB.ReadOne(ctx, tenant, func(tx *store.Tx) (err error) {
		list, err = tx.Clients()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list clients: %w", err)
	}
	return list, nil
}

// ListAfter lists at most limit of the tenant's clients by id, after the given id.
func (s *Service) ListAfter(ctx context.Context, tenant auth.TenantID, after auth.ClientID, limit int) (list []auth.Client, err error) {
	err = s.cfg.DB.ReadOne(ctx, tenant, func(tx *store.Tx) (err error) {
		list, err = tx.ClientsAfter(after, limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list clients: %w", err)
	}
	return list, nil
}

// change is write, and refuses the built-in client.
func (s *Service) change(ctx context.Context, tenant auth.TenantID, id auth.ClientID, action string, actor auth.Actor, fn func(*auth.Client, time.Time) error) (c auth.Client, err error) {
	if id == auth.FirstParty {
		return c, errBuiltIn()
	}
	return s.write(ctx, tenant, id, action, actor, fn)
}

// write reads a client, lets fn change it and writes it, in one transaction.
func (s *Service) write(ctx context.Context, tenant auth.TenantID, id auth.ClientID, action string, actor auth.Actor, fn func(*auth.Client, time.Time) error) (c auth.Client, err error) {
	err = s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) (err error) {
		if c, err = tx.Client(id); errors.Is(err, auth.ErrNotFound) {
			return errUnknown()
		} else if err != nil {
			return err
		}
		if err := fn(&c, tx.Now); err != nil {
			return err
		}
		c.UpdatedAt = tx.Now
		c = c.Bounded()
		if err := tx.UpdateClient(c); err != nil {
			return err
		}
		return recordClient(tx, id, action, actor)
	})
	if err != nil {
		return auth.Client{}, fmt.Errorf("change client: %w", err)
	}
	s.keySets.forget(id)
	return c, nil
}

func recordClient(tx *store.Tx, id auth.ClientID, change string, actor auth.Actor) error {
	return tx.Record(auth.Event{Kind: auth.EventClientChanged, Actor: actor, Detail: map[string]string{"client": string(id), "change": change}})
}

func errUnknown() error {
	return auth.Refuse(auth.KindNotFound, auth.CodeClientUnknown, "client not found")
}

func errBuiltIn() error {
	return auth.Refuse(auth.KindConflict, auth.CodeClientBuiltIn, "the built-in client is read-only except for its audiences")
}
