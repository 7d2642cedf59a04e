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

// provider is what a server says of itself (RFC 8414 §2), as far as we use it.
type provider struct {
	Issuer              string   `json:"issuer"`
	Authorization       string   `json:"authorization_endpoint"`
	Token               string   `json:"token_endpoint"`
	Pushed              string   `json:"pushed_authorization_request_endpoint"`
	DeviceAuthorization string   `json:"device_authorization_endpoint"`
	JWKS                string   `json:"jwks_uri"`
	IssInAnswer         bool     `json:"authorization_response_iss_parameter_supported"`
	IDTokenAlgorithms   []string `json:"id_token_signing_alg_values_supported"`
}

// party is a client and what it knows of its server.
type party struct {
	provider
	id, secret string
	key        *proofKey // nil: its tokens are bound to nothing
}

// newParty asks the issuer, which must call itself what it was called (RFC 8414 §3.3).
func newParty(ctx context.Context, issuer, id, secret string, bound bool) (*party, error) {
	p := &party{id: id, secret: secret}
	if err := fetch(ctx, issuer+"/.well-known/openid-configuration", &p.provider); err != nil {
		return nil, fmt.Errorf("ask %s who it is: %w; another server is given by --issuer, or by --data with the folder of a development server", issuer, err)
	}
	if p.Issuer != issuer || p.Token == "" {
		return nil, fmt.Errorf("%s calls itself %q", issuer, p.Issuer)
	}
	if bound {
		var err error
		if p.key, err = newProofKey(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// token asks the token endpoint.
func (p *party) token(ctx context.Context, form url.Values) (answer map[string]any, err error) {
	if err := p.post(ctx, p.Token, form, &answer); err != nil {
		return nil, fmt.Errorf("ask for a token: %w", err)
	}
	return answer, nil
}

// post proves who we are and sends a form; a server that wants a nonce in the proof of
// the key gets it at once (RFC 9449 §8).
func (p *party) post(ctx context.Context, endpoint string, form url.Values, into any) error {
	if p.secret == "" {
		form.Set("client_id", p.id)
	}
	for again := true; ; again = false {
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
		err = carryOut(req, into)
		r, refused := errors.AsType[*refusal](err)
		if !again || !refused || p.key == nil || r.code != "use_dpop_nonce" || r.nonce == "" {
			return err
		}
		p.key.nonce = r.nonce
	}
}

// verify checks an ID Token as OpenID Connect Core §3.1.3.7 says and returns what it
// says.
func (p *party) verify(ctx context.Context, raw, nonce string) ([]byte, error) {
	var known []jose.SignatureAlgorithm
	for _, a := range p.IDTokenAlgorithms {
		if slices.Contains([]jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA}, jose.SignatureAlgorithm(a)) {
			known = append(known, jose.SignatureAlgorithm(a))
		}
	}
	t, err := jwt.ParseSigned(raw, known)
	if err != nil {
		return nil, fmt.Errorf("the ID Token: %w", err)
	}
	var keys jose.JSONWebKeySet
	if err := fetch(ctx, p.JWKS, &keys); err != nil {
		return nil, fmt.Errorf("ask for the server's keys: %w", err)
	}
	var body json.RawMessage
	var claims struct {
		jwt.Claims
		Nonce string `json:"nonce"`
	}
	fitting := keys.Key(t.Headers[0].KeyID)
	if len(fitting) != 1 {
		return nil, fmt.Errorf("the server publishes %d keys with the id of the ID Token's", len(fitting))
	}
	if err := t.Claims(fitting[0].Key, &body, &claims); err != nil {
		return nil, fmt.Errorf("the ID Token: %w", err)
	}
	if err := claims.Validate(jwt.Expected{Issuer: p.Issuer, AnyAudience: jwt.Audience{p.id}, Time: time.Now()}); err != nil {
		return nil, fmt.Errorf("the ID Token: %w", err)
	}
	if claims.Nonce != nonce {
		return nil, errors.New("the ID Token has another nonce than we sent")
	}
	return body, nil
}

// idToken verifies the ID Token of an answer, if one came.
func (p *party) idToken(ctx context.Context, answer map[string]any, nonce string) ([]byte, error) {
	raw, _ := answer["id_token"].(string)
	if raw == "" {
		return nil, nil
	}
	return p.verify(ctx, raw, nonce)
}

// refusal is an error in the words of the protocol.
type refusal struct{ status, code, desc, nonce string }

func (r *refusal) Error() string { return fmt.Sprintf("%s: %s (%s)", r.status, r.code, r.desc) }

func fetch(ctx context.Context, from string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return err
	}
	return carryOut(req, into)
}

// carryOut sends a request, follows no redirects, and turns a refusal of the protocol
// into a *refusal.
func carryOut(req *http.Request, into any) error {
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
			return &refusal{status: res.Status, code: e.Code, desc: e.Desc, nonce: res.Header.Get("DPoP-Nonce")}
		}
		return errors.New(res.Status)
	}
	return json.NewDecoder(bytes.NewReader(b)).Decode(into)
}
