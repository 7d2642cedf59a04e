package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// Client assertions (RFC 7523 §3, and the rule of its successor that the audience is
// the issuer): a JWT that the client signs with its own key, for one use.

const (
	maxAssertionLife = 5 * time.Minute  // from now to exp
	assertionSkew    = time.Minute      // how far the client's clock may be ahead
	maxJTI           = 256              // bytes
	oldestAssertion  = 10 * time.Minute // since iat
)

// assertionClaims are the claims that are checked.
type assertionClaims struct {
	Issuer    string           `json:"iss"`
	Subject   string           `json:"sub"`
	Audience  jwt.Audience     `json:"aud"`
	ID        string           `json:"jti"`
	Expiry    *jwt.NumericDate `json:"exp"`
	NotBefore *jwt.NumericDate `json:"nbf"`
	IssuedAt  *jwt.NumericDate `json:"iat"`
}

// claimedSubject reads the unverified subject of an assertion. It proves nothing: it
// names the client whose keys are tried.
func claimedSubject(raw string) (auth.ClientID, bool) {
	parsed, err := assertions.parse(raw)
	if err != nil {
		return "", false
	}
	var c assertionClaims
	if err := parsed.UnsafeClaimsWithoutVerification(&c); err != nil || c.Subject == "" {
		return "", false
	}
	return auth.ClientID(c.Subject), true
}

// checkAssertion verifies an assertion with the client's registered keys and consumes
// it. A DPoP proof that lacks a required nonce is refused first: the client repeats the
// request as it is, with the nonce.
func (s *Service) checkAssertion(ctx context.Context, r Request, c auth.Client, raw string) error {
	var claims assertionClaims
	err := s.verify(ctx, assertions, c, raw, &claims)
	if err == nil {
		err = s.checkAssertionClaims(r.Tenant, c, claims)
	}
	if err != nil {
		return oauth.RefuseClient(err.Error())
	}
	if err := s.requireNonce(r); err != nil {
		return err
	}
	return s.consumeAssertion(ctx, r.Tenant, c.ID, claims)
}

func (s *Service) checkAssertionClaims(tenant auth.TenantID, client auth.Client, c assertionClaims) error {
	now, id := s.cfg.Now(), string(client.ID)
	switch {
	case c.Issuer != id || c.Subject != id:
		return errors.New("iss and sub are not the client")
	case len(c.Audience) != 1 || !slices.Contains(s.assertionAudiences(tenant, client), c.Audience[0]):
		return errors.New("aud is not exactly this issuer")
	case c.ID == "" || len(c.ID) > maxJTI:
		return errors.New("jti is missing or too long")
	case c.Expiry == nil || !now.Before(c.Expiry.Time()):
		return errors.New("exp is missing or in the past")
	case c.Expiry.Time().After(now.Add(maxAssertionLife + assertionSkew)):
		return errors.New("exp is too far away")
	case c.NotBefore != nil && c.NotBefore.Time().After(now.Add(assertionSkew)):
		return errors.New("nbf is in the future")
	case c.IssuedAt != nil && c.IssuedAt.Time().After(now.Add(assertionSkew)):
		return errors.New("iat is in the future")
	case c.IssuedAt != nil && c.IssuedAt.Time().Before(now.Add(-oldestAssertion)):
		return errors.New("iat is too old")
	}
	return nil
}

func (s *Service) assertionAudiences(tenant auth.TenantID, c auth.Client) []string {
	issuer := tenant.Issuer(s.cfg.Base)
	if s.cfg.EndpointAudience && !c.Strict() {
		return []string{issuer, issuer + oauth.TokenPath}
	}
	return []string{issuer}
}

// consumeAssertion makes sure that an assertion is used once, on all nodes.
func (s *Service) consumeAssertion(ctx context.Context, tenant auth.TenantID, id auth.ClientID, c assertionClaims) error {
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		return tx.InsertSingleUse(auth.SingleUse{Kind: auth.UseAssertion, Digest: secret.Digest(string(id) + "\x00" + c.ID), Client: id, Data: "{}",
			CreatedAt: tx.Now, UsedAt: tx.Now, ExpiresAt: c.Expiry.Time()})
	})
	switch {
	case errors.Is(err, auth.ErrConflict):
		return oauth.RefuseClient("the assertion was used before")
	case err != nil:
		return fmt.Errorf("consume client assertion: %w", err)
	}
	return nil
}
