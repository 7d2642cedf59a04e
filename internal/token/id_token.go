package token

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/secret"
)

// idTyp marks ID Tokens and other JWTs without a type of their own.
const idTyp = "JWT"

// idTokenRequest is what an ID Token says beyond its grant.
type idTokenRequest struct {
	algorithm string
	account   auth.Account
	request   auth.IDTokenRequest
	scope     auth.Scope     // whose claims are told as well
	session   auth.SessionID // of the client that is notified when it ends; empty for other sessions
}

// ClaimsOfScope is the value of auth.ClientSettings.IDTokenClaims for the claims of the
// granted scopes.
const ClaimsOfScope = "scope"

// IDTokenAlgorithm signs a client's ID Tokens: RS256 unless it is set to another
// (OpenID Connect Registration §2).
func IDTokenAlgorithm(c auth.Client) string { return cmp.Or(c.Settings.IDTokenAlgorithm, keys.RS256) }

// requestIDToken asks for an ID Token, if the scope has openid (OpenID Connect Core
// §3.1.2.1). The account is the one of the grant.
func (d *Draft) requestIDToken(c auth.Client, a auth.Account, asked *auth.IDTokenRequest) {
	if asked != nil && d.grant.Scope.Has(auth.ScopeOpenID) {
		d.id = &idTokenRequest{algorithm: IDTokenAlgorithm(c), account: a, request: *asked}
		d.id.request.Claims = c.AllowedClaims(asked.Claims) // it was asked a while ago
		if c.Settings.IDTokenClaims == ClaimsOfScope {
			d.id.scope = d.grant.Scope
		}
		if c.Settings.BackchannelURI != "" {
			d.id.session = d.grant.Session
		}
	}
}

// EnsureIDTokenKey makes the key that a client's ID Tokens are signed with, where the tenant has
// none of the kind yet. It is asked when a client is made, so that the key is published
// before it is needed, and before anything is spent for which a signature has to be
// given; then it costs a look at memory. A client that never acts for a person needs
// none.
func (s *Service) EnsureIDTokenKey(ctx context.Context, tenant auth.TenantID, c auth.Client) error {
	if !c.Allows(auth.GrantAuthorizationCode) && !c.Allows(auth.GrantDeviceCode) {
		return nil
	}
	alg := IDTokenAlgorithm(c)
	if err := s.keys.Ensure(ctx, tenant, alg); err != nil {
		return wrapInternal("make a "+alg+" key", err)
	}
	if err := s.keys.CheckUsable(ctx, tenant); err != nil {
		return wrapInternal("open the signing keys", err)
	}
	return nil
}

// signIDToken mints the ID Token that goes with an access token (OpenID Connect Core
// §2, §3.1.3.6). It lives as long as the access token. auth_time, acr and amr are
// those of the sign-in, however often it was refreshed (§12.2).
func (s *Service) signIDToken(ctx context.Context, d Draft, access string, now time.Time) (string, error) {
	g, id := d.grant, d.id
	b := make([]byte, 0, 640)
	b = appendMember(b, `{"iss":`, d.tenant.Issuer(s.base))
	b = appendMember(b, `,"sub":`, subject(g))
	b = appendMember(b, `,"aud":`, string(g.Client))
	b = appendNumber(b, `,"exp":`, now.Unix()+int64(d.access/time.Second))
	b = appendNumber(b, `,"iat":`, now.Unix())
	if !g.AuthAt.IsZero() {
		b = appendNumber(b, `,"auth_time":`, g.AuthAt.Unix())
	}
	b = appendOptional(b, `,"nonce":`, id.request.Nonce)
	b = appendOptional(b, `,"acr":`, g.ACR)
	if len(g.AMR) > 0 {
		b = appendList(b, `,"amr":`, g.AMR)
	}
	b = appendOptional(b, `,"sid":`, string(id.session))
	b = appendMember(b, `,"at_hash":`, atHash(id.algorithm, access))
	b = appendPersonClaims(b, id.account, id.scope, id.request.Claims)
	out, err := s.keys.Sign(ctx, d.tenant, id.algorithm, idTyp, append(b, '}'))
	if err != nil {
		return "", fmt.Errorf("sign ID Token: %w", err)
	}
	return out, nil
}

// atHash is at_hash: the left half of the digest that belongs to the algorithm.
// Ed25519 hashes with SHA-512.
func atHash(alg, access string) string {
	if alg == keys.EdDSA {
		sum := sha512.Sum512([]byte(access))
		return secret.Encode(sum[:32])
	}
	sum := sha256.Sum256([]byte(access))
	return secret.Encode(sum[:16])
}
