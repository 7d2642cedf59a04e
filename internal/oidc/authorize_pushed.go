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

// A client sends a pushed authorization request (RFC 9126) before it sends the browser. It gets a
// request_uri for the request.

// PushedPath is the endpoint, below the tenant's issuer.
const PushedPath = "/oauth2/par"

// pushedPrefix is the prefix of the request_uri of a pushed request; the rest is a secret (§2.2).
const pushedPrefix = "urn:ietf:params:oauth:request_uri:"

// Pushed is the response to a pushed request (RFC 9126 §2.2).
type Pushed struct {
	RequestURI string
	ExpiresIn  int64 // seconds
}

// pushed is the stored form of a pushed request.
type pushed struct {
	Request auth.AuthorizationRequest `json:"request"`
	// Until is the end of the time in which a flow can start with the request. The row lives longer,
	// for a flow that started in time and consumes the request at its end.
	Until time.Time `json:"until"`
}

// Push is the endpoint for pushed requests (RFC 9126 §2.1). The client authenticates as at the token
// endpoint, and the request is checked as at the authorization endpoint. A DPoP proof binds the code
// to its key (RFC 9449 §10.1). Refusals are those of Token.
func (s *Service) Push(ctx context.Context, r client.Request) (Pushed, error) {
	caller, err := s.cfg.Clients.Authenticate(ctx, r)
	if err != nil {
		return Pushed{}, err
	}
	if err := s.cfg.Clients.LimitPublicClient(ctx, caller); err != nil {
		return Pushed{}, err
	}
	if r.Form.Get("request_uri") != "" {
		return Pushed{}, oauth.Refuse(oauth.InvalidRequest, "request_uri: not allowed in a pushed request")
	}
	req := &authorizeRequest{form: r.Form}
	if req.client, req.tenant, err = s.cfg.Clients.Resolve(ctx, r.Tenant, caller.Client.ID, r.Actor); err != nil {
		if errors.Is(err, auth.ErrNotFound) {
			err = oauth.RefuseClient("the client was deleted")
		}
		return Pushed{}, err
	}
	resolveResponseTarget(req)
	if err := s.readParameters(ctx, req); err != nil {
		return Pushed{}, err
	}
	if err := s.bindDPoPKey(ctx, req, r); err != nil {
		return Pushed{}, err
	}
	return s.storePushed(ctx, req, caller)
}

// bindDPoPKey binds the request to the key of the DPoP proof, if there is one. A dpop_jkt that is sent
// with it must name the same key.
func (s *Service) bindDPoPKey(ctx context.Context, req *authorizeRequest, r client.Request) error {
	jkt, err := s.cfg.Clients.Proof(ctx, r)
	if err != nil || jkt == "" {
		return err
	}
	if req.params.JKT != "" && req.params.JKT != jkt {
		return oauth.Refuse(oauth.InvalidRequest, "dpop_jkt: the thumbprint of the key of the DPoP proof")
	}
	req.params.JKT = jkt
	return nil
}

// storePushed stores a checked request under a new request_uri.
func (s *Service) storePushed(ctx context.Context, req *authorizeRequest, caller client.Caller) (Pushed, error) {
	encoded, err := json.Marshal(req.params)
	if err != nil {
		return Pushed{}, fmt.Errorf("encode pushed request: %w", err)
	}
	if err := s.cfg.Clients.LimitPublicClientSize(ctx, caller, len(encoded)); err != nil {
		return Pushed{}, err
	}
	uri := secret.New(pushedPrefix).Reveal()
	err = s.cfg.DB.Write(ctx, req.tenant.ID, func(tx *store.Tx) error {
		until := tx.Now.Add(s.cfg.PushedLifetime)
		data, err := json.Marshal(pushed{Request: req.params, Until: until})
		if err != nil {
			return fmt.Errorf("encode pushed request: %w", err)
		}
		return tx.InsertSingleUse(auth.SingleUse{Kind: auth.UsePushed, Digest: secret.Digest(uri), Client: caller.Client.ID, Data: string(data),
			CreatedAt: tx.Now, ExpiresAt: until.Add(flow.Lifetime)})
	})
	if err != nil {
		return Pushed{}, fmt.Errorf("store pushed request: %w", err)
	}
	return Pushed{RequestURI: uri, ExpiresIn: int64(s.cfg.PushedLifetime / time.Second)}, nil
}

// readPushed reads the pushed request of a request_uri. Reading does not consume it, since users
// reload pages and go back. It is consumed with the code that it leads to (FAPI 2.0 Security Profile
// §5.3.2.2). Parameters other than client_id and request_uri are ignored.
func (s *Service) readPushed(ctx context.Context, req *authorizeRequest, uri string) error {
	refusal := oauth.Refuse(oauth.InvalidRequestURI, "request_uri: unknown, used, expired or of another client")
	if !secret.Valid(pushedPrefix, uri) {
		return refusal
	}
	var stored auth.SingleUse
	var now time.Time
	err := s.cfg.DB.ReadOne(ctx, req.tenant.ID, func(tx *store.Tx) (err error) {
		now = tx.Now
		stored, err = tx.SingleUse(auth.UsePushed, secret.Digest(uri))
		return err
	})
	if errors.Is(err, auth.ErrNotFound) {
		return refusal
	} else if err != nil {
		return fmt.Errorf("read pushed request: %w", err)
	}
	var p pushed
	if err := json.NewDecoder(strings.NewReader(stored.Data)).Decode(&p); err != nil {
		return fmt.Errorf("decode pushed request: %w", err)
	}
	// The client may have changed since, so redirect_uri is checked again.
	if stored.Client != req.client.ID || !stored.UsedAt.IsZero() || !now.Before(p.Until) || !req.client.MatchRedirectURI(p.Request.RedirectURI) {
		return refusal
	}
	req.params = p.Request
	req.params.Pushed = stored.Digest
	return nil
}
