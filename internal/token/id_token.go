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

// idTokenType is the typ header of ID Tokens and of other JWTs without a type of their own.
const idTokenType = "JWT"

// idTokenRequest is what an ID Token needs in addition to its grant.
type idTokenRequest struct {
	algorithm string
	account   auth.Account
	request   auth.IDTokenRequest
	scope     auth.Scope     // whose claims are included
	session   auth.SessionID // the sid, for a client with a back-channel logout URI; else empty
}

// ClaimsOfScope is the value of auth.ClientSettings.IDTokenClaims that includes the claims of the
// granted scopes.
const ClaimsOfScope = "scope"

// IDTokenAlgorithm returns the algorithm of a client's ID Tokens: RS256 unless it is set (OpenID
// Connect Registration §2).
func IDTokenAlgorithm(c auth.Client) string { return cmp.Or(c.Settings.IDTokenAlgorithm, keys.RS256) }

// requestIDToken adds an ID Token to the draft, if the scope has openid (OpenID Connect Core
// §3.1.2.1). The account is that of the grant.
func (d *Draft) requestIDToken(c auth.Client, a auth.Account, request *auth.IDTokenRequest) {
	if request != nil && d.grant.Scope.Has(auth.ScopeOpenID) {
		d.id = &idTokenRequest{algorithm: IDTokenAlgorithm(c), account: a, request: *request}
		d.id.request.Claims = c.AllowedClaims(request.Claims) // the client's scope may have changed since
		if c.Settings.IDTokenClaims == ClaimsOfScope {
			d.id.scope = d.grant.Scope
		}
		if c.Settings.BackchannelURI != "" {
			d.id.session = d.grant.Session
		}
	}
}

// EnsureIDTokenKey creates the key that signs a client's ID Tokens, if the tenant has none. It is
// called when a client is created, so that the key is published before it is needed, and before
// anything is consumed whose redemption needs a signature; then it reads only memory.
func (s *Service) EnsureIDTokenKey(ctx context.Context, tenant auth.TenantID, c auth.Client) error {
	alg := IDTokenAlgorithm(c)
	if err := s.keys.Ensure(ctx, tenant, alg); err != nil {
		return wrapInternal("create a "+alg+" key", err)
	}
	if err := s.keys.CheckUsable(ctx, tenant); err != nil {
		return wrapInternal("open the signing keys", err)
	}
	return nil
}

// signIDToken signs the ID Token of an access token (OpenID Connect Core §2, §3.1.3.6). It has
// the lifetime of the access token. auth_time, acr and amr are those of the sign-in, also after
// refreshes (§12.2).
func (s *Service) signIDToken(ctx context.Context, d Draft, access string, now time.Time) (string, error) {
	g, id := d.grant, d.id
	b := make([]byte, 0, 640)
	b = appendMember(b, `{"iss":`, d.tenant.Issuer(s.base))
	b = appendMember(b, `,"sub":`, subjectOf(g))
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
	b = userClaims{issuer: d.tenant.Issuer(s.base), account: id.account, scope: id.scope, names: id.request.Claims}.append(b)
	out, err := s.keys.Sign(ctx, d.tenant, id.algorithm, idTokenType, append(b, '}'))
	if err != nil {
		return "", fmt.Errorf("sign ID Token: %w", err)
	}
	return out, nil
}

// atHash returns at_hash: the left half of the digest that belongs to the algorithm. Ed25519 uses
// SHA-512.
func atHash(alg, access string) string {
	if alg == keys.EdDSA {
		sum := sha512.Sum512([]byte(access))
		return secret.Encode(sum[:32])
	}
	sum := sha256.Sum256([]byte(access))
	return secret.Encode(sum[:16])
}
