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

// testClient is a client as the suite knows it.
type testClient struct {
	id, secret string
	redirect   string
	scope      string
	method     auth.AuthMethod
	audience   string // of its assertions
	key        key    // with which it proves itself
	dpop       key    // to which its tokens are bound; zero for none
	// answer is what it was told when it registered itself.
	answer object
}

const (
	callback       = "https://suite.example.test/callback"
	backAfterLeave = "https://suite.example.test/post_logout_redirect"
	tokenEndpoint  = issuer + oauth.TokenPath
)

// client registers the client of a module in the way of the variant. Changes are members
// of the metadata; those that static clients cannot have said are for dynamic ones alone.
func (l *lab) client(changes ...object) testClient {
	l.t.Helper()
	if l.dynamic {
		return l.register(changes...)
	}
	m := changed(object{"redirect_uris": []string{callback}, "post_logout_redirect_uris": []string{backAfterLeave}}, changes...)
	var set auth.ClientSettings
	b, err := json.Marshal(m)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := json.Unmarshal(b, &set); err != nil {
		l.t.Fatal(err)
	}
	set.Auth = l.method
	c := testClient{method: l.method, audience: tokenEndpoint, key: rsaKey(0, "k1", jose.RS256), scope: "openid"}
	if l.method == auth.AuthPrivateKeyJWT {
		set.JWKS = c.key.jwks()
	}
	return l.enrol(c, client.Registration{Name: "Suite", Type: auth.ClientWeb, RedirectURIs: m["redirect_uris"].([]string), ClientSettings: set})
}

// enrol registers a client at the command line, so to say.
func (l *lab) enrol(c testClient, r client.Registration) testClient {
	l.t.Helper()
	made, secret, err := l.Clients.Create(l.t.Context(), auth.DefaultTenant, r, auth.System)
	if err != nil {
		l.t.Fatal(err)
	}
	c.id, c.secret, c.redirect = string(made.ID), secret.Reveal(), r.RedirectURIs[0]
	return c
}

// register lets a client register itself, as the suite's do.
func (l *lab) register(changes ...object) testClient {
	l.t.Helper()
	c := testClient{method: l.method, audience: tokenEndpoint, key: rsaKey(0, "k1", jose.RS256), scope: "openid"}
	m := l.registration(c.key, changes...)
	r := l.Do(l.t, "POST", client.RegisterPath, m)
	if r.Status != 201 || !isJSON(r) {
		l.t.Fatalf("registration: %d %s", r.Status, r.Body)
	}
	r.Decode(l.t, &c.answer)
	c.id, _ = c.answer["client_id"].(string)
	c.secret, _ = c.answer["client_secret"].(string)
	c.redirect = m["redirect_uris"].([]string)[0]
	if c.id == "" || c.secret == "" && c.method != auth.AuthPrivateKeyJWT {
		l.t.Fatalf("registration: %s", r.Body)
	}
	if c.secret != "" && c.answer["client_secret_expires_at"] == nil {
		l.t.Error("a secret without client_secret_expires_at")
	}
	if _, uri := c.answer["registration_client_uri"]; uri != (c.answer["registration_access_token"] != nil) {
		l.t.Error("registration_client_uri and registration_access_token come together")
	}
	return c
}

// registration is the metadata that the suite sends.
func (l *lab) registration(k key, changes ...object) object {
	m := object{"client_name": "Suite " + rand.Text()[:8], "grant_types": []string{"authorization_code"}, "response_types": []string{"code"}, "jwks": k.jwks(),
		"token_endpoint_auth_method": l.method, "redirect_uris": []string{callback}, "contacts": []string{"certification@example.test"}}
	return changed(m, changes...)
}

// refused registers a client and expects the code.
func (l *lab) registerRefused(code string, changes ...object) {
	l.t.Helper()
	l.wantError(l.Do(l.t, "POST", client.RegisterPath, l.registration(rsaKey(0, "k1", jose.RS256), changes...)), 400, code)
}

// assertion is what the client says to prove itself.
func (l *lab) assertion(c testClient, changes ...object) object {
	now := l.Clock.Now().Unix()
	return changed(object{"iss": c.id, "sub": c.id, "aud": c.audience, "jti": rand.Text(), "iat": now, "exp": now + 60}, changes...)
}

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// prove adds the client's proof of itself to a form or to the headers.
func (l *lab) prove(c testClient, form url.Values) []servertest.RequestOption {
	l.t.Helper()
	switch c.method {
	case auth.AuthSecretBasic:
		pair := url.QueryEscape(c.id) + ":" + url.QueryEscape(c.secret)
		return []servertest.RequestOption{servertest.Header("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))}
	case auth.AuthSecretPost:
		form.Set("client_id", c.id)
		form.Set("client_secret", c.secret)
	default:
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", c.key.sign(l.t, l.assertion(c), nil))
	}
	return nil
}

// post sends a form to an endpoint.
func (l *lab) post(path string, form url.Values, opts ...servertest.RequestOption) servertest.Response {
	l.t.Helper()
	return l.Do(l.t, "POST", path, form.Encode(), append(opts, servertest.Header("Content-Type", "application/x-www-form-urlencoded"))...)
}

// ask sends a form to the token endpoint as the client.
func (l *lab) ask(c testClient, form url.Values, opts ...servertest.RequestOption) servertest.Response {
	l.t.Helper()
	opts = append(opts, l.prove(c, form)...)
	if c.dpop.private != nil {
		opts = append(opts, servertest.Header("DPoP", l.proof(c.dpop, "POST", tokenEndpoint, "")))
	}
	return l.post(oauth.TokenPath, form, opts...)
}

// proof is a DPoP proof; changes are of its claims.
func (l *lab) proof(k key, method, address, access string, changes ...object) string {
	l.t.Helper()
	return k.sign(l.t, l.proofClaims(method, address, access, changes...), proofHeader(k))
}

func (l *lab) proofClaims(method, address, access string, changes ...object) object {
	c := object{"jti": rand.Text(), "htm": method, "htu": address, "iat": l.Clock.Now().Unix()}
	if access != "" {
		c["ath"] = digest(access)
	}
	return changed(c, changes...)
}

func proofHeader(k key) object {
	k.id = ""
	return object{"typ": "dpop+jwt", "jwk": k.public(), "kid": nil}
}

// pairs makes a form of names and values; an empty value removes the name.
func pairs(v url.Values, more ...string) url.Values {
	for i := 0; i+1 < len(more); i += 2 {
		if v.Del(more[i]); more[i+1] != "" {
			v.Set(more[i], more[i+1])
		}
	}
	return v
}

func words(s string) []string { return strings.Fields(s) }
