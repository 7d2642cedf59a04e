package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// Caller is an authenticated client with its tenant, as both were in the database at that moment.
// It has the fields that store.ClientAuthState names.
type Caller struct {
	Client auth.Client
	Tenant auth.Tenant
	Actor  auth.Actor // the client and its origin
}

// Authenticate authenticates a client, at every endpoint. It refuses alike, as invalid_client, an
// unknown or disabled client and a wrong or expired credential or method. A public client only
// sends its client_id.
//
// Failures are counted by client and refused as rate_limited beyond the limit. The right
// credentials always pass, so failing in a client's name cannot lock it out. Secrets have 256
// random bits and cannot be guessed.
func (s *Service) Authenticate(ctx context.Context, r Request) (Caller, error) {
	c, err := readCredentials(r)
	if err != nil {
		return Caller{}, s.recordFailure(ctx, r, "", err)
	}
	caller, err := s.loadCaller(ctx, r.Tenant, c.id, r.Actor)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return Caller{}, fmt.Errorf("read client: %w", err)
	}
	if err != nil {
		err = oauth.RefuseClient("unknown client")
	} else {
		err = s.checkCredentials(ctx, r, c, caller)
	}
	if err != nil {
		return Caller{}, s.recordFailure(ctx, r, c.id, err)
	}
	caller.Actor = r.Actor.AsClient(c.id)
	return caller, nil
}

// LimitPublicClient counts a request of a public client that writes a row. Anyone who knows
// its client_id could otherwise fill the database.
func (s *Service) LimitPublicClient(ctx context.Context, c Caller) error {
	if !c.Client.Public() {
		return nil
	}
	_, err := limit.TakeAll(ctx, s.cfg.Limiter, s.publicBuckets(c)...)
	return err
}

// LimitPublicClientSize counts the bytes that a request of a public client stores beyond the
// size that one token of the limit covers.
func (s *Service) LimitPublicClientSize(ctx context.Context, c Caller, size int) error {
	n := size / limit.TokenBytes
	if !c.Client.Public() || n == 0 {
		return nil
	}
	_, err := limit.Take(ctx, s.cfg.Limiter, s.publicBuckets(c)[0], n)
	return err
}

// refundPublicClient gives back what LimitPublicClient took, for a request that turned out to
// be legitimate.
func (s *Service) refundPublicClient(ctx context.Context, c Caller) {
	if c.Client.Public() {
		limit.RefundAll(ctx, s.cfg.Limiter, s.cfg.Log, s.publicBuckets(c)...)
	}
}

func (s *Service) publicBuckets(c Caller) []limit.Bucket {
	return limit.AddressBuckets("client.public", c.Actor.Addr(), s.cfg.Rates["public_client.ip"])
}

// loadCaller reads the client and its tenant, and first the client's document if its id is a
// URL.
func (s *Service) loadCaller(ctx context.Context, tenant auth.TenantID, id auth.ClientID, actor auth.Actor) (caller Caller, err error) {
	if err := s.refreshDocument(ctx, tenant, id, actor); err != nil {
		return Caller{}, err
	}
	err = s.cfg.DB.ReadOne(ctx, tenant, func(tx *store.Tx) error {
		v, err := tx.ClientAuthState(id)
		caller.Client, caller.Tenant = v.Client, v.Tenant
		return err
	})
	return caller, err
}

// checkCredentials compares the credentials with the registered ones.
func (s *Service) checkCredentials(ctx context.Context, r Request, c credentials, caller Caller) error {
	switch {
	case caller.Tenant.Disabled() || caller.Client.Disabled():
		return oauth.RefuseClient("the client or its tenant is disabled")
	case !caller.Client.AllowsAuth(c.method):
		return oauth.RefuseClient("the client is registered for another method")
	}
	switch c.method {
	case auth.AuthNone:
		return nil
	case auth.AuthSecretBasic, auth.AuthSecretPost:
		return matchSecret(caller.Client.Secrets, c.secret, s.cfg.Now())
	case auth.AuthPrivateKeyJWT:
		return s.checkAssertion(ctx, r, caller.Client, c.assertion)
	}
	return oauth.RefuseClient("unsupported authentication method")
}

// matchSecret compares the secret with every registered one, even after a match.
func matchSecret(secrets []auth.ClientSecret, presented string, now time.Time) error {
	digest, matched := secret.Digest(presented), false
	for _, registered := range secrets {
		if secret.Equal(registered.Digest, digest) && registered.Live(now) {
			matched = true
		}
	}
	if !matched {
		return oauth.RefuseClient("the secret is wrong or has expired")
	}
	return nil
}

// recordFailure counts and records a failed authentication, and returns the refusal. Mistakes in
// the form of the request do not count.
func (s *Service) recordFailure(ctx context.Context, r Request, id auth.ClientID, cause error) error {
	e, ok := errors.AsType[*oauth.Error](cause)
	if !ok || e.Code != oauth.InvalidClient {
		return cause
	}
	if id != "" {
		if _, err := limit.TakeAll(ctx, s.cfg.Limiter, limit.Bucket{Key: "client.credential|" + string(r.Tenant) + "|" + string(id), Rate: s.cfg.Rates["client.credential"]}); err != nil {
			return err
		}
	}
	actor := r.Actor
	if !strings.HasPrefix(string(id), SecretPrefix) {
		actor.Client = id
	}
	detail := map[string]string{"reason": e.Err.Error()}
	if claimed := claimedClient(r, id); claimed != "" {
		detail["client_id"] = claimed
	}
	err := s.cfg.DB.RecordLater(ctx, r.Tenant, auth.Event{Kind: auth.EventClientRefused, Outcome: auth.Failure, Actor: actor, Detail: detail})
	if err != nil {
		return fmt.Errorf("record refused client: %w", err)
	}
	return cause
}
