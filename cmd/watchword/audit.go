package main

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/server"
	"github.com/watchword-auth/watchword/internal/store"
)

type auditCmd struct {
	List auditList `cmd:"" help:"List audit events, newest first."`
}

type auditList struct {
	tenantFlag
	Kind   string `placeholder:"EVENT" help:"Only events of this kind, such as login or password.changed."`
	User   string `placeholder:"EMAIL" help:"Only events of this account."`
	Before string `placeholder:"ID" help:"Only events before this ID, for the next page."`
	Limit  int    `default:"50" help:"Maximum number of events."`
}

type eventView struct {
	ID      string            `json:"id"`
	At      time.Time         `json:"at"`
	Event   auth.EventKind    `json:"event"`
	Outcome auth.Outcome      `json:"outcome"`
	Actor   string            `json:"actor"`
	Account auth.AccountID    `json:"account,omitempty"`
	Session auth.SessionID    `json:"session,omitempty"`
	IP      string            `json:"ip,omitempty"`
	Request string            `json:"request_id,omitempty"`
	Detail  map[string]string `json:"detail,omitempty"`
}

func (c auditList) Run(e *env) error {
	return e.openTenant(c.id(), func(s *server.Server) error {
		f := store.EventFilter{Before: c.Before, Kind: auth.EventKind(c.Kind), Limit: c.Limit}
		if c.User != "" {
			if err := checkEmail("--user", c.User); err != nil {
				return err
			}
			a, err := s.Accounts.Find(e.ctx, c.id(), c.User)
			if err != nil {
				return err
			}
			f.Account = a.ID
		}
		var events []auth.Event
		err := s.DB.Read(e.ctx, c.id(), func(tx *store.Tx) (err error) {
			events, err = tx.Events(f)
			return err
		})
		if err != nil {
			return err
		}
		views, rows := []eventView{}, [][]string{}
		for _, ev := range events {
			v := eventView{ID: ev.ID, At: ev.At, Event: ev.Kind, Outcome: ev.Outcome, Actor: strings.TrimSuffix(string(ev.Actor.Kind)+":"+ev.Actor.ID, ":"),
				Account: ev.Account, Session: ev.Actor.Session, IP: ev.Actor.IP, Request: ev.Actor.RequestID, Detail: ev.Detail}
			views = append(views, v)
			rows = append(rows, []string{v.At.Format(time.DateTime), string(v.Event), string(v.Outcome), v.Actor, string(v.Account), v.IP, formatDetail(v.Detail)})
		}
		return e.printTable(views, "TIME (UTC)\tEVENT\tOUTCOME\tACTOR\tACCOUNT\tFROM\tDETAIL", rows)
	})
}

// formatDetail formats the detail of an event as sorted key=value pairs.
func formatDetail(d map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(d)) {
		parts = append(parts, k+"="+d[k])
	}
	return strings.Join(parts, " ")
}
