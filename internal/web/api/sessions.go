package api

import (
	"context"
	"net/http"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

var (
	OpSessions = operation{id: "sessions", topic: "sessions",
		summary: "List sessions"}
	OpSessionsEnd = operation{id: "end-other-sessions", topic: "sessions", status: http.StatusNoContent,
		summary: "End all other sessions",
		doc:     "Also ends the trust in other browsers: they need a second factor again. A browser that sends its cookie keeps it."}
	OpSessionEnd = operation{id: "end-session", topic: "sessions", status: http.StatusNoContent, errors: []int{http.StatusNotFound},
		summary: "End a session"}
)

// Session is a session of the account.
type Session struct {
	ID         string    `json:"id" doc:"Session ID: the sid of its tokens. Grants no rights."`
	Current    bool      `json:"current" doc:"Whether it is the session of this request."`
	ClientID   string    `json:"client_id" example:"first-party"`
	IP         string    `json:"ip" doc:"IP address of the sign-in." example:"192.0.2.1"`
	Place      string    `json:"place,omitempty" doc:"Where the IP address is, in the language of the tenant, if the server has a database of places. A hint: it can be wrong." example:"Berlin, Germany"`
	UserAgent  string    `json:"user_agent" doc:"User-Agent of the sign-in."`
	CreatedAt  time.Time `json:"created_at"`
	LastSeenAt time.Time `json:"last_seen_at"`
	ExpiresAt  time.Time `json:"expires_at"`
}

type sessionsOut struct {
	Body struct {
		Sessions []Session `json:"sessions"`
	}
}

// SessionList lists the sessions of the account.
func (s *Handlers) SessionList(ctx context.Context, _ *struct{}) (*sessionsOut, error) {
	ex := exchangeOf(ctx)
	all, err := s.accounts.Sessions(ctx, ex.Tenant.ID, ex.Actor.Account())
	if err != nil {
		return nil, err
	}
	var out sessionsOut
	out.Body.Sessions = make([]Session, 0, len(all))
	for _, v := range all {
		out.Body.Sessions = append(out.Body.Sessions, Session{
			ID: string(v.ID), Current: v.ID == ex.Actor.Session, ClientID: string(v.Client), IP: v.IP, Place: s.places.Place(v.IP, ex.Tenant.Settings.Locale), UserAgent: v.UserAgent,
			CreatedAt: v.CreatedAt.UTC(), LastSeenAt: v.SeenAt.UTC(), ExpiresAt: v.ExpiresAt.UTC(),
		})
	}
	return &out, nil
}

// SessionsEnd ends all sessions of the account but this one, and the trust in all other browsers.
func (s *Handlers) SessionsEnd(ctx context.Context, _ *struct{}) (*nothing, error) {
	ex := exchangeOf(ctx)
	actor := ex.RequestActor()
	actor.Trusted = ex.TrustedCookie()
	_, err := s.accounts.EndOtherSessions(ctx, ex.Tenant.ID, actor.Account(), actor.Session, actor)
	return nil, err
}

// SessionEnd ends one session of the account.
func (s *Handlers) SessionEnd(ctx context.Context, in *struct {
	ID string `path:"id" doc:"Session ID."`
}) (*nothing, error) {
	ex := exchangeOf(ctx)
	id := auth.SessionID(in.ID)
	err := s.accounts.EndSession(ctx, ex.Tenant.ID, ex.Actor.Account(), id, ex.RequestActor())
	if err == nil && ex.ByCookie && id == ex.Actor.Session {
		ex.DropCurrentSession()
	}
	return nil, err
}
