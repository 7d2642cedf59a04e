package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
)

// Proof of possession (RFC 9449). The package guard checks a proof's claims, as it does in every API.
// This file ensures in the database, for all nodes, that a proof is used once.

// ProofInput is a request in which the possession of a key may be proved.
type ProofInput struct {
	Tenant      auth.TenantID
	Proofs      []string // the values of the DPoP header
	Method, URL string
	AccessToken string // the token beside the proof; empty where there is none
}

// Proof checks and consumes the proof of a request. It returns the thumbprint of the key, or an
// empty string without a proof. Refusals are *oauth.Error with InvalidProof or UseNonce.
func (s *Service) Proof(ctx context.Context, r Request) (jkt string, err error) {
	p, err := s.CheckProof(r)
	if err != nil || p.JKT == "" {
		return "", err
	}
	return p.JKT, s.insertProof(ctx, r.Tenant, p)
}

// CheckProof checks the proof of a request and consumes nothing. It returns the zero Proof when
// there is none. Refusals are those of Proof.
func (s *Service) CheckProof(r Request) (guard.Proof, error) {
	if len(r.Proof) == 0 {
		return guard.Proof{}, nil
	}
	return s.verifyProof(ProofInput{Tenant: r.Tenant, Proofs: r.Proof, Method: r.Method, URL: r.URL})
}

// requireNonce refuses a request whose proof lacks a valid nonce where one is required. Other
// faults of a proof are refused later, where its key is needed.
func (s *Service) requireNonce(r Request) error {
	if !s.cfg.DPoPNonce {
		return nil
	}
	_, err := s.CheckProof(r)
	if e, ok := errors.AsType[*oauth.Error](err); ok && e.Code == oauth.UseNonce {
		return e
	}
	return nil
}

// verifyProof checks a proof and consumes nothing.
func (s *Service) verifyProof(p ProofInput) (guard.Proof, error) {
	rules := guard.ProofRules{Method: p.Method, URL: p.URL, AccessToken: p.AccessToken, Now: s.cfg.Now()}
	if s.cfg.DPoPNonce {
		nonces := s.nonces(p.Tenant)
		rules.Nonce = func(nonce string) bool { return nonces.Valid(nonce, rules.Now) }
	}
	proof, err := guard.CheckProof(p.Proofs, rules)
	if e, ok := errors.AsType[*guard.ProofError](err); ok {
		if e.Code == guard.UseNonce {
			return proof, &oauth.Error{Code: oauth.UseNonce, Desc: "repeat the request with the nonce of the DPoP-Nonce header in the proof", Err: e.Err, Nonce: true}
		}
		return proof, refuseProof(e.Err)
	}
	return proof, err
}

// VerifyBound is token.Service.Verify for a token of the scheme DPoP. The token must be bound to a
// key that the request proves. Refusals of the proof are *oauth.Error with that Scheme. The form of
// the request is not read.
func (s *Service) VerifyBound(ctx context.Context, r Request, raw string) (*guard.Claims, error) {
	v, err := s.cfg.Tokens.Introspect(ctx, r.Tenant, raw, r.Tenant.Issuer(s.cfg.Base))
	if err != nil {
		return nil, err
	}
	if v.JKT == "" {
		return nil, oauth.RefuseToken(oauth.InvalidToken, token.TypeDPoP, "the access token is not bound to a key")
	}
	err = s.RequireKey(ctx, v.JKT, ProofInput{Tenant: r.Tenant, Proofs: r.Proof, Method: r.Method, URL: r.URL, AccessToken: raw})
	if err != nil {
		return nil, err
	}
	return token.RestrictToFirstParty(v)
}

// RequireKey requires the request of a protected resource to prove the key of its token, and
// consumes the proof. Refusals are *oauth.Error with the Scheme DPoP.
func (s *Service) RequireKey(ctx context.Context, jkt string, p ProofInput) error {
	proved, err := s.verifyProof(p)
	if err == nil && proved.JKT != jkt { // a proof by another key is not stored
		return oauth.RefuseToken(oauth.InvalidToken, token.TypeDPoP, "the access token is bound to another key")
	}
	if err == nil {
		err = s.insertProof(ctx, p.Tenant, proved)
	}
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		e.Scheme = token.TypeDPoP
		return e
	}
	if err != nil {
		return fmt.Errorf("check proof: %w", err)
	}
	return nil
}

// insertProof ensures that a proof is used once, by a row with its digest.
func (s *Service) insertProof(ctx context.Context, tenant auth.TenantID, p guard.Proof) error {
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		return tx.InsertSingleUse(auth.SingleUse{Kind: auth.UseProof, Digest: secret.Digest(p.JKT + "\x00" + p.JTI), Data: "{}",
			CreatedAt: tx.Now, UsedAt: tx.Now, ExpiresAt: p.ExpiresAt.Add(clockSpread)})
	})
	switch {
	case errors.Is(err, auth.ErrConflict):
		return refuseProof(errors.New("the proof was used before"))
	case err != nil:
		return fmt.Errorf("consume proof: %w", err)
	}
	return nil
}

// ConsumeProof consumes the proof of a token request, if there is one. Each proof writes a row
// and a public client is unauthenticated before its grant, so LimitPublicClient counts it.
// refund gives the count back; call it when the grant succeeded.
func (s *Service) ConsumeProof(ctx context.Context, c Caller, p guard.Proof) (refund func(), err error) {
	if p.JKT == "" {
		return func() {}, nil
	}
	if err := s.LimitPublicClient(ctx, c); err != nil {
		return nil, err
	}
	return func() { s.refundPublicClient(ctx, c) }, s.insertProof(ctx, c.Tenant.ID, p)
}

// clockSpread is the maximum difference between the clocks of the nodes.
const clockSpread = time.Minute

// Nonce returns the nonce for the next proof of the tenant's clients; empty when none is required.
func (s *Service) Nonce(tenant auth.TenantID) string {
	if !s.cfg.DPoPNonce {
		return ""
	}
	return s.nonces(tenant).At(s.cfg.Now())
}

func (s *Service) nonces(tenant auth.TenantID) guard.Nonces {
	return guard.NewNonces(secret.Derive(s.cfg.Root, "dpop nonce "+string(tenant)))
}

// refuseProof is the one refusal of a proof; the reason is only logged.
func refuseProof(reason error) error {
	return &oauth.Error{Code: oauth.InvalidProof, Desc: "the DPoP proof is not valid for this request", Err: reason}
}
