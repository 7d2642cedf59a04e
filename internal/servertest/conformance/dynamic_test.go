package conformance_test

import (
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// TestDynamicPlan is oidcc-dynamic-certification-test-plan with response_type code. Its
// oidcc-discovery-endpoint-verification is in TestConfigPlan.
func TestDynamicPlan(t *testing.T) {
	t.Parallel()
	run(t, newProvider(t), variant{method: auth.AuthPrivateKeyJWT, dynamic: true}, []module{
		{"oidcc-idtoken-rs256", idTokenRS256},
		{"oidcc-idtoken-unsigned", notOffered("id_token_signing_alg_values_supported", "none")},
		{"oidcc-userinfo-rs256", userInfoRS256},
		{"oidcc-ensure-redirect-uri-in-authorization-request", func(mt *moduleTest) {
			mt.requireErrorPage(mt.openAuthorization(mt.authorizationRequest(mt.registerClient(), "redirect_uri", "")))
		}},
		{"oidcc-redirect-uri-query-OK", redirectQueryOK},
		{"oidcc-redirect-uri-query-mismatch", redirectQueryMismatch},
		{"oidcc-redirect-uri-query-added", func(mt *moduleTest) {
			mt.requireErrorPage(mt.openAuthorization(mt.authorizationRequest(mt.registerClient(), "redirect_uri", callback+"?foo=bar")))
		}},
		{"oidcc-redirect-uri-regfrag", func(mt *moduleTest) {
			mt.requireRegistrationRefused("invalid_redirect_uri", object{"redirect_uris": []string{callback + "#foobar"}})
		}},
		{"oidcc-server", testServer},
		{"oidcc-registration-logo-uri", signInPage("logo_uri")},
		{"oidcc-registration-policy-uri", signInPage("policy_uri")},
		{"oidcc-registration-tos-uri", signInPage("tos_uri")},
		{"oidcc-registration-jwks-uri", registrationJWKSURI},
		{"oidcc-registration-sector-uri", sectorURI},
		{"oidcc-registration-sector-bad", sectorBad},
		{"oidcc-server-rotate-keys", rotateKeys},
		{"oidcc-refresh-token-rp-key-rotation", clientKeyRotation},
		{"oidcc-request-uri-unsigned", notOffered("request_object_signing_alg_values_supported", "none")},
		{"oidcc-request-uri-signed-rs256", requestURISigned},
		{"oidcc-ensure-request-object-with-redirect-uri", notOffered("request_object_signing_alg_values_supported", "none")},
		{"oidcc-refresh-token", refreshToken},
		{"oidcc-ensure-client-assertion-with-iss-aud-succeeds", issuerAudience},
	})
}

func idTokenRS256(mt *moduleTest) {
	got := mt.signIn(mt.registerClient(object{"id_token_signed_response_alg": "RS256"}))
	if got.header["alg"] != "RS256" {
		mt.t.Errorf("header %v", got.header)
	}
}

func userInfoRS256(mt *moduleTest) {
	c := mt.registerClient(object{"userinfo_signed_response_alg": "RS256"})
	v := mt.authorizationRequest(c)
	got := mt.redeem(c, v, mt.obtainCode(v))
	r := mt.Do(mt.t, "GET", oidc.UserInfoPath, nil, servertest.Bearer(got.AccessToken)).Want(mt.t, 200)
	if media := r.Header.Get("Content-Type"); media != "application/jwt" {
		mt.t.Errorf("userinfo is %s", media)
	}
	header, info := mt.verifyJWT(string(r.Body))
	if header["alg"] != "RS256" || info["sub"] != got.id["sub"] || info["iss"] != issuer || info["aud"] != c.id {
		mt.t.Errorf("userinfo %v %v", header, info)
	}
}

func redirectQueryOK(mt *moduleTest) {
	mt.signIn(mt.registerClient(object{"redirect_uris": []string{callback + "?dummy1=lorem&dummy2=ipsum"}}))
}

func redirectQueryMismatch(mt *moduleTest) {
	c := mt.registerClient(object{"redirect_uris": []string{callback + "?foo=bar"}})
	mt.requireErrorPage(mt.openAuthorization(mt.authorizationRequest(c, "redirect_uri", callback+"?foo=baz")))
}

// signInPage returns a module that registers a client with the member, whose sign-in shows the
// login page.
func signInPage(member string) func(*moduleTest) {
	return func(mt *moduleTest) {
		mt.t.Helper()
		c := mt.registerClient(object{member: mt.site.publish("/"+member, "text/html", "<p>Hello</p>")})
		if p := mt.openAuthorization(mt.authorizationRequest(c)).Want(mt.t, 200); !p.Has("password") {
			mt.t.Errorf("no login page: %s", p.Text())
		}
	}
}

func registrationJWKSURI(mt *moduleTest) {
	at := mt.site.publish("/jwks", "application/json", string(rsaKey(0, "k1", jose.RS256).jwks()))
	mt.signIn(mt.registerClient(object{"jwks": nil, "jwks_uri": at}))
}

func sectorURI(mt *moduleTest) {
	at := mt.site.publish("/redirect_uris.json", "application/json", `["`+callback+`"]`)
	mt.signIn(mt.registerClient(object{"subject_type": "pairwise", "sector_identifier_uri": at}))
}

func sectorBad(mt *moduleTest) {
	at := mt.site.publish("/other_uris.json", "application/json", `["https://suite.example.test/another"]`)
	mt.requireRegistrationRefused("invalid_client_metadata", object{"subject_type": "pairwise", "sector_identifier_uri": at})
}

// publishedKeyIDs returns the IDs of the provider's published keys.
func (mt *moduleTest) publishedKeyIDs() map[string]bool {
	mt.t.Helper()
	var set jose.JSONWebKeySet
	mt.Do(mt.t, "GET", oidc.JWKSPath, nil).Want(mt.t, 200).Decode(mt.t, &set)
	kids := map[string]bool{}
	for _, k := range set.Keys {
		if k.KeyID == "" || kids[k.KeyID] || !k.IsPublic() || !k.Valid() {
			mt.t.Errorf("key %q", k.KeyID)
		}
		kids[k.KeyID] = true
	}
	return kids
}

func rotateKeys(mt *moduleTest) {
	before := mt.publishedKeyIDs()
	if err := mt.Keys.Rotate(mt.t.Context(), auth.DefaultTenant, keys.RS256, auth.System); err != nil {
		mt.t.Fatal(err)
	}
	after := mt.publishedKeyIDs()
	for kid := range before {
		if !after[kid] {
			mt.t.Errorf("the key %s is gone", kid)
		}
	}
	if len(after) <= len(before) {
		mt.t.Errorf("no new key: %v, then %v", before, after)
	}
}

func clientKeyRotation(mt *moduleTest) {
	at := mt.site.publish("/rotating", "application/json", string(rsaKey(0, "k1", jose.RS256).jwks()))
	c := mt.registerClient(object{"jwks": nil, "jwks_uri": at, "grant_types": []string{"authorization_code", "refresh_token"}})
	v := mt.authorizationRequest(c, "scope", "openid offline_access", "prompt", "consent")
	first := mt.redeem(c, v, mt.obtainCode(v))
	c.key = rsaKey(1, "k2", jose.RS256)
	mt.site.publish("/rotating", "application/json", string(c.key.jwks()))
	mt.Clock.Advance(time.Minute)
	second := mt.requireTokens(c, mt.requestToken(c, setParams(redemptionForm(c, ""), "grant_type", "refresh_token", "refresh_token", first.RefreshToken, "redirect_uri", "")))
	mt.requireSameIDToken(first, second)
	mt.requestUserInfo(second.AccessToken)
}

func requestURISigned(mt *moduleTest) {
	m := mt.metadata()
	if m["request_uri_parameter_supported"] != true || !mt.supports("request_object_signing_alg_values_supported", "RS256") {
		mt.t.Error("request_uri is not offered")
	}
	for name, c := range map[string]testClient{
		"/request":          mt.registerClient(object{"request_uris": []string{mt.site.URL + "/request"}, "request_object_signing_alg": "RS256"}),
		"/request#fragment": mt.registerClient(object{"request_uris": []string{mt.site.URL + "/request#fragment"}, "request_object_signing_alg": "RS256"}),
	} {
		v := mt.authorizationRequest(c)
		inside := object{"iss": c.id, "aud": issuer}
		for n := range v {
			inside[n] = v.Get(n)
		}
		path, _, _ := strings.Cut(name, "#")
		mt.site.publish(path, "application/oauth-authz-req+jwt", c.key.sign(mt.t, inside, nil))
		outside := setParams(mt.authorizationRequest(c), "state", "", "nonce", "", "redirect_uri", "", "request_uri", mt.site.URL+name)
		mt.redeem(c, v, mt.requireCode(v, mt.completePages(mt.openAuthorization(outside))))
		mt.b = mt.Browser(mt.t)
	}
}

func issuerAudience(mt *moduleTest) {
	c := mt.registerClient()
	c.audience = issuer
	mt.signIn(c)
}
