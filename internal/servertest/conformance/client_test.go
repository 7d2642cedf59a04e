package conformance_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// testClient is a registered client and its keys.
type testClient struct {
	id, secret string
	redirect   string
	scope      string
	method     auth.AuthMethod
	audience   string // of its assertions
	key        key    // with which it proves itself
	dpop       key    // to which its tokens are bound; zero for none
	// response is the response to dynamic registration.
	response object
}

const (
	callback      = "https://suite.example.test/callback"
	postLogoutURI = "https://suite.example.test/post_logout_redirect"
	tokenEndpoint = issuer + oauth.TokenPath
)

// registerClient registers a client as the variant says: statically or dynamically. changes are
// members of its metadata.
func (mt *moduleTest) registerClient(changes ...object) testClient {
	mt.t.Helper()
	if mt.dynamic {
		return mt.registerDynamically(changes...)
	}
	m := withChanges(object{"redirect_uris": []string{callback}, "post_logout_redirect_uris": []string{postLogoutURI}}, changes...)
	var set auth.ClientSettings
	b, err := json.Marshal(m)
	if err != nil {
		mt.t.Fatal(err)
	}
	if err := json.Unmarshal(b, &set); err != nil {
		mt.t.Fatal(err)
	}
	set.Auth = mt.method
	c := testClient{method: mt.method, audience: tokenEndpoint, key: rsaKey(0, "k1", jose.RS256), scope: "openid"}
	if mt.method == auth.AuthPrivateKeyJWT {
		set.JWKS = c.key.jwks()
	}
	return mt.createClient(c, client.Registration{Name: "Suite", Type: auth.ClientWeb, RedirectURIs: m["redirect_uris"].([]string), ClientSettings: set})
}

// createClient registers a client as an operator does.
func (mt *moduleTest) createClient(c testClient, r client.Registration) testClient {
	mt.t.Helper()
	made, secret, err := mt.Clients.Create(mt.t.Context(), auth.DefaultTenant, r, auth.System)
	if err != nil {
		mt.t.Fatal(err)
	}
	c.id, c.secret, c.redirect = string(made.ID), secret.Reveal(), r.RedirectURIs[0]
	return c
}

// registerDynamically registers a client by dynamic registration.
func (mt *moduleTest) registerDynamically(changes ...object) testClient {
	mt.t.Helper()
	c := testClient{method: mt.method, audience: tokenEndpoint, key: rsaKey(0, "k1", jose.RS256), scope: "openid"}
	m := mt.registrationRequest(c.key, changes...)
	r := mt.Do(mt.t, "POST", client.RegisterPath, m)
	if r.Status != 201 || !isJSON(r) {
		mt.t.Fatalf("registration: %d %s", r.Status, r.Body)
	}
	r.Decode(mt.t, &c.response)
	c.id, _ = c.response["client_id"].(string)
	c.secret, _ = c.response["client_secret"].(string)
	c.redirect = m["redirect_uris"].([]string)[0]
	if c.id == "" || c.secret == "" && c.method != auth.AuthPrivateKeyJWT {
		mt.t.Fatalf("registration: %s", r.Body)
	}
	if c.secret != "" && c.response["client_secret_expires_at"] == nil {
		mt.t.Error("a secret without client_secret_expires_at")
	}
	if _, uri := c.response["registration_client_uri"]; uri != (c.response["registration_access_token"] != nil) {
		mt.t.Error("registration_client_uri and registration_access_token come together")
	}
	return c
}

// registrationRequest returns the client metadata of a registration request.
func (mt *moduleTest) registrationRequest(k key, changes ...object) object {
	m := object{"client_name": "Suite " + rand.Text()[:8], "grant_types": []string{"authorization_code"}, "response_types": []string{"code"}, "jwks": k.jwks(),
		"token_endpoint_auth_method": mt.method, "redirect_uris": []string{callback}, "contacts": []string{"certification@example.test"}}
	return withChanges(m, changes...)
}

// requireRegistrationRefused fails the test unless registration is refused with the code.
func (mt *moduleTest) requireRegistrationRefused(code string, changes ...object) {
	mt.t.Helper()
	mt.wantError(mt.Do(mt.t, "POST", client.RegisterPath, mt.registrationRequest(rsaKey(0, "k1", jose.RS256), changes...)), 400, code)
}

// assertionClaims returns the claims of a client assertion, with changes.
func (mt *moduleTest) assertionClaims(c testClient, changes ...object) object {
	now := mt.Clock.Now().Unix()
	return withChanges(object{"iss": c.id, "sub": c.id, "aud": c.audience, "jti": rand.Text(), "iat": now, "exp": now + 60}, changes...)
}

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// authenticate adds client authentication to a form, or returns it as a header.
func (mt *moduleTest) authenticate(c testClient, form url.Values) []servertest.RequestOption {
	mt.t.Helper()
	switch c.method {
	case auth.AuthSecretBasic:
		pair := url.QueryEscape(c.id) + ":" + url.QueryEscape(c.secret)
		return []servertest.RequestOption{servertest.Header("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))}
	case auth.AuthSecretPost:
		form.Set("client_id", c.id)
		form.Set("client_secret", c.secret)
	default:
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", c.key.sign(mt.t, mt.assertionClaims(c), nil))
	}
	return nil
}

// postForm sends a form to an endpoint.
func (mt *moduleTest) postForm(path string, form url.Values, opts ...servertest.RequestOption) servertest.Response {
	mt.t.Helper()
	return mt.Do(mt.t, "POST", path, form.Encode(), append(opts, servertest.Header("Content-Type", "application/x-www-form-urlencoded"))...)
}

// requestToken sends a form to the token endpoint as the client.
func (mt *moduleTest) requestToken(c testClient, form url.Values, opts ...servertest.RequestOption) servertest.Response {
	mt.t.Helper()
	opts = append(opts, mt.authenticate(c, form)...)
	if c.dpop.private != nil {
		opts = append(opts, servertest.Header("DPoP", mt.newProof(c.dpop, "POST", tokenEndpoint, "")))
	}
	return mt.postForm(oauth.TokenPath, form, opts...)
}

// newProof returns a DPoP proof; changes are of its claims.
func (mt *moduleTest) newProof(k key, method, address, access string, changes ...object) string {
	mt.t.Helper()
	return k.sign(mt.t, mt.proofClaims(method, address, access, changes...), proofHeader(k))
}

func (mt *moduleTest) proofClaims(method, address, access string, changes ...object) object {
	c := object{"jti": rand.Text(), "htm": method, "htu": address, "iat": mt.Clock.Now().Unix()}
	if access != "" {
		c["ath"] = sha256Base64(access)
	}
	return withChanges(c, changes...)
}

func proofHeader(k key) object {
	k.id = ""
	return object{"typ": "dpop+jwt", "jwk": k.public(), "kid": nil}
}

// setParams sets parameters, given as names and values. An empty value removes the name.
func setParams(v url.Values, more ...string) url.Values {
	for i := 0; i+1 < len(more); i += 2 {
		if v.Del(more[i]); more[i+1] != "" {
			v.Set(more[i], more[i+1])
		}
	}
	return v
}

func splitWords(s string) []string { return strings.Fields(s) }
