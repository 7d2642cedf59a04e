package conformance_test

import (
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// fapiTokens are the modules about the token endpoint.
var fapiTokens = []module{
	{"ensure-client-id-in-token-endpoint", otherClientID},
	{"ensure-holder-of-key-required", func(l *lab) {
		c := l.first()
		form := redemption(c, l.strictCode(c, l.strictRequest(c)), "code_verifier", verifier)
		c.dpop = key{}
		l.wantError(l.ask(c, form), 400, "invalid_request", "invalid_grant", "invalid_dpop_proof")
	}},
	{"ensure-authorization-code-is-bound-to-client", func(l *lab) {
		c, other := l.first(), l.second()
		code := l.strictCode(c, l.strictRequest(c))
		l.wantError(l.ask(other, redemption(c, code, "code_verifier", verifier)), 400, "invalid_grant")
	}},
	{"attempt-reuse-authorization-code-after-one-second", func(l *lab) {
		c := l.first()
		v := l.strictRequest(c)
		code := l.strictCode(c, v)
		got := l.strictly(c, v, code)
		l.Clock.Advance(time.Second)
		l.wantError(l.ask(c, redemption(c, code, "code_verifier", verifier)), 400, "invalid_grant")
		l.resource(c, got.AccessToken, 401)
	}},
	{"ensure-token-endpoint-fails-with-expired-auth-code", func(l *lab) {
		c := l.first()
		code := l.strictCode(c, l.strictRequest(c))
		l.Clock.Advance(62 * time.Second)
		l.wantError(l.ask(c, redemption(c, code, "code_verifier", verifier)), 400, "invalid_grant")
	}},
	{"ensure-signed-client-assertion-with-RS256-fails", func(l *lab) {
		l.assertedAtToken(func(c testClient) testClient { c.key = c.key.as(jose.RS256); return c })
	}},
	{"ensure-client-assertion-in-token-endpoint", func(l *lab) {
		c := l.first()
		form := redemption(c, l.strictCode(c, l.strictRequest(c)), "code_verifier", verifier, "client_id", c.id)
		l.wantError(l.post(oauth.TokenPath, form, servertest.Header("DPoP", l.proof(c.dpop, "POST", tokenEndpoint, ""))), 401, "invalid_client")
	}},
	{"ensure-client-assertion-with-wrong-aud-fails", func(l *lab) {
		l.assertedAtToken(func(c testClient) testClient { c.audience = "https://other.example.test"; return c })
	}},
	{"ensure-token-endpoint-as-audience-fails", func(l *lab) {
		l.assertedAtToken(func(c testClient) testClient { c.audience = tokenEndpoint; return c })
	}},
	{"refresh-token", strictRefresh},
}

// otherClientID: the second client's id and assertion, signed with the first one's key.
func otherClientID(l *lab) {
	c, other := l.first(), l.second()
	form := redemption(c, l.strictCode(c, l.strictRequest(c)), "code_verifier", verifier, "client_id", other.id)
	other.key, other.dpop = c.key, c.dpop
	l.wantError(l.ask(other, form), 401, "invalid_client")
}

// assertedAtToken redeems as a client that proves itself wrongly.
func (l *lab) assertedAtToken(wrong func(testClient) testClient) {
	l.t.Helper()
	c := l.first()
	form := redemption(c, l.strictCode(c, l.strictRequest(c)), "code_verifier", verifier)
	l.wantError(l.ask(wrong(c), form), 401, "invalid_client")
}

func strictRefresh(l *lab) {
	first, second := l.first(), l.second()
	latest := l.strictlyRefreshed(first)
	form := func() url.Values {
		return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {latest.RefreshToken}, "scope": {first.scope}}
	}
	proved := servertest.Header("DPoP", l.proof(first.dpop, "POST", tokenEndpoint, ""))
	l.wantError(l.post(oauth.TokenPath, form(), proved), 401, "invalid_client")
	unbound := first
	unbound.dpop = key{}
	l.wantError(l.ask(unbound, form()), 400, "invalid_grant", "invalid_request")
	l.resource(first, l.issued(first, l.ask(first, form())).AccessToken, 200)

	other := l.strictlyRefreshed(second)
	l.resourceBy("DPoP", other.AccessToken, []string{l.proof(first.dpop, "GET", resourceURL, other.AccessToken)}, 401)
	l.wantError(l.ask(first, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {other.RefreshToken}}), 400, "invalid_grant")
}

// strictlyRefreshed signs in and refreshes with another key than before, as a client that
// proves itself may; the refresh token with which it asked works once more after the
// longest grace, in case the answer was lost.
func (l *lab) strictlyRefreshed(c testClient) tokens {
	l.t.Helper()
	v := l.strictRequest(c, "prompt", "consent")
	first := l.strictly(c, v, l.strictCode(c, v))
	if first.RefreshToken == "" {
		l.t.Fatal("no refresh token")
	}
	form := func() url.Values {
		return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.RefreshToken}, "scope": {c.scope}}
	}
	l.Clock.Advance(time.Second)
	c.dpop = newES256("")
	second := l.issued(c, l.ask(c, form()))
	l.sameIDToken(first, second)
	l.resource(c, second.AccessToken, 200)
	l.Clock.Advance(30 * time.Second)
	c.dpop = newES256("")
	third := l.issued(c, l.ask(c, form()))
	l.sameIDToken(first, third)
	l.resource(c, third.AccessToken, 200)
	return third
}
