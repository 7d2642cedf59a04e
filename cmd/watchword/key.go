package main

import (
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/server"
)

type keyCmd struct {
	List   keyList   `cmd:"" help:"List signing keys and their states."`
	Rotate keyRotate `cmd:"" help:"Publish a new signing key; it starts signing once verifiers have had time to fetch it."`
	Reseal keyReseal `cmd:"" help:"Reseal all secrets under the current master key, so that the previous one can be removed."`
}

type keyView struct {
	ID        auth.KeyID `json:"id"`
	Algorithm string     `json:"alg"`
	State     string     `json:"state"`
	ActiveAt  time.Time  `json:"active_at"`
	RetiredAt *time.Time `json:"retired_at,omitempty"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

func viewKey(k auth.SigningKey, now time.Time) keyView {
	v := keyView{ID: k.ID, Algorithm: k.Algorithm, ActiveAt: k.ActiveAt, State: "signing"}
	if !k.RetiredAt.IsZero() {
		v.RetiredAt, v.ExpiresAt = &k.RetiredAt, &k.ExpiresAt
	}
	switch {
	case now.Before(k.ActiveAt):
		v.State = "published, not signing yet"
	case v.RetiredAt != nil && !now.Before(k.RetiredAt):
		v.State = "verifying only"
	}
	return v
}

type keyList struct{ tenantFlag }

func (c keyList) Run(e *env) error {
	return e.openTenant(c.id(), func(s *server.Server) error {
		keys, err := s.Keys.List(e.ctx, c.id())
		if err != nil {
			return err
		}
		views, rows := []keyView{}, [][]string{}
		for _, k := range keys {
			v := viewKey(k, s.DB.Now())
			views = append(views, v)
			rows = append(rows, []string{string(v.ID), v.Algorithm, v.State, v.ActiveAt.Format(time.DateTime)})
		}
		return e.printTable(views, "KID\tALG\tSTATE\tACTIVE FROM (UTC)", rows)
	})
}

type keyRotate struct {
	tenantFlag
	Algorithm string `name:"alg" enum:"ES256,RS256,EdDSA," default:"" help:"Algorithm of the key to rotate: ES256, RS256 or EdDSA (default: that of access tokens)."`
}

func (c keyRotate) Run(e *env) error {
	return e.openTenant(c.id(), func(s *server.Server) error {
		if err := s.Keys.Rotate(e.ctx, c.id(), c.Algorithm, e.operator()); err != nil {
			return err
		}
		return keyList{c.tenantFlag}.Run(e)
	})
}

type keyReseal struct{}

func (keyReseal) Run(e *env) error {
	return e.open(func(s *server.Server) error {
		n, err := s.Keys.Reseal(e.ctx, e.operator())
		if err != nil {
			return err
		}
		return e.print(map[string]int{"resealed": n}, "Resealed %d values under the current master key. Remove master_key_previous once every node uses the new key.", n)
	})
}
