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
	{"ensure-holder-of-key-required", func(mt *moduleTest) {
		c := mt.createFirstClient()
		form := redemptionForm(c, mt.obtainFAPICode(c, mt.fapiRequest(c)), "code_verifier", verifier)
		c.dpop = key{}
		mt.wantError(mt.requestToken(c, form), 400, "invalid_request", "invalid_grant", "invalid_dpop_proof")
	}},
	{"ensure-authorization-code-is-bound-to-client", func(mt *moduleTest) {
		c, other := mt.createFirstClient(), mt.createSecondClient()
		code := mt.obtainFAPICode(c, mt.fapiRequest(c))
		mt.wantError(mt.requestToken(other, redemptionForm(c, code, "code_verifier", verifier)), 400, "invalid_grant")
	}},
	{"attempt-reuse-authorization-code-after-one-second", func(mt *moduleTest) {
		c := mt.createFirstClient()
		v := mt.fapiRequest(c)
		code := mt.obtainFAPICode(c, v)
		got := mt.redeemFAPI(c, v, code)
		mt.Clock.Advance(time.Second)
		mt.wantError(mt.requestToken(c, redemptionForm(c, code, "code_verifier", verifier)), 400, "invalid_grant")
		mt.requestResource(c, got.AccessToken, 401)
	}},
	{"ensure-token-endpoint-fails-with-expired-auth-code", func(mt *moduleTest) {
		c := mt.createFirstClient()
		code := mt.obtainFAPICode(c, mt.fapiRequest(c))
		mt.Clock.Advance(62 * time.Second)
		mt.wantError(mt.requestToken(c, redemptionForm(c, code, "code_verifier", verifier)), 400, "invalid_grant")
	}},
	{"ensure-signed-client-assertion-with-RS256-fails", func(mt *moduleTest) {
		mt.requireAssertionRefused(func(c testClient) testClient { c.key = c.key.withAlgorithm(jose.RS256); return c })
	}},
	{"ensure-client-assertion-in-token-endpoint", func(mt *moduleTest) {
		c := mt.createFirstClient()
		form := redemptionForm(c, mt.obtainFAPICode(c, mt.fapiRequest(c)), "code_verifier", verifier, "client_id", c.id)
		mt.wantError(mt.postForm(oauth.TokenPath, form, servertest.Header("DPoP", mt.newProof(c.dpop, "POST", tokenEndpoint, ""))), 401, "invalid_client")
	}},
	{"ensure-client-assertion-with-wrong-aud-fails", func(mt *moduleTest) {
		mt.requireAssertionRefused(func(c testClient) testClient { c.audience = "https://other.example.test"; return c })
	}},
	{"ensure-token-endpoint-as-audience-fails", func(mt *moduleTest) {
		mt.requireAssertionRefused(func(c testClient) testClient { c.audience = tokenEndpoint; return c })
	}},
	{"refresh-token", strictRefresh},
}

// otherClientID sends the second client's client_id and assertion, signed with the key of the
// first.
func otherClientID(mt *moduleTest) {
	c, other := mt.createFirstClient(), mt.createSecondClient()
	form := redemptionForm(c, mt.obtainFAPICode(c, mt.fapiRequest(c)), "code_verifier", verifier, "client_id", other.id)
	other.key, other.dpop = c.key, c.dpop
	mt.wantError(mt.requestToken(other, form), 401, "invalid_client")
}

// requireAssertionRefused fails the test unless redemption with wrong client authentication is
// refused.
func (mt *moduleTest) requireAssertionRefused(wrong func(testClient) testClient) {
	mt.t.Helper()
	c := mt.createFirstClient()
	form := redemptionForm(c, mt.obtainFAPICode(c, mt.fapiRequest(c)), "code_verifier", verifier)
	mt.wantError(mt.requestToken(wrong(c), form), 401, "invalid_client")
}

func strictRefresh(mt *moduleTest) {
	first, second := mt.createFirstClient(), mt.createSecondClient()
	latest := mt.signInAndRefreshFAPI(first)
	form := func() url.Values {
		return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {latest.RefreshToken}, "scope": {first.scope}}
	}
	proved := servertest.Header("DPoP", mt.newProof(first.dpop, "POST", tokenEndpoint, ""))
	mt.wantError(mt.postForm(oauth.TokenPath, form(), proved), 401, "invalid_client")
	unbound := first
	unbound.dpop = key{}
	mt.wantError(mt.requestToken(unbound, form()), 400, "invalid_grant", "invalid_request")
	mt.requestResource(first, mt.requireTokens(first, mt.requestToken(first, form())).AccessToken, 200)

	other := mt.signInAndRefreshFAPI(second)
	mt.requestResourceWith("DPoP", other.AccessToken, []string{mt.newProof(first.dpop, "GET", resourceURL, other.AccessToken)}, 401)
	mt.wantError(mt.requestToken(first, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {other.RefreshToken}}), 400, "invalid_grant")
}

// signInAndRefreshFAPI signs in and refreshes with new DPoP keys, as a confidential client may.
// The first refresh token works once more after the grace, in case the response was lost.
func (mt *moduleTest) signInAndRefreshFAPI(c testClient) tokens {
	mt.t.Helper()
	v := mt.fapiRequest(c, "prompt", "consent")
	first := mt.redeemFAPI(c, v, mt.obtainFAPICode(c, v))
	if first.RefreshToken == "" {
		mt.t.Fatal("no refresh token")
	}
	form := func() url.Values {
		return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.RefreshToken}, "scope": {c.scope}}
	}
	mt.Clock.Advance(time.Second)
	c.dpop = newES256("")
	second := mt.requireTokens(c, mt.requestToken(c, form()))
	mt.requireSameIDToken(first, second)
	mt.requestResource(c, second.AccessToken, 200)
	mt.Clock.Advance(30 * time.Second)
	c.dpop = newES256("")
	third := mt.requireTokens(c, mt.requestToken(c, form()))
	mt.requireSameIDToken(first, third)
	mt.requestResource(c, third.AccessToken, 200)
	return third
}
