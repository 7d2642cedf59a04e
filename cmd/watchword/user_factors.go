package main

import (
	"net/url"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/server"
)

type userFactors struct{ userArg }

type factorView struct {
	ID        auth.FactorID   `json:"id"`
	Kind      auth.FactorKind `json:"kind"`
	Name      string          `json:"name,omitempty"`
	CreatedAt time.Time       `json:"created_at"`
	UsedAt    *time.Time      `json:"last_used_at,omitempty"`
}

func (c userFactors) Run(e *env) error {
	return c.withAccount(e, func(s *server.Server, a auth.Account) error {
		list, codes, err := s.Logins.Factors(e.ctx, c.id(), a.ID)
		if err != nil {
			return err
		}
		views, rows := []factorView{}, [][]string{}
		for _, f := range list {
			v := factorView{ID: f.ID, Kind: f.Kind, Name: f.Name, CreatedAt: f.CreatedAt}
			used := "never"
			if !f.UsedAt.IsZero() {
				v.UsedAt, used = &f.UsedAt, f.UsedAt.Format(time.DateTime)
			}
			views = append(views, v)
			rows = append(rows, []string{string(v.ID), string(v.Kind), v.Name, v.CreatedAt.Format(time.DateTime), used})
		}
		if e.common.JSON {
			return e.printJSON(map[string]any{"factors": views, "recovery_codes": codes})
		}
		if err := e.printTable(views, "ID\tKIND\tNAME\tADDED (UTC)\tLAST USED (UTC)", rows); err != nil {
			return err
		}
		return e.print(nil, "Recovery codes left: %d", codes)
	})
}

type userResetFactors struct {
	userArg
	Yes bool `required:"" help:"Confirm: until the next sign-in, the password is all that protects the account."`
}

func (c userResetFactors) Run(e *env) error {
	return c.withAccount(e, func(s *server.Server, a auth.Account) error {
		n, err := s.Logins.ResetFactors(e.ctx, c.id(), a.ID, e.operator())
		if err != nil {
			return err
		}
		return e.print(map[string]any{"id": a.ID, "removed": n}, "Second factors of %s: %d removed. Its sessions have ended, and the next sign-in adds a factor.", a.Email, n)
	})
}

type userRescue struct{ userArg }

func (c userRescue) Run(e *env) error {
	return c.withAccount(e, func(s *server.Server, a auth.Account) error {
		token, expires, err := s.Logins.CreateRescue(e.ctx, c.id(), a.ID, e.operator())
		if err != nil {
			return err
		}
		link := c.id().Issuer(e.base) + "/rescue?token=" + url.QueryEscape(token.Reveal())
		return e.print(map[string]any{"id": a.ID, "link": link, "expires_at": expires},
			"%s\n\nFor %s, once, until %s UTC. Give it to the user over a channel that proves who they are.", link, a.Email, expires.Format(time.DateTime))
	})
}
