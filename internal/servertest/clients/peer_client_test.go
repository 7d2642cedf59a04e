package clients_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/servertest"
)

const (
	resource  = "https://api.example.test"
	appReturn = "https://app.example.test/cb"
	afterward = "https://app.example.test/bye"
	loopback  = "http://127.0.0.1/cb"
)

// peerClient is a client that is registered at both providers.
type peerClient struct {
	name, id, secret string
	key              *ecdsa.PrivateKey
	r                client.Registration
}

// peerClients are what both have, by name. All but foreign are the operator's own, so
// that nobody is asked for consent.
func peerClients() map[string]client.Registration {
	web := func(change func(*client.Registration)) client.Registration {
		r := client.Registration{Type: auth.ClientWeb, FirstParty: true, RedirectURIs: []string{appReturn}, Scopes: []string{"openid", "email", "profile", "offline_access", "read"}}
		r.Grants = []auth.GrantType{auth.GrantAuthorizationCode, auth.GrantRefreshToken}
		r.Auth, r.Audiences, r.PostLogoutURIs = auth.AuthSecretBasic, []string{resource}, []string{afterward}
		change(&r)
		return r
	}
	return map[string]client.Registration{
		"conf":    web(func(*client.Registration) {}),
		"conf2":   web(func(*client.Registration) {}),
		"foreign": web(func(r *client.Registration) { r.FirstParty = false }),
		"post":    web(func(r *client.Registration) { r.Auth = auth.AuthSecretPost }),
		"pk": web(func(r *client.Registration) {
			r.Auth, r.AuthAlgorithm, r.RequestAlgorithm = auth.AuthPrivateKeyJWT, "ES256", "ES256"
		}),
		"loose": web(func(r *client.Registration) { r.PKCEOptional = true }),
		"dpop":  web(func(r *client.Registration) { r.DPoP = true }),
		"par":   web(func(r *client.Registration) { r.RequirePushed = true }),
		"spa":   web(func(r *client.Registration) { r.Type, r.Auth = auth.ClientSPA, auth.AuthNone }),
		"native": web(func(r *client.Registration) {
			r.Type, r.Auth, r.RedirectURIs = auth.ClientNative, auth.AuthNone, []string{loopback}
		}),
		"dev":  web(makeDeviceClient),
		"dev2": web(makeDeviceClient),
		"svc": {Type: auth.ClientMachine, FirstParty: true, Scopes: []string{"read"}, ClientSettings: auth.ClientSettings{
			Grants: []auth.GrantType{auth.GrantClientCredentials}, Auth: auth.AuthSecretBasic, Audiences: []string{resource}, Serves: []string{resource}}},
	}
}

func makeDeviceClient(r *client.Registration) {
	r.Type, r.Auth, r.RedirectURIs, r.PostLogoutURIs = auth.ClientNative, auth.AuthNone, nil, nil
	r.Grants = []auth.GrantType{auth.GrantDeviceCode, auth.GrantRefreshToken}
}

// createClients registers the clients at Watchword.
func createClients(t *testing.T, s *servertest.Server) map[string]*peerClient {
	t.Helper()
	all := map[string]*peerClient{}
	for name, r := range peerClients() {
		c := &peerClient{name: name}
		var err error
		if c.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
		if r.Name = name; r.Auth == auth.AuthPrivateKeyJWT {
			r.JWKS = c.jwks(t)
		}
		c.r = r
		c.id, c.secret = register(t, s, r)
		all[name] = c
	}
	return all
}

func (c *peerClient) jwks(t testing.TB) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: c.key.Public(), KeyID: c.name, Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// registrations returns the clients as RFC 7591 metadata, for oidc-provider.
func registrations(clients map[string]*peerClient) (out []map[string]any) {
	for _, c := range clients {
		m := map[string]any{
			"client_id": c.id, "client_name": c.name, "grant_types": c.r.Grants, "response_types": []string{}, "redirect_uris": []string{},
			"token_endpoint_auth_method": c.r.Auth, "scope": strings.Join(c.r.Scopes, " "),
			"require_pushed_authorization_requests": c.r.RequirePushed, "dpop_bound_access_tokens": c.r.DPoP,
		}
		if c.r.Type == auth.ClientNative {
			m["application_type"] = "native"
		}
		if c.secret != "" {
			m["client_secret"] = c.secret
		}
		if len(c.r.RedirectURIs) > 0 {
			m["redirect_uris"], m["response_types"], m["post_logout_redirect_uris"] = c.r.RedirectURIs, []string{"code"}, c.r.PostLogoutURIs
		}
		if c.r.JWKS != nil {
			m["jwks"], m["token_endpoint_auth_signing_alg"], m["request_object_signing_alg"] = c.r.JWKS, "ES256", "ES256"
		}
		out = append(out, m)
	}
	return out
}

// jsonObject holds claims, header or metadata members. A nil value removes a member.
type jsonObject = map[string]any

// sign returns a JWT with the usual members and changes.
func sign(t testing.TB, alg jose.SignatureAlgorithm, key any, header, usual, claims jsonObject) string {
	t.Helper()
	o := &jose.SignerOptions{}
	for name, v := range header {
		if v != nil {
			o = o.WithHeader(jose.HeaderKey(name), v)
		}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := jwt.Signed(signer).Claims(withChanges(usual, claims)).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// withChanges returns the usual members with changes.
func withChanges(usual, changes jsonObject) jsonObject {
	all := jsonObject{}
	for name, v := range usual {
		all[name] = v
	}
	for name, v := range changes {
		if all[name] = v; v == nil {
			delete(all, name)
		}
	}
	return all
}

// assertion returns a client assertion (RFC 7523 §3).
func (p *testProvider) assertion(as string, claims jsonObject) string {
	p.Helper()
	c := p.clients[as]
	return sign(p, jose.ES256, c.key, nil, jsonObject{"iss": c.id, "sub": c.id, "aud": p.base, "jti": rand.Text(), "iat": p.now().Unix(), "exp": p.now().Add(time.Minute).Unix()}, claims)
}

// requestObject returns an authorization request as a JWT (RFC 9101).
func (p *testProvider) requestObject(as string, claims jsonObject) string {
	p.Helper()
	c := p.clients[as]
	usual := jsonObject{"iss": c.id, "aud": p.base, "exp": p.now().Add(time.Minute).Unix()}
	for name, values := range p.defaultRequest(as) {
		usual[name] = values[0]
	}
	return sign(p, jose.ES256, c.key, jsonObject{"typ": "oauth-authz-req+jwt"}, usual, claims)
}

// proof returns a DPoP proof (RFC 9449 §4.2) by the key of a client.
func (p *testProvider) proof(as, endpoint string, header, claims jsonObject) string {
	p.Helper()
	key := p.clients[as].key
	usual := jsonObject{"jti": rand.Text(), "htm": "POST", "htu": p.at(endpoint), "iat": p.now().Unix()}
	return sign(p, jose.ES256, key, withChanges(jsonObject{"typ": "dpop+jwt", "jwk": jose.JSONWebKey{Key: key.Public()}}, header), usual, claims)
}
