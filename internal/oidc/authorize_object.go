package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oauth"
)

// Request objects (RFC 9101, OpenID Connect Core §6): the parameters of a request in a
// JWT that the client has signed. Those inside count, and no others (RFC 9101 §5).

const (
	objectSkew = time.Minute
	// objectLife is how long after nbf an object of a strict client may be used, and
	// expire, at most (FAPI 2.0 Message Signing §5.3.1).
	objectLife = time.Hour
)

// objectClaims are what a request object says of itself.
type objectClaims struct {
	Issuer    string           `json:"iss"`
	Subject   string           `json:"sub"`
	Audience  jwt.Audience     `json:"aud"`
	Expiry    *jwt.NumericDate `json:"exp"`
	NotBefore *jwt.NumericDate `json:"nbf"`
	IssuedAt  *jwt.NumericDate `json:"iat"`
}

// fetchObject gets the request object at an address. Only addresses that the client has
// registered are asked, so that nobody makes us ask any other (RFC 9101 §10.4).
func (s *Service) fetchObject(ctx context.Context, c auth.Client, uri string) (string, error) {
	if !slices.ContainsFunc(c.Settings.RequestURIs, func(kept string) bool { return sameObject(kept, uri) }) {
		return "", oauth.Refuse(oauth.InvalidRequestURI, "this request_uri is neither pushed nor registered")
	}
	address, _, _ := strings.Cut(uri, "#")
	answer, err := s.cfg.Out.Get(ctx, address)
	switch {
	case err != nil:
		return "", &oauth.Error{Code: oauth.InvalidRequestURI, Desc: "what is at request_uri could not be fetched", Err: err}
	case answer.Status != 200 || len(answer.Body) > client.MaxRequestObject:
		return "", &oauth.Error{Code: oauth.InvalidRequestURI, Desc: "there is no request object at request_uri", Err: fmt.Errorf("status %d, %d bytes", answer.Status, len(answer.Body))}
	}
	return strings.TrimSpace(string(answer.Body)), nil
}

// sameObject compares addresses. The fragment may be a hash of what is there, which
// changes with it (OpenID Connect Registration §2).
func sameObject(kept, asked string) bool {
	k, _, _ := strings.Cut(kept, "#")
	a, _, _ := strings.Cut(asked, "#")
	return k == a
}

// openObject verifies a request object and puts what it holds in the place of the
// form's parameters. Until it is verified, refusals go where the form says; from then
// on, where the object says.
func (s *Service) openObject(ctx context.Context, q *asked, raw string) error {
	var payload json.RawMessage
	if err := s.cfg.Clients.VerifyRequestObject(ctx, q.client, raw, &payload); err != nil {
		return &oauth.Error{Code: oauth.InvalidRequestObject, Desc: "the request object is not signed by a key of this client", Err: err}
	}
	if err := s.judgeObject(q, payload); err != nil {
		return &oauth.Error{Code: oauth.InvalidRequestObject, Desc: err.Error()}
	}
	inner, err := oauth.ParseObject(payload)
	if err != nil {
		return &oauth.Error{Code: oauth.InvalidRequestObject, Desc: "the parameters in the request object cannot be read", Err: err}
	}
	q.form = inner
	deliver(q)
	switch {
	case inner.Get("request") != "" || inner.Get("request_uri") != "":
		return oauth.Refuse(oauth.InvalidRequestObject, "a request object holds no other")
	case inner.Get("client_id") != string(q.client.ID):
		return oauth.Refuse(oauth.InvalidRequestObject, "client_id inside the request object is not the one outside")
	}
	return nil
}

// judgeObject checks what the object says of itself, as far as it says it.
func (s *Service) judgeObject(q *asked, payload []byte) error {
	var c objectClaims
	if json.Unmarshal(payload, &c) != nil {
		return errors.New("the request object is not a JSON object of the right form")
	}
	now, id := s.cfg.Now(), string(q.client.ID)
	switch {
	case c.Issuer != "" && c.Issuer != id:
		return errors.New("iss of the request object is not the client")
	case c.Subject == id: // it could pass for a client assertion, or is one (RFC 9101 §10.8)
		return errors.New("a request object has no sub that is the client")
	case len(c.Audience) > 0 && !slices.Contains(c.Audience, q.tenant.ID.Issuer(s.cfg.Base)):
		return errors.New("aud of the request object is not this issuer")
	case c.Expiry != nil && !now.Before(c.Expiry.Time()):
		return errors.New("the request object has expired")
	case c.NotBefore != nil && c.NotBefore.Time().After(now.Add(objectSkew)):
		return errors.New("the request object is not valid yet")
	case c.IssuedAt != nil && c.IssuedAt.Time().After(now.Add(objectSkew)):
		return errors.New("the request object is from the future")
	case q.client.Strict():
		return judgeStrictObject(c, now)
	}
	return nil
}

// judgeStrictObject checks what FAPI 2.0 Message Signing asks beyond that (§5.3.1).
func judgeStrictObject(c objectClaims, now time.Time) error {
	switch {
	case len(c.Audience) == 0:
		return errors.New("aud of the request object is missing; it is this issuer")
	case c.Expiry == nil || c.NotBefore == nil:
		return errors.New("the request object needs exp and nbf")
	case now.Sub(c.NotBefore.Time()) > objectLife:
		return errors.New("nbf of the request object is more than an hour ago")
	case c.Expiry.Time().Sub(c.NotBefore.Time()) > objectLife:
		return errors.New("exp of the request object is more than an hour after nbf")
	}
	return nil
}
