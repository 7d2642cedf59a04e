package account

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// Export is the data about one user as JSON. It contains no secret, no digest of
// one, and nothing about the administrators of the account.
type Export struct {
	ExportedAt  time.Time         `json:"exported_at"`
	Account     ExportedAccount   `json:"account"`
	Roles       []string          `json:"roles"`
	Permissions []string          `json:"permissions"`
	Sessions    []ExportedSession `json:"sessions"`
	Remembered  []ExportedBrowser `json:"remembered_browsers"`
	Trusted     []ExportedBrowser `json:"trusted_browsers"`
	Factors     []ExportedFactor  `json:"factors"`
	Consents    []ExportedConsent `json:"consents"`
	Events      []ExportedEvent   `json:"events"`
}

// ExportedAccount is the exported part of an account.
type ExportedAccount struct {
	ID              auth.AccountID `json:"id"`
	Email           string         `json:"email"`
	EmailVerifiedAt time.Time      `json:"email_verified_at,omitzero"`
	Username        string         `json:"username,omitempty"`
	Name            string         `json:"name"`
	Locale          string         `json:"locale,omitempty"`
	CreatedAt       time.Time      `json:"created_at"`
	UpdatedAt       time.Time      `json:"updated_at"`
	LastLoginAt     time.Time      `json:"last_login_at,omitzero"`
	DisabledAt      time.Time      `json:"disabled_at,omitzero"`
	LockedAt        time.Time      `json:"locked_at,omitzero"`
	DeleteAt        time.Time      `json:"delete_at,omitzero"`

	Picture *ExportedPicture `json:"picture,omitempty"`
}

// ExportedPicture is the picture of an account.
type ExportedPicture struct {
	Type      string    `json:"content_type"`
	Bytes     []byte    `json:"bytes"` // Base64
	CreatedAt time.Time `json:"created_at"`
}

// ExportedSession is a live session of a browser or a client.
type ExportedSession struct {
	ID        auth.SessionID `json:"id"`
	Parent    auth.SessionID `json:"parent_id,omitempty"` // the browser session of a client session
	Client    auth.ClientID  `json:"client_id"`
	IP        string         `json:"ip"`
	UserAgent string         `json:"user_agent"`
	CreatedAt time.Time      `json:"created_at"`
	SeenAt    time.Time      `json:"seen_at"`
	ExpiresAt time.Time      `json:"expires_at"`
}

// ExportedBrowser is a browser with a remember-me token, or one that needs no second factor.
type ExportedBrowser struct {
	IP        string    `json:"ip,omitempty"` // of a trusted one
	UserAgent string    `json:"user_agent,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	UsedAt    time.Time `json:"used_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// ExportedFactor is an authenticator or a recovery code.
type ExportedFactor struct {
	Kind      auth.FactorKind `json:"kind"`
	Name      string          `json:"name,omitempty"`
	AAGUID    string          `json:"aaguid,omitempty"` // the model of a passkey, in hexadecimal
	CreatedAt time.Time       `json:"created_at"`
	UsedAt    time.Time       `json:"used_at,omitzero"`
}

// ExportedConsent is a consent of the user.
type ExportedConsent struct {
	Client    auth.ClientID `json:"client_id"`
	Scope     string        `json:"scope"`
	Resources []string      `json:"resources"`
	CreatedAt time.Time     `json:"created_at"`
	UpdatedAt time.Time     `json:"updated_at"`
}

// ExportedEvent is one audit line about the account.
type ExportedEvent struct {
	At        time.Time         `json:"at"`
	Kind      auth.EventKind    `json:"event"`
	Outcome   auth.Outcome      `json:"outcome"`
	By        auth.ActorKind    `json:"by"`
	IP        string            `json:"ip,omitempty"`
	UserAgent string            `json:"user_agent,omitempty"`
	Detail    map[string]string `json:"detail,omitempty"`
}

const (
	exportPageSize  = 1000
	maxExportEvents = 20_000 // of which the newest are exported
	// maxConcurrentExports is less than the number of SQLite readers, so that exports never use all.
	maxConcurrentExports = 2
)

// Export returns all data about the account and records the export. It reads in several
// transactions, so concurrent changes may appear in only some parts.
func (s *Service) Export(ctx context.Context, tenant auth.TenantID, id auth.AccountID, actor auth.Actor) (Export, error) {
	select {
	case s.exports <- struct{}{}:
		defer func() { <-s.exports }()
	case <-ctx.Done():
		return Export{}, auth.Unavailable(ctx.Err(), unavailableRetry)
	}
	out, err := s.gatherExport(ctx, tenant, id)
	if err != nil {
		return Export{}, mapNotFound("export account", err)
	}
	if err := s.record(ctx, tenant, auth.Event{Kind: auth.EventAccountExported, Actor: actor, Account: id}); err != nil {
		return Export{}, err
	}
	return out, nil
}

func (s *Service) gatherExport(ctx context.Context, tenant auth.TenantID, id auth.AccountID) (Export, error) {
	var out Export
	err := s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) (err error) {
		out, err = gatherAccount(tx, id)
		return err
	})
	for before := ""; err == nil && len(out.Events) < maxExportEvents; {
		var page []auth.Event
		err = s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) (err error) {
			page, err = tx.Events(store.EventFilter{Account: id, Before: before, Limit: exportPageSize})
			return err
		})
		for _, e := range page {
			out.Events = append(out.Events, exportEvent(e, id))
		}
		if len(page) < exportPageSize {
			break
		}
		before = page[len(page)-1].ID
	}
	return out, err
}

