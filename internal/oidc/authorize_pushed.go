package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// Pushed authorization requests (RFC 9126): the client leaves its request here before
// it sends the browser, and gets an address for it.

// PushedPath is the endpoint, below the tenant's issuer.
const PushedPath = "/oauth2/par"

// pushedPrefix is what the address of a pushed request begins with; the rest is a
// secret (§2.2).
const pushedPrefix = "urn:ietf:params:oauth:request_uri:"

// Pushed is the answer to a pushed request (RFC 9126 §2.2).
type Pushed struct {
	RequestURI string
	ExpiresIn  int64 // seconds
}

// pushed is what is kept of it.
type pushed struct {
	Request auth.AuthorizationRequest `json:"request"`
	// Until is when it can be begun with no more. The row lives longer, for the sign-in
	// that has begun in time and spends it at its end.
	Until time.Time `json:"until"`
}

// Push is the endpoint for pushed requests (RFC 9126 §2.1). The client proves itself as
// at the token endpoint, and the request is checked as it would be at the
// authorization endpoint. A DPoP proof binds the code to its key (RFC 9449 §10.1).
// Refusals are as of Token.
func (s *Service) Push(ctx context.Context, r client.Request) (Pushed, error) {
	caller, err := s.cfg.Clients.Authenticate(ctx, r)
	if err != nil {
		return Pushed{}, err
	}
	if err := s.cfg.Clients.LimitPublicClient(ctx, caller); err != nil {
		return Pushed{}, err
	}
	if r.Form.Get("request_uri") != "" {
		return Pushed{}, oauth.Refuse(oauth.InvalidRequest, "a pushed request has no request_uri")
	}
	q := &asked{form: r.Form}
	if q.client, q.tenant, err = s.cfg.Clients.Resolve(ctx, r.Tenant, caller.Client.ID, r.Actor); err != nil {
		if errors.Is(err, auth.ErrNotFound) {
			err = oauth.RefuseClient("the client is gone")
		}
		return Pushed{}, err
	}
	deliver(q)
	if err := s.readParameters(ctx, q); err != nil {
		return Pushed{}, err
	}
	if err := s.bindProof(ctx, q, r); err != nil {
		return Pushed{}, err
	}
	return s.keepPushed(ctx, q, caller)
}

// bindProof binds the request to the key of the proof, if there is one. A dpop_jkt
// beside it has to say the same.
func (s *Service) bindProof(ctx context.Context, q *asked, r client.Request) error {
	jkt, err := s.cfg.Clients.Proof(ctx, r)
	if err != nil || jkt == "" {
		return err
	}
	if q.r.JKT != "" && q.r.JKT != jkt {
		return oauth.Refuse(oauth.InvalidRequest, "dpop_jkt is not the key of the DPoP proof")
	}
	q.r.JKT = jkt
	return nil
}

func (s *Service) keepPushed(ctx context.Context, q *asked, caller client.Caller) (Pushed, error) {
	kept, err := json.Marshal(q.r)
	if err != nil {
		return Pushed{}, fmt.Errorf("encode pushed request: %w", err)
	}
	if err := s.cfg.Clients.LimitPublicClientSize(ctx, caller, len(kept)); err != nil {
		return Pushed{}, err
	}
	uri := secret.New(pushedPrefix).Reveal()
	err = s.cfg.DB.Write(ctx, q.tenant.ID, func(tx *store.Tx) error {
		until := tx.Now.Add(s.cfg.PushedLifetime)
		data, err := json.Marshal(pushed{Request: q.r, Until: until})
		if err != nil {
			return fmt.Errorf("encode pushed request: %w", err)
		}
		return tx.InsertSingleUse(auth.SingleUse{Kind: auth.UsePushed, Digest: secret.Digest(uri), Client: caller.Client.ID, Data: string(data),
			CreatedAt: tx.Now, ExpiresAt: until.Add(flow.Lifetime)})
	})
	if err != nil {
		return Pushed{}, fmt.Errorf("keep pushed request: %w", err)
	}
	return Pushed{RequestURI: uri, ExpiresIn: int64(s.cfg.PushedLifetime / time.Second)}, nil
}

// readPushed takes the request that was left at the address. It is not spent by that:
// people reload pages and go back, so it is spent with the code that it leads to (FAPI
// 2.0 Security Profile §5.3.2.2). Nothing beside client_id and request_uri counts.
func (s *Service) readPushed(ctx context.Context, q *asked, uri string) error {
	gone := oauth.Refuse(oauth.InvalidRequestURI, "this request_uri is unknown, spent, too old or another client's")
	if !secret.Valid(pushedPrefix, uri) {
		return gone
	}
	var kept auth.SingleUse
	var now time.Time
	err := s.cfg.DB.ReadOne(ctx, q.tenant.ID, func(tx *store.Tx) (err error) {
		now = tx.Now
		kept, err = tx.SingleUse(auth.UsePushed, secret.Digest(uri))
		return err
	})
	if errors.Is(err, auth.ErrNotFound) {
		return gone
	} else if err != nil {
		return fmt.Errorf("read pushed request: %w", err)
	}
	var p pushed
	if err := json.NewDecoder(strings.NewReader(kept.Data)).Decode(&p); err != nil {
		return fmt.Errorf("decode pushed request: %w", err)
	}
	// The client may have changed since: where answers go is asked again.
	if kept.Client != q.client.ID || !kept.UsedAt.IsZero() || !now.Before(p.Until) || !q.client.MatchRedirectURI(p.Request.RedirectURI) {
		return gone
	}
	q.r = p.Request
	q.r.Pushed = kept.Digest
	return nil
}
