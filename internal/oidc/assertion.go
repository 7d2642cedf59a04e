package oidc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// Client assertions (RFC 7523 §3, and the rule of its successor that the audience is
// the issuer): a JWT that the client signs with its own key, for one use.

// AssertionAlgorithms may sign client assertions.
var AssertionAlgorithms = []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.PS256, jose.EdDSA}

const (
	maxAssertion     = 8 << 10
	maxAssertionLife = 5 * time.Minute  // from now to exp
	assertionSkew    = time.Minute      // how far the client's clock may be ahead
	maxJTI           = 256              // bytes
	oldestAssertion  = 10 * time.Minute // since iat
)

// assertionClaims are what we look at.
type assertionClaims struct {
	Issuer    string           `json:"iss"`
	Subject   string           `json:"sub"`
	Audience  jwt.Audience     `json:"aud"`
	ID        string           `json:"jti"`
	Expiry    *jwt.NumericDate `json:"exp"`
	NotBefore *jwt.NumericDate `json:"nbf"`
	IssuedAt  *jwt.NumericDate `json:"iat"`
}

// claimedSubject reads who an assertion says it is of. Nothing is proved by that: it
// tells whose keys to try.
func claimedSubject(raw string) (auth.ClientID, bool) {
	parsed, err := parseAssertion(raw)
	if err != nil {
		return "", false
	}
	var c assertionClaims
	if err := parsed.UnsafeClaimsWithoutVerification(&c); err != nil || c.Subject == "" {
		return "", false
	}
	return auth.ClientID(c.Subject), true
}

func parseAssertion(raw string) (*jwt.JSONWebToken, error) {
	if len(raw) > maxAssertion {
		return nil, errors.New("the assertion is too long")
	}
	return jwt.ParseSigned(raw, AssertionAlgorithms)
}

// checkAssertion verifies an assertion with the client's registered keys and spends
// it.
func (s *Service) checkAssertion(ctx context.Context, tenant auth.TenantID, c auth.Client, raw string) error {
	claims, err := s.verifyAssertion(ctx, c, raw)
	if err == nil {
		err = s.judgeAssertion(tenant, c, claims)
	}
	if err != nil {
		return notProved(err.Error())
	}
	return s.spendAssertion(ctx, tenant, c.ID, claims)
}

// verifyAssertion tries the keys that the header can mean. Keys and addresses that
// the header itself brings (jwk, jku, x5u) are never looked at (RFC 8725 §3.10).
func (s *Service) verifyAssertion(ctx context.Context, c auth.Client, raw string) (assertionClaims, error) {
	var claims assertionClaims
	parsed, err := parseAssertion(raw)
	if err != nil {
		return claims, errors.New("the assertion cannot be read, or its algorithm is not taken")
	}
	if len(parsed.Headers) != 1 {
		return claims, errors.New("the assertion has not one signature")
	}
	h := parsed.Headers[0]
	if typ, _ := h.ExtraHeaders[jose.HeaderType].(string); !assertionTyp(typ) {
		return claims, errors.New("the assertion has the typ of something else")
	}
	if want := c.Settings.AuthAlgorithm; want != "" && want != h.Algorithm || tooOld(c, h.Algorithm) {
		return claims, errors.New("the client is registered for another algorithm")
	}
	keys, err := s.clientKeys(ctx, c, h.KeyID)
	if err != nil {
		return claims, fmt.Errorf("the client has no usable keys: %w", err)
	}
	for _, k := range keys {
		if !fits(k, h.Algorithm, h.KeyID) {
			continue
		}
		if parsed.Claims(k.Key, &claims) == nil {
			return claims, nil
		}
		claims = assertionClaims{}
	}
	return claims, errors.New("no registered key has signed the assertion")
}

// assertionTyp keeps other JWTs that the client signs from passing for assertions,
// where they say what they are (RFC 8725 §3.11).
func assertionTyp(typ string) bool {
	switch strings.ToLower(typ) {
	case "", "jwt", "client-authentication+jwt":
		return true
	}
	return false
}

// tooOld reports whether the client may not sign with the algorithm any more (FAPI 2.0
// Security Profile §5.4.1).
func tooOld(c auth.Client, alg string) bool { return c.Strict() && alg == string(jose.RS256) }

func (s *Service) judgeAssertion(tenant auth.TenantID, client auth.Client, c assertionClaims) error {
	now, id := s.cfg.Now(), string(client.ID)
	switch {
	case c.Issuer != id || c.Subject != id:
		return errors.New("iss and sub are not the client")
	case len(c.Audience) != 1 || !slices.Contains(s.assertionAudiences(tenant, client), c.Audience[0]):
		return errors.New("aud is not this issuer alone")
	case c.ID == "" || len(c.ID) > maxJTI:
		return errors.New("jti is missing or too long")
	case c.Expiry == nil || !now.Before(c.Expiry.Time()):
		return errors.New("exp is missing or over")
	case c.Expiry.Time().After(now.Add(maxAssertionLife + assertionSkew)):
		return errors.New("exp is too far away")
	case c.NotBefore != nil && c.NotBefore.Time().After(now.Add(assertionSkew)):
		return errors.New("nbf is not yet")
	case c.IssuedAt != nil && c.IssuedAt.Time().After(now.Add(assertionSkew)):
		return errors.New("iat is not yet")
	case c.IssuedAt != nil && c.IssuedAt.Time().Before(now.Add(-oldestAssertion)):
		return errors.New("iat is long ago")
	}
	return nil
}

func (s *Service) assertionAudiences(tenant auth.TenantID, c auth.Client) []string {
	issuer := tenant.Issuer(s.cfg.Base)
	if s.cfg.EndpointAudience && !c.Strict() {
		return []string{issuer, issuer + TokenPath}
	}
	return []string{issuer}
}

// spendAssertion makes sure that it is the first time, on whichever node.
func (s *Service) spendAssertion(ctx context.Context, tenant auth.TenantID, id auth.ClientID, c assertionClaims) error {
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		return tx.InsertSingleUse(auth.SingleUse{Kind: auth.UseAssertion, Digest: secret.Digest(string(id) + "\x00" + c.ID), Client: id, Data: "{}",
			CreatedAt: tx.Now, UsedAt: tx.Now, ExpiresAt: c.Expiry.Time()})
	})
	switch {
	case errors.Is(err, auth.ErrConflict):
		return notProved("the assertion was used before")
	case err != nil:
		return fmt.Errorf("spend client assertion: %w", err)
	}
	return nil
}
