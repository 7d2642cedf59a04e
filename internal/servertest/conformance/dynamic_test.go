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
		{"oidcc-idtoken-unsigned", skipped("id_token_signing_alg_values_supported", "none")},
		{"oidcc-userinfo-rs256", userInfoRS256},
		{"oidcc-ensure-redirect-uri-in-authorization-request", func(l *lab) { l.errorPage(l.open(l.request(l.client(), "redirect_uri", ""))) }},
		{"oidcc-redirect-uri-query-OK", redirectQueryOK},
		{"oidcc-redirect-uri-query-mismatch", redirectQueryMismatch},
		{"oidcc-redirect-uri-query-added", func(l *lab) { l.errorPage(l.open(l.request(l.client(), "redirect_uri", callback+"?foo=bar"))) }},
		{"oidcc-redirect-uri-regfrag", func(l *lab) {
			l.registerRefused("invalid_redirect_uri", object{"redirect_uris": []string{callback + "#foobar"}})
		}},
		{"oidcc-server", server},
		{"oidcc-registration-logo-uri", signInPage("logo_uri")},
		{"oidcc-registration-policy-uri", signInPage("policy_uri")},
		{"oidcc-registration-tos-uri", signInPage("tos_uri")},
		{"oidcc-registration-jwks-uri", registrationJWKSURI},
		{"oidcc-registration-sector-uri", sectorURI},
		{"oidcc-registration-sector-bad", sectorBad},
		{"oidcc-server-rotate-keys", rotateKeys},
		{"oidcc-refresh-token-rp-key-rotation", clientKeyRotation},
		{"oidcc-request-uri-unsigned", skipped("request_object_signing_alg_values_supported", "none")},
		{"oidcc-request-uri-signed-rs256", requestURISigned},
		{"oidcc-ensure-request-object-with-redirect-uri", skipped("request_object_signing_alg_values_supported", "none")},
		{"oidcc-refresh-token", refreshToken},
		{"oidcc-ensure-client-assertion-with-iss-aud-succeeds", issuerAudience},
	})
}

func idTokenRS256(l *lab) {
	got := l.signIn(l.client(object{"id_token_signed_response_alg": "RS256"}))
	if got.header["alg"] != "RS256" {
		l.t.Errorf("header %v", got.header)
	}
}

func userInfoRS256(l *lab) {
	c := l.client(object{"userinfo_signed_response_alg": "RS256"})
	v := l.request(c)
	got := l.redeem(c, v, l.code(v))
	r := l.Do(l.t, "GET", oidc.UserInfoPath, nil, servertest.Bearer(got.AccessToken)).Want(l.t, 200)
	if media := r.Header.Get("Content-Type"); media != "application/jwt" {
		l.t.Errorf("userinfo is %s", media)
	}
	header, info := l.verified(string(r.Body))
	if header["alg"] != "RS256" || info["sub"] != got.id["sub"] || info["iss"] != issuer || info["aud"] != c.id {
		l.t.Errorf("userinfo %v %v", header, info)
	}
}

func redirectQueryOK(l *lab) {
	l.signIn(l.client(object{"redirect_uris": []string{callback + "?dummy1=lorem&dummy2=ipsum"}}))
}

func redirectQueryMismatch(l *lab) {
	c := l.client(object{"redirect_uris": []string{callback + "?foo=bar"}})
	l.errorPage(l.open(l.request(c, "redirect_uri", callback+"?foo=baz")))
}

// signInPage: a client with the address can be registered and leads to a login page.
func signInPage(member string) func(*lab) {
	return func(l *lab) {
		l.t.Helper()
		c := l.client(object{member: l.site.put("/"+member, "text/html", "<p>Hello</p>")})
		if p := l.open(l.request(c)).Want(l.t, 200); !p.Has("password") {
			l.t.Errorf("no login page: %s", p.Text())
		}
	}
}

