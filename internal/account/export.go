package account

import (
	"context"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// Export is everything kept about one person, fit for JSON. It holds no secret and
// no digest of one, and nothing about the people who administer the account.
type Export struct {
	ExportedAt  time.Time         `json:"exported_at"`
	Account     ExportedAccount   `json:"account"`
	Roles       []string          `json:"roles"`
	Permissions []string          `json:"permissions"`
	Sessions    []ExportedSession `json:"sessions"`
	Events      []ExportedEvent   `json:"events"`
}

// ExportedAccount is the account as its owner may have it.
type ExportedAccount struct {
	ID              auth.AccountID `json:"id"`
	Email           string         `json:"email"`
	EmailVerifiedAt time.Time      `json:"email_verified_at,omitzero"`
	Name            string         `json:"name"`
	CreatedAt       time.Time      `json:"created_at"`
	UpdatedAt       time.Time      `json:"updated_at"`
	LastLoginAt     time.Time      `json:"last_login_at,omitzero"`
	DisabledAt      time.Time      `json:"disabled_at,omitzero"`
}

// ExportedSession is one sign-in that has not ended.
type ExportedSession struct {
	ID        auth.SessionID `json:"id"`
	Client    auth.ClientID  `json:"client_id"`
	IP        string         `json:"ip"`
	UserAgent string         `json:"user_agent"`
	CreatedAt time.Time      `json:"created_at"`
	SeenAt    time.Time      `json:"seen_at"`
	ExpiresAt time.Time      `json:"expires_at"`
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
	exportPage = 1000
	exportMost = 20_000 // the newest audit lines of an account that go into an export
)

// Export gathers what is kept about the account, and records that it did.
func (s *Service) Export(ctx context.Context, tenant auth.TenantID, id auth.AccountID, actor auth.Actor) (Export, error) {
	var out Export
	err := s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) (err error) {
		out, err = gather(tx, id)
		return err
	})
	if err != nil {
		return Export{}, found("export account", err)
	}
	if err := s.record(ctx, tenant, auth.Event{Kind: auth.EventAccountExported, Actor: actor, Account: id}); err != nil {
		return Export{}, err
	}
	return out, nil
}

func gather(tx *store.Tx, id auth.AccountID) (Export, error) {
	a, err := tx.Account(id)
	if err != nil {
		return Export{}, err
	}
	out := Export{ExportedAt: tx.Now, Roles: []string{}, Permissions: []string{}, Sessions: []ExportedSession{}, Account: ExportedAccount{
		ID: a.ID, Email: a.Email.Address, EmailVerifiedAt: a.EmailVerifiedAt, Name: a.Name, CreatedAt: a.CreatedAt,
		UpdatedAt: a.UpdatedAt, LastLoginAt: a.LastLoginAt, DisabledAt: a.DisabledAt,
	}}
	roles, permissions, err := tx.Rights(id)
	if err != nil {
		return Export{}, err
	}
	out.Roles, out.Permissions = append(out.Roles, roles...), append(out.Permissions, permissions...)
	sessions, err := tx.Sessions(id)
	if err != nil {
		return Export{}, err
	}
	for _, v := range sessions {
		out.Sessions = append(out.Sessions, ExportedSession{
			ID: v.ID, Client: v.Client, IP: v.IP, UserAgent: v.UserAgent, CreatedAt: v.CreatedAt, SeenAt: v.SeenAt, ExpiresAt: v.ExpiresAt,
		})
	}
	out.Events, err = gatherEvents(tx, id)
	return out, err
}

func gatherEvents(tx *store.Tx, id auth.AccountID) ([]ExportedEvent, error) {
	out := []ExportedEvent{}
	for before := ""; len(out) < exportMost; {
		page, err := tx.Events(store.EventFilter{Account: id, Before: before, Limit: exportPage})
		if err != nil {
			return nil, err
		}
		for _, e := range page {
			v := ExportedEvent{At: e.At, Kind: e.Kind, Outcome: e.Outcome, By: e.Actor.Kind, Detail: e.Detail}
			if e.Actor.Anonymous() || e.Actor.Account() == id {
				v.IP, v.UserAgent = e.Actor.IP, e.Actor.UserAgent
			}
			out = append(out, v)
		}
		if len(page) < exportPage {
			break
		}
		before = page[len(page)-1].ID
	}
	return out, nil
}
