package oidc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
)

// Proof of possession (RFC 9449). What a proof has to say is checked by guard, for us
// as for every API; that it works once is seen to here, in the database, on whichever
// node it is shown.

// possession is a request in which a key may be proved.
type possession struct {
	tenant      auth.TenantID
	proofs      []string // the values of the DPoP header
	method, url string
	access      string // the token beside the proof; empty where there is none
}

// proof checks and spends the proof of a request. It returns the thumbprint of the
// proved key, and nothing when there is no proof. Refusals are *Error with
// InvalidProof or UseNonce.
func (s *Service) proof(ctx context.Context, r Request) (jkt string, err error) {
	p, err := s.checkProof(r)
	if err != nil || p.JKT == "" {
		return "", err
	}
	return p.JKT, s.spendProof(ctx, r.Tenant, p)
}

// checkProof checks the proof of a request and spends nothing. The zero Proof means that
// there is none. Refusals are those of proof.
func (s *Service) checkProof(r Request) (guard.Proof, error) {
	if len(r.Proof) == 0 {
		return guard.Proof{}, nil
	}
	return s.possess(possession{tenant: r.Tenant, proofs: r.Proof, method: r.Method, url: r.URL})
}

// demandNonce refuses a request whose proof lacks a good nonce where one is asked for.
// What else is wrong with a proof is found where its key counts.
func (s *Service) demandNonce(r Request) error {
	if !s.cfg.DPoPNonce {
		return nil
	}
	_, err := s.checkProof(r)
	if e, ok := errors.AsType[*Error](err); ok && e.Code == UseNonce {
		return e
	}
	return nil
}

// possess checks a proof and spends nothing.
func (s *Service) possess(p possession) (guard.Proof, error) {
	rules := guard.ProofRules{Method: p.method, URL: p.url, AccessToken: p.access, Now: s.cfg.Now()}
	if s.cfg.DPoPNonce {
		nonces := s.nonces(p.tenant)
		rules.Nonce = func(nonce string) bool { return nonces.Valid(nonce, rules.Now) }
	}
	proof, err := guard.CheckProof(p.proofs, rules)
	if e, ok := errors.AsType[*guard.ProofError](err); ok {
		if e.Code == guard.UseNonce {
			return proof, &Error{Code: UseNonce, Desc: "repeat the request with the nonce of the DPoP-Nonce header in the proof", Err: e.Err, Nonce: true}
		}
		return proof, refuseProof(e.Err)
	}
	return proof, err
}

// VerifyBound is token.Service.Verify for a token of the scheme DPoP: it is bound to a
// key, and the request proves that key. Refusals of the proof are *Error with that
// Scheme; of the form of the request nothing is looked at.
func (s *Service) VerifyBound(ctx context.Context, r Request, raw string) (*guard.Claims, error) {
	v, err := s.cfg.Tokens.Introspect(ctx, r.Tenant, raw, r.Tenant.Issuer(s.cfg.Base))
	if err != nil {
		return nil, err
	}
	if v.JKT == "" {
		return nil, refuseToken(InvalidToken, token.TypeDPoP, "the access token is not bound to a key")
	}
	err = s.holds(ctx, v.JKT, possession{tenant: r.Tenant, proofs: r.Proof, method: r.Method, url: r.URL, access: raw})
	if err != nil {
		return nil, err
	}
	return token.RestrictToFirstParty(v)
}

// holds makes sure that the request of a protected resource proves the key of its
// token.
func (s *Service) holds(ctx context.Context, jkt string, p possession) error {
	proved, err := s.possess(p)
	if err == nil && proved.JKT != jkt { // a proof by another key leaves no row
		return refuseToken(InvalidToken, token.TypeDPoP, "the access token is bound to another key")
	}
	if err == nil {
		err = s.spendProof(ctx, p.tenant, proved)
	}
	if e, ok := errors.AsType[*Error](err); ok {
		e.Scheme = token.TypeDPoP
		return e
	}
	if err != nil {
		return fmt.Errorf("check proof: %w", err)
	}
	return nil
}

// spendProof makes sure that it is the first time.
func (s *Service) spendProof(ctx context.Context, tenant auth.TenantID, p guard.Proof) error {
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		return tx.InsertSingleUse(auth.SingleUse{Kind: auth.UseProof, Digest: secret.Digest(p.JKT + "\x00" + p.JTI), Data: "{}",
			CreatedAt: tx.Now, UsedAt: tx.Now, ExpiresAt: p.ExpiresAt.Add(clockSpread)})
	})
	switch {
	case errors.Is(err, auth.ErrConflict):
		return refuseProof(errors.New("the proof was used before"))
	case err != nil:
		return fmt.Errorf("spend proof: %w", err)
	}
	return nil
}

// spendCounted spends the proof of a request for tokens, if there is one. Each proof leaves a
// row, and a public client has proved nothing before its grant: it is counted as in admit.
// settle gives the token back; call it when the grant was good.
func (s *Service) spendCounted(ctx context.Context, c Caller, p guard.Proof) (settle func(), err error) {
	if p.JKT == "" {
		return func() {}, nil
	}
	if err := s.admit(ctx, c); err != nil {
		return nil, err
	}
	return func() { s.readmit(ctx, c) }, s.spendProof(ctx, c.Tenant.ID, p)
}

// clockSpread is by how much the clocks of our nodes may differ.
const clockSpread = time.Minute

// Nonce is the nonce that clients of the tenant shall put into their next proof; empty
// when none are asked for.
func (s *Service) Nonce(tenant auth.TenantID) string {
	if !s.cfg.DPoPNonce {
		return ""
	}
	return s.nonces(tenant).At(s.cfg.Now())
}

func (s *Service) nonces(tenant auth.TenantID) guard.Nonces {
	return guard.NewNonces(secret.Derive(s.cfg.Root, "dpop nonce "+string(tenant)))
}

// refuseProof is the one refusal of a proof; why is for the log.
func refuseProof(why error) error {
	return &Error{Code: InvalidProof, Desc: "the DPoP proof is not valid for this request", Err: why}
}
