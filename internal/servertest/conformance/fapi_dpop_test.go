package conformance_test

import (
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// fapiProofs are the modules about proofs of possession.
var fapiProofs = []module{
	{"check-dpop-proof-nbf-exp", func(mt *moduleTest) {
		now := mt.Clock.Now().Unix()
		mt.requireProofAccepted(object{"nbf": now, "exp": now + 300})
	}},
	{"ensure-dpop-proof-with-iat-10seconds-before-succeeds", func(mt *moduleTest) { mt.requireProofAccepted(object{"iat": mt.Clock.Now().Unix() - 10}) }},
	{"ensure-dpop-proof-with-iat-10seconds-after-succeeds", func(mt *moduleTest) { mt.requireProofAccepted(object{"iat": mt.Clock.Now().Unix() + 10}) }},
	{"access-token-type-header-case-sensitivity", func(mt *moduleTest) {
		c := mt.createFirstClient()
		got := mt.signInFAPI(c)
		mt.requestResourceWith("dpOp", got.AccessToken, []string{mt.newProof(c.dpop, "GET", resourceURL, got.AccessToken)}, 200)
	}},
	{"ensure-mismatched-dpop-jkt-fails", func(mt *moduleTest) {
		c := mt.createFirstClient()
		v := mt.fapiRequest(c, "dpop_jkt", newES256("").thumbprint())
		mt.wantError(mt.pushRequest(c, v, mt.proofForPush(c)), 400, "invalid_request", "invalid_dpop_proof")
	}},
	{"ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt", func(mt *moduleTest) {
		c := mt.createFirstClient()
		mt.requireOtherKeyRefused(c, mt.obtainFAPICode(c, mt.fapiRequest(c), mt.proofForPush(c)))
	}},
	{"ensure-token-endpoint-fails-with-mismatched-dpop-jkt", func(mt *moduleTest) {
		c := mt.createFirstClient()
		mt.requireOtherKeyRefused(c, mt.obtainFAPICode(c, mt.fapiRequest(c, "dpop_jkt", c.dpop.thumbprint())))
	}},
	{"ensure-dpop-proof-at-par-endpoint-binding-success", func(mt *moduleTest) {
		c := mt.createFirstClient()
		v := mt.fapiRequest(c)
		mt.redeemFAPI(c, v, mt.obtainFAPICode(c, v, mt.proofForPush(c)))
	}},
	{"ensure-dpop-auth-code-binding-success", func(mt *moduleTest) {
		c := mt.createFirstClient()
		v := mt.fapiRequest(c, "dpop_jkt", c.dpop.thumbprint())
		mt.redeemFAPI(c, v, mt.obtainFAPICode(c, v, mt.proofForPush(c)))
	}},
	{"dpop-negative-tests", testProofs},
}

// proofForPush returns the header with a proof for the PAR endpoint.
func (mt *moduleTest) proofForPush(c testClient) servertest.RequestOption {
	return servertest.Header("DPoP", mt.newProof(c.dpop, "POST", issuer+oidc.PushedPath, ""))
}

// requireOtherKeyRefused redeems a code with another key than the one that it is bound to.
func (mt *moduleTest) requireOtherKeyRefused(c testClient, code string) {
	mt.t.Helper()
	c.dpop = newES256("")
	mt.wantError(mt.requestToken(c, redemptionForm(c, code, "code_verifier", verifier)), 400, "invalid_request", "invalid_grant", "invalid_dpop_proof")
}

// requireProofAccepted fails the test unless proofs with changed claims are accepted by both
// endpoints.
func (mt *moduleTest) requireProofAccepted(changes object) {
	mt.t.Helper()
	c := mt.createFirstClient()
	form := redemptionForm(c, mt.obtainFAPICode(c, mt.fapiRequest(c)), "code_verifier", verifier)
	opts := append(mt.authenticate(c, form), servertest.Header("DPoP", mt.newProof(c.dpop, "POST", tokenEndpoint, "", changes)))
	got := mt.requireTokens(c, mt.postForm(oauth.TokenPath, form, opts...))
	mt.requestResourceWith("DPoP", got.AccessToken, []string{mt.newProof(c.dpop, "GET", resourceURL, got.AccessToken, changes)}, 200)
}

// testProofs sends the resource valid and invalid proofs of every kind.
func testProofs(mt *moduleTest) {
	c := mt.createFirstClient()
	access := mt.signInFAPI(c).AccessToken
	says := func(changes ...object) object { return mt.proofClaims("GET", resourceURL, access, changes...) }
	good := func(changes ...object) string { return mt.newProof(c.dpop, "GET", resourceURL, access, changes...) }
	head := func(changes ...object) object { return withChanges(proofHeader(c.dpop), changes...) }
	now := mt.Clock.Now().Unix()
	parts := strings.Split(good(), ".")
	other := newES256("")
	rs256 := c.dpop.withAlgorithm(jose.RS256)
	private := jose.JSONWebKey{Key: c.dpop.private, Algorithm: string(c.dpop.alg)}
	for name, shown := range map[string][]string{
		"none": {}, "two": {good(), good()}, "not well-formed": {"not.a.jwt-at-all"}, "two parts": {parts[0] + "." + parts[1]},
		"no typ": {c.dpop.sign(mt.t, says(), withChanges(proofHeader(c.dpop), object{"typ": nil}))}, "wrong typ": {c.dpop.sign(mt.t, says(), head(object{"typ": "JWT"}))},
		"no alg": {encodeBase64(`{"typ":"dpop+jwt","jwk":{}}`) + "." + parts[1] + "." + parts[2]}, "no jwk": {c.dpop.sign(mt.t, says(), head(object{"jwk": nil}))},
		"no jti": {good(object{"jti": nil})}, "no htm": {good(object{"htm": nil})}, "no htu": {good(object{"htu": nil})}, "no iat": {good(object{"iat": nil})},
		"no ath": {good(object{"ath": nil})}, "wrong ath": {good(object{"ath": sha256Base64("another")})}, "RS256": {rs256.sign(mt.t, says(), proofHeader(rs256))},
		"none alg": {encodeBase64(`{"typ":"dpop+jwt","alg":"none","jwk":{}}`) + "." + parts[1] + "."}, "bad signature": {breakSignature(good())},
		"private key": {c.dpop.sign(mt.t, says(), head(object{"jwk": private}))}, "wrong htm": {good(object{"htm": "PUT"})},
		"other htu": {good(object{"htu": issuer + "/elsewhere"})}, "an hour ahead": {good(object{"iat": now + 3600})}, "an hour ago": {good(object{"iat": now - 3600})},
		"another key": {other.sign(mt.t, says(), proofHeader(other))},
	} {
		if mt.requestResourceWith("DPoP", access, shown, 400, 401); mt.t.Failed() {
			mt.t.Fatal(name)
		}
	}
	once := good()
	mt.requestResourceWith("DPoP", access, []string{once}, 200)
	mt.requestResourceWith("DPoP", access, []string{once}, 400, 401)
	mt.requestResourceWith("Bearer", access, nil, 400, 401)
	for name, proof := range map[string]string{
		"query and fragment": good(object{"htu": resourceURL + "?a=b#c"}), "without them": good(), "upper case": good(object{"htu": strings.Replace(resourceURL, "https://op.example.test", "HTTPS://OP.EXAMPLE.TEST", 1)}),
		"default port": good(object{"htu": strings.Replace(resourceURL, ".test/", ".test:443/", 1)}),
		"more members": c.dpop.sign(mt.t, says(object{"more": "claims"}), head(object{"extra": "header"})),
	} {
		if mt.requestResourceWith("DPoP", access, []string{proof}, 200); mt.t.Failed() {
			mt.t.Fatal(name)
		}
	}
	mt.requestResourceWith("DPOP", access, []string{good()}, 200)
}
