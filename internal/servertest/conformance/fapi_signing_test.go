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
	// These change what is pushed beside or instead of the request object.
	unsignedAlone := []string{"ensure-unsigned-authorization-request-without-using-par-fails", "par-authorization-request-containing-request_uri-form-param",
		"ensure-response-type-code-idtoken-fails", "ensure-response-type-token-fails", "ensure-invalid-client-assertions-fail",
		"par-ensure-jwt-client-assertion-with-iat-and-nbf-8-seconds-in-the-future-is-accepted"}
	modules := slices.Clone(fapiSigned)
	for _, m := range slices.Concat(fapiRequests, fapiPushed) {
		if !slices.Contains(unsignedAlone, m.name) {
			modules = append(modules, m)
		}
	}
	for i := range modules {
		modules[i].name = "fapi2-message-signing-final-" + modules[i].name
	}
	run(t, newProvider(t), variant{method: auth.AuthPrivateKeyJWT, mode: "jwt", signed: true}, modules)
}

// fapiSigned are the modules about request objects.
var fapiSigned = []module{
	{"ensure-request-object-without-exp-fails", func(l *lab) { l.objectRefused(object{"exp": nil}) }},
	{"ensure-request-object-without-nbf-fails", func(l *lab) { l.objectRefused(object{"nbf": nil}) }},
	{"ensure-request-object-with-exp-over-60-fails", func(l *lab) { l.objectRefused(object{"exp": l.Clock.Now().Unix() + 70*60}) }},
	{"ensure-request-object-with-nbf-over-60-fails", func(l *lab) { l.objectRefused(object{"nbf": l.Clock.Now().Unix() - 70*60}) }},
	{"ensure-expired-request-object-fails", func(l *lab) {
		l.objectRefused(object{"exp": l.Clock.Now().Unix() - 60, "nbf": l.Clock.Now().Unix() - 120})
	}},
	{"ensure-request-object-with-bad-aud-fails", func(l *lab) { l.objectRefused(object{"aud": "https://other.example.test"}) }},
	{"ensure-request-object-without-aud-fails", func(l *lab) { l.objectRefused(object{"aud": nil}) }},
	{"ensure-signed-request-object-with-rs256-fails", func(l *lab) {
		c := l.first()
		l.wantError(l.pushObject(c, c.key.as(jose.RS256).sign(l.t, l.requestObject(c, l.strictRequest(c)), nil)), 400, "invalid_request_object")
	}},
	{"ensure-request-object-signature-algorithm-is-not-none", func(l *lab) {
		c := l.first()
		l.wantError(l.pushObject(c, unsigned(l.requestObject(c, l.strictRequest(c)))), 400, "invalid_request_object")
	}},
	{"ensure-request-object-with-invalid-signature-fails", func(l *lab) {
		c := l.first()
		l.wantError(l.pushObject(c, spoiled(c.key.sign(l.t, l.requestObject(c, l.strictRequest(c)), nil))), 400, "invalid_request_object")
	}},
}

// requestObject is what a signed request of the client holds.
func (l *lab) requestObject(c testClient, v url.Values, changes ...object) object {
	now := l.Clock.Now().Unix()
	o := object{"iss": c.id, "aud": issuer, "iat": now, "nbf": now, "exp": now + 300}
	for name := range v {
		o[name] = v.Get(name)
	}
	return changed(o, changes...)
}

func (l *lab) objectRefused(changes object) {
	l.t.Helper()
	c := l.first()
	l.wantError(l.pushObject(c, c.key.sign(l.t, l.requestObject(c, l.strictRequest(c), changes), nil)), 400, "invalid_request_object")
}

// signedAnswer is what is in an answer that came as a JWT (JARM §2.4).
func (l *lab) signedAnswer(clientID string, got url.Values) url.Values {
	l.t.Helper()
	if len(got) != 1 && !got.Has("dummy1") || got.Get("response") == "" {
		l.t.Fatalf("no signed answer alone: %v", got)
	}
	header, claims := l.verified(got.Get("response"))
	now := float64(l.Clock.Now().Unix())
	exp, _ := claims["exp"].(float64)
	if header["alg"] != "ES256" || claims["aud"] != clientID || exp <= now || exp > now+600 {
		l.t.Errorf("signed answer: %v %v", header, claims)
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
func (l *lab) pushObject(c testClient, raw string) servertest.Response {
	l.t.Helper()
	form := url.Values{"client_id": {c.id}, "request": {raw}}
	return l.post(oidc.PushedPath, form, l.prove(c, form)...)
}
