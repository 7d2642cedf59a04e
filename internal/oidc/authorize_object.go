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

// A request object is a JWT, signed by the client, that holds the parameters of a request (RFC 9101,
// OpenID Connect Core §6). Parameters outside of it are ignored (RFC 9101 §5).

const (
	objectSkew = time.Minute
	// maxObjectLifetime is the longest time after nbf at which an object of a strict client may be used
	// or expire (FAPI 2.0 Message Signing §5.3.1).
	maxObjectLifetime = time.Hour
)

// objectClaims are the registered claims of a request object.
type objectClaims struct {
	Issuer    string           `json:"iss"`
	Subject   string           `json:"sub"`
	Audience  jwt.Audience     `json:"aud"`
	Expiry    *jwt.NumericDate `json:"exp"`
	NotBefore *jwt.NumericDate `json:"nbf"`
	IssuedAt  *jwt.NumericDate `json:"iat"`
}

// fetchObject fetches the request object at a request_uri. Only registered addresses are fetched, so
// that a request cannot make the server fetch any other (RFC 9101 §10.4).
func (s *Service) fetchObject(ctx context.Context, c auth.Client, uri string) (string, error) {
	if !slices.ContainsFunc(c.Settings.RequestURIs, func(registered string) bool { return sameObjectURI(registered, uri) }) {
		return "", oauth.Refuse(oauth.InvalidRequestURI, "request_uri: a pushed or registered one")
	}
	address, _, _ := strings.Cut(uri, "#")
	response, err := s.cfg.Out.Get(ctx, address)
	switch {
	case err != nil:
		return "", &oauth.Error{Code: oauth.InvalidRequestURI, Desc: "request_uri: the request object could not be fetched", Err: err}
	case response.Status != 200 || len(response.Body) > client.MaxRequestObject:
		return "", &oauth.Error{Code: oauth.InvalidRequestURI, Desc: "request_uri: no request object found", Err: fmt.Errorf("status %d, %d bytes", response.Status, len(response.Body))}
	}
	return strings.TrimSpace(string(response.Body)), nil
}

// sameObjectURI compares request_uris without their fragments. A fragment may be a hash of the
// object, which changes with it (OpenID Connect Registration §2).
func sameObjectURI(registered, sent string) bool {
	r, _, _ := strings.Cut(registered, "#")
	s, _, _ := strings.Cut(sent, "#")
	return r == s
}

// openObject verifies a request object and replaces the form's parameters with its own. Refusals go
// to the form's redirect_uri until the object is verified, and to that of the object afterwards.
func (s *Service) openObject(ctx context.Context, req *authorizeRequest, raw string) error {
	var payload json.RawMessage
	if err := s.cfg.Clients.VerifyRequestObject(ctx, req.client, raw, &payload); err != nil {
		return &oauth.Error{Code: oauth.InvalidRequestObject, Desc: "the request object is not signed by a key of this client", Err: err}
	}
	if err := s.checkObjectClaims(req, payload); err != nil {
		return &oauth.Error{Code: oauth.InvalidRequestObject, Desc: err.Error()}
	}
	inner, err := oauth.ParseObject(payload)
	if err != nil {
		return &oauth.Error{Code: oauth.InvalidRequestObject, Desc: "the parameters in the request object cannot be read", Err: err}
	}
	req.form = inner
	resolveResponseTarget(req)
	req.params.Signed = true
	switch {
	case inner.Get("request") != "" || inner.Get("request_uri") != "":
		return oauth.Refuse(oauth.InvalidRequestObject, "request, request_uri: not allowed inside a request object")
	case inner.Get("client_id") != string(req.client.ID):
		return oauth.Refuse(oauth.InvalidRequestObject, "client_id: the same inside and outside of the request object")
	}
	return nil
}

// checkObjectClaims checks the registered claims of the object.
func (s *Service) checkObjectClaims(req *authorizeRequest, payload []byte) error {
	var c objectClaims
	if json.Unmarshal(payload, &c) != nil {
		return errors.New("the request object: a JSON object with registered claims of the right types")
	}
	now, id := s.cfg.Now(), string(req.client.ID)
	switch {
	case c.Issuer != "" && c.Issuer != id:
		return errors.New("iss of the request object is not the client")
	case c.Subject == id: // it could pass for a client assertion, or is one (RFC 9101 §10.8)
		return errors.New("sub of the request object must not be the client")
	case len(c.Audience) > 0 && !slices.Contains(c.Audience, req.tenant.ID.Issuer(s.cfg.Base)):
		return errors.New("aud of the request object is not this issuer")
	case c.Expiry != nil && !now.Before(c.Expiry.Time()):
		return errors.New("the request object has expired")
	case c.NotBefore != nil && c.NotBefore.Time().After(now.Add(objectSkew)):
		return errors.New("the request object is not valid yet")
	case c.IssuedAt != nil && c.IssuedAt.Time().After(now.Add(objectSkew)):
		return errors.New("iat of the request object is in the future")
	case req.client.Strict():
		return checkStrictObjectClaims(c, now)
	}
	return nil
}

// checkStrictObjectClaims checks what FAPI 2.0 Message Signing requires in addition (§5.3.1).
func checkStrictObjectClaims(c objectClaims, now time.Time) error {
	switch {
	case len(c.Audience) == 0:
		return errors.New("aud of the request object must be this issuer")
	case c.Expiry == nil || c.NotBefore == nil:
		return errors.New("the request object needs exp and nbf")
	case now.Sub(c.NotBefore.Time()) > maxObjectLifetime:
		return errors.New("nbf of the request object is more than an hour ago")
	case c.Expiry.Time().Sub(c.NotBefore.Time()) > maxObjectLifetime:
		return errors.New("exp of the request object is more than an hour after nbf")
	}
	return nil
}
