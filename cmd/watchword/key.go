package main

import (
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/server"
)

type keyCmd struct {
	List   keyList   `cmd:"" help:"List signing keys and what each is doing."`
	Rotate keyRotate `cmd:"" help:"Publish a new signing key now; it signs once every verifier can know it."`
	Reseal keyReseal `cmd:"" help:"Seal everything under the current master key, so that the previous one can go."`
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

type keyList struct{ ofTenant }

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
		return e.table(views, "KID\tALG\tSTATE\tACTIVE FROM (UTC)", rows)
	})
}

type keyRotate struct {
	ofTenant
	Algorithm string `name:"alg" enum:"ES256,RS256,EdDSA," default:"" help:"Which key to rotate: ES256, RS256 or EdDSA (default: the one that signs access tokens)."`
}

func (c keyRotate) Run(e *env) error {
	return e.openTenant(c.id(), func(s *server.Server) error {
		if err := s.Keys.Rotate(e.ctx, c.id(), c.Algorithm, e.operator()); err != nil {
			return err
		}
		return keyList{c.ofTenant}.Run(e)
	})
}

type keyReseal struct{}

func (keyReseal) Run(e *env) error {
	return e.open(func(s *server.Server) error {
		n, err := s.Keys.Reseal(e.ctx, e.operator())
		if err != nil {
			return err
		}
		return e.print(map[string]int{"resealed": n}, "Sealed %d values under the current master key. master_key_previous is no longer needed once every node runs with the new key.", n)
	})
}