func gatherAccount(tx *store.Tx, id auth.AccountID) (Export, error) {
	a, err := tx.Account(id)
	if err != nil {
		return Export{}, err
	}
	out := Export{ExportedAt: tx.Now, Roles: []string{}, Permissions: []string{}, Events: []ExportedEvent{}, Account: ExportedAccount{
		ID: a.ID, Email: a.Email.Address, EmailVerifiedAt: a.EmailVerifiedAt, Username: a.Username, Name: a.Name, Locale: a.Locale, CreatedAt: a.CreatedAt,
		UpdatedAt: a.UpdatedAt, LastLoginAt: a.LastLoginAt, DisabledAt: a.DisabledAt, LockedAt: a.LockedAt, DeleteAt: a.DeleteAt,
	}}
	if a.Picture != "" {
		p, err := tx.Picture(a.Picture)
		if err != nil {
			return Export{}, err
		}
		out.Account.Picture = &ExportedPicture{Type: p.Type, Bytes: p.Bytes, CreatedAt: p.CreatedAt}
	}
	roles, permissions, err := tx.Rights(id)
	if err != nil {
		return Export{}, err
	}
	out.Roles, out.Permissions = append(out.Roles, roles...), append(out.Permissions, permissions...)
	if out.Sessions, err = gatherSessions(tx, id); err != nil {
		return Export{}, err
	}
	if out.Remembered, err = gatherRemembered(tx, id); err != nil {
		return Export{}, err
	}
	if out.Trusted, err = gatherTrusted(tx, id); err != nil {
		return Export{}, err
	}
	if out.Factors, err = gatherFactors(tx, id); err != nil {
		return Export{}, err
	}
	out.Consents, err = gatherConsents(tx, id)
	return out, err
}

func gatherSessions(tx *store.Tx, id auth.AccountID) ([]ExportedSession, error) {
	out := []ExportedSession{}
	list, err := tx.AllSessions(id)
	for _, v := range list {
		out = append(out, ExportedSession{
			ID: v.ID, Parent: v.Parent, Client: v.Client, IP: v.IP, UserAgent: v.UserAgent, CreatedAt: v.CreatedAt, SeenAt: v.SeenAt, ExpiresAt: v.ExpiresAt,
		})
	}
	return out, err
}

func gatherRemembered(tx *store.Tx, id auth.AccountID) ([]ExportedBrowser, error) {
	out := []ExportedBrowser{}
	list, err := tx.AccountRememberMe(id)
	for _, v := range list {
		out = append(out, ExportedBrowser{CreatedAt: v.CreatedAt, UsedAt: v.RotatedAt, ExpiresAt: v.ExpiresAt})
	}
	return out, err
}

func gatherTrusted(tx *store.Tx, id auth.AccountID) ([]ExportedBrowser, error) {
	out := []ExportedBrowser{}
	list, err := tx.TrustedBrowsers(id)
	for _, v := range list {
		out = append(out, ExportedBrowser{IP: v.IP, UserAgent: v.UserAgent, CreatedAt: v.CreatedAt, UsedAt: v.UsedAt, ExpiresAt: v.ExpiresAt})
	}
	return out, err
}

func gatherFactors(tx *store.Tx, id auth.AccountID) ([]ExportedFactor, error) {
	out := []ExportedFactor{}
	list, err := tx.Factors(id)
	for _, f := range list {
		if f.ProvedAt.IsZero() {
			continue // it does not count
		}
		out = append(out, ExportedFactor{Kind: f.Kind, Name: f.Name, AAGUID: hex.EncodeToString(f.Data.AAGUID), CreatedAt: f.CreatedAt, UsedAt: f.UsedAt})
	}
	return out, err
}

func gatherConsents(tx *store.Tx, id auth.AccountID) ([]ExportedConsent, error) {
	out := []ExportedConsent{}
	list, err := tx.Consents(id)
	for _, v := range list {
		out = append(out, ExportedConsent{Client: v.Client, Scope: v.Scope.String(), Resources: append([]string{}, v.Audience...), CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt})
	}
	return out, err
}

func exportEvent(e auth.Event, id auth.AccountID) ExportedEvent {
	v := ExportedEvent{At: e.At, Kind: e.Kind, Outcome: e.Outcome, By: e.Actor.Kind, Detail: e.Detail}
	if e.Actor.Anonymous() || e.Actor.Account() == id {
		v.IP, v.UserAgent = e.Actor.IP, e.Actor.UserAgent
	}
	return v
}