func registrationJWKSURI(l *lab) {
	at := l.site.put("/jwks", "application/json", string(rsaKey(0, "k1", jose.RS256).jwks()))
	l.signIn(l.client(object{"jwks": nil, "jwks_uri": at}))
}

func sectorURI(l *lab) {
	at := l.site.put("/redirect_uris.json", "application/json", `["`+callback+`"]`)
	l.signIn(l.client(object{"subject_type": "pairwise", "sector_identifier_uri": at}))
}

func sectorBad(l *lab) {
	at := l.site.put("/other_uris.json", "application/json", `["https://suite.example.test/another"]`)
	l.registerRefused("invalid_client_metadata", object{"subject_type": "pairwise", "sector_identifier_uri": at})
}

// kids are the ids of the provider's published keys.
func (l *lab) kids() map[string]bool {
	l.t.Helper()
	var set jose.JSONWebKeySet
	l.Do(l.t, "GET", oidc.JWKSPath, nil).Want(l.t, 200).Decode(l.t, &set)
	kids := map[string]bool{}
	for _, k := range set.Keys {
		if k.KeyID == "" || kids[k.KeyID] || !k.IsPublic() || !k.Valid() {
			l.t.Errorf("key %q", k.KeyID)
		}
		kids[k.KeyID] = true
	}
	return kids
}

func rotateKeys(l *lab) {
	before := l.kids()
	if err := l.Keys.Rotate(l.t.Context(), auth.DefaultTenant, keys.RS256, auth.System); err != nil {
		l.t.Fatal(err)
	}
	after := l.kids()
	for kid := range before {
		if !after[kid] {
			l.t.Errorf("the key %s is gone", kid)
		}
	}
	if len(after) <= len(before) {
		l.t.Errorf("no new key: %v, then %v", before, after)
	}
}

func clientKeyRotation(l *lab) {
	at := l.site.put("/rotating", "application/json", string(rsaKey(0, "k1", jose.RS256).jwks()))
	c := l.client(object{"jwks": nil, "jwks_uri": at, "grant_types": []string{"authorization_code", "refresh_token"}})
	v := l.request(c, "scope", "openid offline_access", "prompt", "consent")
	first := l.redeem(c, v, l.code(v))
	c.key = rsaKey(1, "k2", jose.RS256)
	l.site.put("/rotating", "application/json", string(c.key.jwks()))
	l.Clock.Advance(time.Minute)
	second := l.issued(c, l.ask(c, pairs(redemption(c, ""), "grant_type", "refresh_token", "refresh_token", first.RefreshToken, "redirect_uri", "")))
	l.sameIDToken(first, second)
	l.info(second.AccessToken)
}

func requestURISigned(l *lab) {
	m := l.metadata()
	if m["request_uri_parameter_supported"] != true || !l.supports("request_object_signing_alg_values_supported", "RS256") {
		l.t.Error("request_uri is not offered")
	}
	for name, c := range map[string]testClient{
		"/request":          l.client(object{"request_uris": []string{l.site.URL + "/request"}, "request_object_signing_alg": "RS256"}),
		"/request#fragment": l.client(object{"request_uris": []string{l.site.URL + "/request#fragment"}, "request_object_signing_alg": "RS256"}),
	} {
		v := l.request(c)
		inside := object{"iss": c.id, "aud": issuer}
		for n := range v {
			inside[n] = v.Get(n)
		}
		path, _, _ := strings.Cut(name, "#")
		l.site.put(path, "application/oauth-authz-req+jwt", c.key.sign(l.t, inside, nil))
		outside := pairs(l.request(c), "state", "", "nonce", "", "redirect_uri", "", "request_uri", l.site.URL+name)
		l.redeem(c, v, l.codeAt(v, l.through(l.open(outside))))
		l.b = l.Browser(l.t)
	}
}

func issuerAudience(l *lab) {
	c := l.client()
	c.audience = issuer
	l.signIn(c)
}
