package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// serverMetadata are the used members of server metadata (RFC 8414 §2).
type serverMetadata struct {
	Issuer              string   `json:"issuer"`
	Authorization       string   `json:"authorization_endpoint"`
	Token               string   `json:"token_endpoint"`
	Pushed              string   `json:"pushed_authorization_request_endpoint"`
	DeviceAuthorization string   `json:"device_authorization_endpoint"`
	JWKS                string   `json:"jwks_uri"`
	IssInResponse       bool     `json:"authorization_response_iss_parameter_supported"`
	IDTokenAlgorithms   []string `json:"id_token_signing_alg_values_supported"`
}

// oauthClient is a client and the metadata of its server.
type oauthClient struct {
	serverMetadata
	id, secret string
	key        *proofKey // nil without DPoP
}

// newOAuthClient fetches the metadata, whose issuer must match (RFC 8414 §3.3).
func newOAuthClient(ctx context.Context, issuer, id, secret string, bound bool) (*oauthClient, error) {
	p := &oauthClient{id: id, secret: secret}
	if err := fetch(ctx, issuer+"/.well-known/openid-configuration", &p.serverMetadata); err != nil {
		return nil, fmt.Errorf("fetch the metadata of %s: %w; set --issuer, or --data with the directory of a development server", issuer, err)
	}
	if p.Issuer != issuer || p.Token == "" {
		return nil, fmt.Errorf("the metadata of %s must have this issuer and a token endpoint; it has issuer %q", issuer, p.Issuer)
	}
	if bound {
		var err error
		if p.key, err = newProofKey(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// requestToken sends a request to the token endpoint.
func (p *oauthClient) requestToken(ctx context.Context, form url.Values) (response map[string]any, err error) {
	if err := p.post(ctx, p.Token, form, &response); err != nil {
		return nil, fmt.Errorf("request a token: %w", err)
	}
	return response, nil
}

// post sends a form with client authentication. It retries once with a nonce in the DPoP
// proof if the server requires one (RFC 9449 §8).
func (p *oauthClient) post(ctx context.Context, endpoint string, form url.Values, into any) error {
	if p.secret == "" {
		form.Set("client_id", p.id)
	}
	for mayRetry := true; ; mayRetry = false {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if p.secret != "" {
			req.SetBasicAuth(url.QueryEscape(p.id), url.QueryEscape(p.secret))
		}
		if p.key != nil {
			proof, err := p.key.proof(http.MethodPost, endpoint)
			if err != nil {
				return err
			}
			req.Header.Set("DPoP", proof)
		}
		err = send(req, into)
		r, refused := errors.AsType[*protocolError](err)
		if !mayRetry || !refused || p.key == nil || r.code != "use_dpop_nonce" || r.nonce == "" {
			return err
		}
		p.key.nonce = r.nonce
	}
}

// verifyIDToken verifies an ID Token as OpenID Connect Core §3.1.3.7 requires and returns
// its claims.
func (p *oauthClient) verifyIDToken(ctx context.Context, raw, nonce string) ([]byte, error) {
	var known []jose.SignatureAlgorithm
	for _, a := range p.IDTokenAlgorithms {
		if slices.Contains([]jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA}, jose.SignatureAlgorithm(a)) {
			known = append(known, jose.SignatureAlgorithm(a))
		}
	}
	t, err := jwt.ParseSigned(raw, known)
	if err != nil {
		return nil, fmt.Errorf("parse ID Token: %w", err)
	}
	var keys jose.JSONWebKeySet
	if err := fetch(ctx, p.JWKS, &keys); err != nil {
		return nil, fmt.Errorf("fetch the keys of the server: %w", err)
	}
	var body json.RawMessage
	var claims struct {
		jwt.Claims
		Nonce string `json:"nonce"`
	}
	matching := keys.Key(t.Headers[0].KeyID)
	if len(matching) != 1 {
		return nil, fmt.Errorf("verify ID Token: the server publishes %d keys with its kid", len(matching))
	}
	if err := t.Claims(matching[0].Key, &body, &claims); err != nil {
		return nil, fmt.Errorf("verify ID Token: %w", err)
	}
	if err := claims.Validate(jwt.Expected{Issuer: p.Issuer, AnyAudience: jwt.Audience{p.id}, Time: time.Now()}); err != nil {
		return nil, fmt.Errorf("verify ID Token: %w", err)
	}
	if claims.Nonce != nonce {
		return nil, errors.New("verify ID Token: the nonce is not that of the request")
	}
	return body, nil
}

// idTokenClaims returns the verified claims of the ID Token in a token response, nil
// without an ID Token.
func (p *oauthClient) idTokenClaims(ctx context.Context, response map[string]any, nonce string) ([]byte, error) {
	raw, _ := response["id_token"].(string)
	if raw == "" {
		return nil, nil
	}
	return p.verifyIDToken(ctx, raw, nonce)
}

// protocolError is an OAuth error response.
type protocolError struct{ status, code, desc, nonce string }

func (r *protocolError) Error() string { return fmt.Sprintf("%s: %s (%s)", r.status, r.code, r.desc) }

func fetch(ctx context.Context, from string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return err
	}
	return send(req, into)
}

// send sends a request and decodes the response. It follows no redirects and returns an
// OAuth error response as *protocolError.
func send(req *http.Request, into any) error {
	c := &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer c.CloseIdleConnections()
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusCreated {
		var e struct {
			Code string `json:"error"`
			Desc string `json:"error_description"`
		}
		if json.Unmarshal(b, &e) == nil && e.Code != "" {
			return &protocolError{status: res.Status, code: e.Code, desc: e.Desc, nonce: res.Header.Get("DPoP-Nonce")}
		}
		return errors.New(res.Status)
	}
	return json.NewDecoder(bytes.NewReader(b)).Decode(into)
}
