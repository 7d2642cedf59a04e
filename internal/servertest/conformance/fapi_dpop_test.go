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
	{"check-dpop-proof-nbf-exp", func(l *lab) {
		now := l.Clock.Now().Unix()
		l.provedBy(object{"nbf": now, "exp": now + 300})
	}},
	{"ensure-dpop-proof-with-iat-10seconds-before-succeeds", func(l *lab) { l.provedBy(object{"iat": l.Clock.Now().Unix() - 10}) }},
	{"ensure-dpop-proof-with-iat-10seconds-after-succeeds", func(l *lab) { l.provedBy(object{"iat": l.Clock.Now().Unix() + 10}) }},
	{"access-token-type-header-case-sensitivity", func(l *lab) {
		c := l.first()
		got := l.signInStrictly(c)
		l.resourceBy("dpOp", got.AccessToken, []string{l.proof(c.dpop, "GET", resourceURL, got.AccessToken)}, 200)
	}},
	{"ensure-mismatched-dpop-jkt-fails", func(l *lab) {
		c := l.first()
		v := l.strictRequest(c, "dpop_jkt", newES256("").thumbprint())
		l.wantError(l.push(c, v, l.pushProof(c)), 400, "invalid_request", "invalid_dpop_proof")
	}},
	{"ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt", func(l *lab) {
		c := l.first()
		l.otherKey(c, l.strictCode(c, l.strictRequest(c), l.pushProof(c)))
	}},
	{"ensure-token-endpoint-fails-with-mismatched-dpop-jkt", func(l *lab) {
		c := l.first()
		l.otherKey(c, l.strictCode(c, l.strictRequest(c, "dpop_jkt", c.dpop.thumbprint())))
	}},
	{"ensure-dpop-proof-at-par-endpoint-binding-success", func(l *lab) {
		c := l.first()
		v := l.strictRequest(c)
		l.strictly(c, v, l.strictCode(c, v, l.pushProof(c)))
	}},
	{"ensure-dpop-auth-code-binding-success", func(l *lab) {
		c := l.first()
		v := l.strictRequest(c, "dpop_jkt", c.dpop.thumbprint())
		l.strictly(c, v, l.strictCode(c, v, l.pushProof(c)))
	}},
	{"dpop-negative-tests", proofs},
}

func (l *lab) pushProof(c testClient) servertest.RequestOption {
	return servertest.Header("DPoP", l.proof(c.dpop, "POST", issuer+oidc.PushedPath, ""))
}

// otherKey redeems a code with another key than the one to which it is bound.
func (l *lab) otherKey(c testClient, code string) {
	l.t.Helper()
	c.dpop = newES256("")
	l.wantError(l.ask(c, redemption(c, code, "code_verifier", verifier)), 400, "invalid_request", "invalid_grant", "invalid_dpop_proof")
}

// provedBy changes the proofs at both endpoints; they have to be taken.
func (l *lab) provedBy(changes object) {
	l.t.Helper()
	c := l.first()
	form := redemption(c, l.strictCode(c, l.strictRequest(c)), "code_verifier", verifier)
	opts := append(l.prove(c, form), servertest.Header("DPoP", l.proof(c.dpop, "POST", tokenEndpoint, "", changes)))
	got := l.issued(c, l.post(oauth.TokenPath, form, opts...))
	l.resourceBy("DPoP", got.AccessToken, []string{l.proof(c.dpop, "GET", resourceURL, got.AccessToken, changes)}, 200)
}

// proofs shows the resource proofs of every kind.
func proofs(l *lab) {
	c := l.first()
	access := l.signInStrictly(c).AccessToken
	says := func(changes ...object) object { return l.proofClaims("GET", resourceURL, access, changes...) }
	good := func(changes ...object) string { return l.proof(c.dpop, "GET", resourceURL, access, changes...) }
	head := func(changes ...object) object { return changed(proofHeader(c.dpop), changes...) }
	now := l.Clock.Now().Unix()
	parts := strings.Split(good(), ".")
	other := newES256("")
	rs256 := c.dpop.as(jose.RS256)
	private := jose.JSONWebKey{Key: c.dpop.private, Algorithm: string(c.dpop.alg)}
	for name, shown := range map[string][]string{
		"none": {}, "two": {good(), good()}, "not well-formed": {"not.a.jwt-at-all"}, "two parts": {parts[0] + "." + parts[1]},
		"no typ": {c.dpop.sign(l.t, says(), changed(proofHeader(c.dpop), object{"typ": nil}))}, "wrong typ": {c.dpop.sign(l.t, says(), head(object{"typ": "JWT"}))},
		"no alg": {encode(`{"typ":"dpop+jwt","jwk":{}}`) + "." + parts[1] + "." + parts[2]}, "no jwk": {c.dpop.sign(l.t, says(), head(object{"jwk": nil}))},
		"no jti": {good(object{"jti": nil})}, "no htm": {good(object{"htm": nil})}, "no htu": {good(object{"htu": nil})}, "no iat": {good(object{"iat": nil})},
		"no ath": {good(object{"ath": nil})}, "wrong ath": {good(object{"ath": digest("another")})}, "RS256": {rs256.sign(l.t, says(), proofHeader(rs256))},
		"none alg": {encode(`{"typ":"dpop+jwt","alg":"none","jwk":{}}`) + "." + parts[1] + "."}, "bad signature": {spoiled(good())},
		"private key": {c.dpop.sign(l.t, says(), head(object{"jwk": private}))}, "wrong htm": {good(object{"htm": "PUT"})},
		"other htu": {good(object{"htu": issuer + "/elsewhere"})}, "an hour ahead": {good(object{"iat": now + 3600})}, "an hour ago": {good(object{"iat": now - 3600})},
		"another key": {other.sign(l.t, says(), proofHeader(other))},
	} {
		if l.resourceBy("DPoP", access, shown, 400, 401); l.t.Failed() {
			l.t.Fatal(name)
		}
	}
	once := good()
	l.resourceBy("DPoP", access, []string{once}, 200)
	l.resourceBy("DPoP", access, []string{once}, 400, 401)
	l.resourceBy("Bearer", access, nil, 400, 401)
	for name, proof := range map[string]string{
		"query and fragment": good(object{"htu": resourceURL + "?a=b#c"}), "without them": good(), "upper case": good(object{"htu": strings.Replace(resourceURL, "https://op.example.test", "HTTPS://OP.EXAMPLE.TEST", 1)}),
		"default port": good(object{"htu": strings.Replace(resourceURL, ".test/", ".test:443/", 1)}),
		"more members": c.dpop.sign(l.t, says(object{"more": "claims"}), head(object{"extra": "header"})),
	} {
		if l.resourceBy("DPoP", access, []string{proof}, 200); l.t.Failed() {
			l.t.Fatal(name)
		}
	}
	l.resourceBy("DPOP", access, []string{good()}, 200)
}
