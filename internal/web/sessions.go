package web

import (
	"context"
	"net/http"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

var (
	opSessions = operation{id: "sessions", topic: "sessions",
		summary: "List sessions"}
	opSessionsEnd = operation{id: "end-other-sessions", topic: "sessions", status: http.StatusNoContent,
		summary: "End all other sessions"}
	opSessionEnd = operation{id: "end-session", topic: "sessions", status: http.StatusNoContent, errors: []int{http.StatusNotFound},
		summary: "End a session"}
)

// Session is a session of the account.
type Session struct {
	ID         string    `json:"id" doc:"Session ID: the sid of its tokens. Grants no rights."`
	Current    bool      `json:"current" doc:"Whether it is the session of this request."`
	ClientID   string    `json:"client_id" example:"first-party"`
	IP         string    `json:"ip" doc:"IP address of the sign-in." example:"192.0.2.1"`
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

func (s *api) sessionList(ctx context.Context, _ *struct{}) (*sessionsOut, error) {
	ex := exchangeOf(ctx)
	all, err := s.accounts.Sessions(ctx, ex.tenant.ID, ex.actor.Account())
	if err != nil {
		return nil, err
	}
	var out sessionsOut
	out.Body.Sessions = make([]Session, 0, len(all))
	for _, v := range all {
		out.Body.Sessions = append(out.Body.Sessions, Session{
			ID: string(v.ID), Current: v.ID == ex.actor.Session, ClientID: string(v.Client), IP: v.IP, UserAgent: v.UserAgent,
			CreatedAt: v.CreatedAt.UTC(), LastSeenAt: v.SeenAt.UTC(), ExpiresAt: v.ExpiresAt.UTC(),
		})
	}
	return &out, nil
}

func (s *api) sessionsEnd(ctx context.Context, _ *struct{}) (*nothing, error) {
	ex := exchangeOf(ctx)
	_, err := s.accounts.EndOtherSessions(ctx, ex.tenant.ID, ex.actor.Account(), ex.actor.Session, ex.requestActor())
	return nil, err
}

func (s *api) sessionEnd(ctx context.Context, in *struct {
	ID string `path:"id" doc:"Session ID."`
}) (*nothing, error) {
	ex := exchangeOf(ctx)
	id := auth.SessionID(in.ID)
	err := s.accounts.EndSession(ctx, ex.tenant.ID, ex.actor.Account(), id, ex.requestActor())
	if err == nil && ex.cookie && id == ex.actor.Session {
		ex.dropCurrent()
	}
	return nil, err
}
