package conformance_test

import (
	"net/url"
	"slices"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// TestRepair_C4_FAPI2MessageSigningPlan is fapi2-message-signing-final-test-plan with
// private_key_jwt, dpop, signed_non_repudiation, jarm and openid_connect: the modules of
// the Security Profile that are not about unsigned requests, signed on both ways, and its
// own.
func TestRepair_C4_FAPI2MessageSigningPlan(t *testing.T) {
	t.Parallel()
	// These change the pushed form, which is a request object here.
	unsignedOnly := []string{"ensure-unsigned-authorization-request-without-using-par-fails", "par-authorization-request-containing-request_uri-form-param",
		"ensure-response-type-code-idtoken-fails", "ensure-response-type-token-fails", "ensure-invalid-client-assertions-fail",
		"par-ensure-jwt-client-assertion-with-iat-and-nbf-8-seconds-in-the-future-is-accepted"}
	modules := slices.Clone(fapiSigned)
	for _, m := range slices.Concat(fapiRequests, fapiPushed) {
		if !slices.Contains(unsignedOnly, m.name) {
			modules = append(modules, m)
		}
	}
	for i := range modules {
		modules[i].name = "fapi2-message-signing-final-" + modules[i].name
	}
	run(t, newProvider(t), variant{method: auth.AuthPrivateKeyJWT, responseMode: "jwt", signedRequests: true}, modules)
}

// fapiSigned are the modules about request objects.
var fapiSigned = []module{
	{"ensure-request-object-without-exp-fails", func(mt *moduleTest) { mt.requireObjectRefused(object{"exp": nil}) }},
	{"ensure-request-object-without-nbf-fails", func(mt *moduleTest) { mt.requireObjectRefused(object{"nbf": nil}) }},
	{"ensure-request-object-with-exp-over-60-fails", func(mt *moduleTest) { mt.requireObjectRefused(object{"exp": mt.Clock.Now().Unix() + 70*60}) }},
	{"ensure-request-object-with-nbf-over-60-fails", func(mt *moduleTest) { mt.requireObjectRefused(object{"nbf": mt.Clock.Now().Unix() - 70*60}) }},
	{"ensure-expired-request-object-fails", func(mt *moduleTest) {
		mt.requireObjectRefused(object{"exp": mt.Clock.Now().Unix() - 60, "nbf": mt.Clock.Now().Unix() - 120})
	}},
	{"ensure-request-object-with-bad-aud-fails", func(mt *moduleTest) { mt.requireObjectRefused(object{"aud": "https://other.example.test"}) }},
	{"ensure-request-object-without-aud-fails", func(mt *moduleTest) { mt.requireObjectRefused(object{"aud": nil}) }},
	{"ensure-signed-request-object-with-rs256-fails", func(mt *moduleTest) {
		c := mt.createFirstClient()
		mt.wantError(mt.pushObject(c, c.key.withAlgorithm(jose.RS256).sign(mt.t, mt.requestObject(c, mt.fapiRequest(c)), nil)), 400, "invalid_request_object")
	}},
	{"ensure-request-object-signature-algorithm-is-not-none", func(mt *moduleTest) {
		c := mt.createFirstClient()
		mt.wantError(mt.pushObject(c, unsignedJWT(mt.requestObject(c, mt.fapiRequest(c)))), 400, "invalid_request_object")
	}},
	{"ensure-request-object-with-invalid-signature-fails", func(mt *moduleTest) {
		c := mt.createFirstClient()
		mt.wantError(mt.pushObject(c, breakSignature(c.key.sign(mt.t, mt.requestObject(c, mt.fapiRequest(c)), nil))), 400, "invalid_request_object")
	}},
}

// requestObject returns the claims of a request object for the request, with changes.
func (mt *moduleTest) requestObject(c testClient, v url.Values, changes ...object) object {
	now := mt.Clock.Now().Unix()
	o := object{"iss": c.id, "aud": issuer, "iat": now, "nbf": now, "exp": now + 300}
	for name := range v {
		o[name] = v.Get(name)
	}
	return withChanges(o, changes...)
}

func (mt *moduleTest) requireObjectRefused(changes object) {
	mt.t.Helper()
	c := mt.createFirstClient()
	mt.wantError(mt.pushObject(c, c.key.sign(mt.t, mt.requestObject(c, mt.fapiRequest(c), changes), nil)), 400, "invalid_request_object")
}

// verifyResponseJWT returns the parameters of an authorization response that is a JWT (JARM
// §2.4).
func (mt *moduleTest) verifyResponseJWT(clientID string, got url.Values) url.Values {
	mt.t.Helper()
	if len(got) != 1 && !got.Has("dummy1") || got.Get("response") == "" {
		mt.t.Fatalf("not only a signed response: %v", got)
	}
	header, claims := mt.verifyJWT(got.Get("response"))
	now := float64(mt.Clock.Now().Unix())
	exp, _ := claims["exp"].(float64)
	if header["alg"] != "ES256" || claims["aud"] != clientID || exp <= now || exp > now+600 {
		mt.t.Errorf("signed response: %v %v", header, claims)
	}
	inner := url.Values{}
	for name, value := range claims {
		if text, ok := value.(string); ok && name != "aud" {
			inner.Set(name, text)
		}
	}
	return inner
}

// pushObject pushes a request object.
func (mt *moduleTest) pushObject(c testClient, raw string) servertest.Response {
	mt.t.Helper()
	form := url.Values{"client_id": {c.id}, "request": {raw}}
	return mt.postForm(oidc.PushedPath, form, mt.authenticate(c, form)...)
}
