package conformance_test

import (
	"crypto/rand"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/servertest"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// TestFAPI2Plan is fapi2-security-profile-final-test-plan with private_key_jwt, dpop,
// plain_fapi, openid_connect and unsigned requests. Its discovery module is in
// TestConfigPlan. The requirements for TLS are those of the server that terminates it.
func TestFAPI2Plan(t *testing.T) {
	t.Parallel()
	modules := slices.Concat(fapiRequests, fapiPushed, fapiTokens, fapiProofs)
	for i := range modules {
		modules[i].name = "fapi2-security-profile-final-" + modules[i].name
	}
	for name, database := range map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, newProvider(t, servertest.Database(database(t))), variant{method: auth.AuthPrivateKeyJWT}, modules)
		})
	}
}

// fapiRequests are the modules about what an authorization request may hold.
var fapiRequests = []module{
	{"happy-flow", happyFlow},
	{"user-rejects-authentication", userRejects},
	{"ensure-authorization-request-without-state-success", func(mt *moduleTest) { mt.signInFAPI(mt.createFirstClient(), "state", "") }},
	{"ensure-authorization-request-without-nonce-success", func(mt *moduleTest) { mt.signInFAPI(mt.createFirstClient(), "nonce", "") }},
	{"ensure-authorization-request-with-64-char-nonce-success", func(mt *moduleTest) { mt.signInFAPI(mt.createFirstClient(), "nonce", strings.Repeat("n", 64)) }},
	{"ensure-other-scope-order-succeeds", func(mt *moduleTest) { mt.signInFAPI(mt.createFirstClient(), "scope", "offline_access email openid") }},
	{"test-claims-parameter-identity-claims", identityClaims},
	{"ensure-authorization-request-with-long-nonce", func(mt *moduleTest) {
		mt.signInFAPI(mt.createFirstClient(), "nonce", strings.Repeat("0123456789abcdef", 24))
	}},
	{"ensure-authorization-request-with-long-state", func(mt *moduleTest) {
		mt.signInFAPI(mt.createFirstClient(), "state", strings.Repeat("0123456789abcdef", 64))
	}},
	{"ensure-different-nonce-inside-and-outside-request-object", func(mt *moduleTest) { mt.requireOutsideIgnored("nonce", "another") }},
	{"ensure-different-state-inside-and-outside-request-object", func(mt *moduleTest) { mt.requireOutsideIgnored("state", "another") }},
	{"state-only-outside-request-object-not-used", stateOutside},
	{"ensure-request-object-without-redirect-uri-fails", func(mt *moduleTest) { mt.requirePushRefused("invalid_request", "redirect_uri", "") }},
	{"ensure-registered-redirect-uri", func(mt *moduleTest) {
		mt.requirePushRefused("invalid_request", "redirect_uri", callback+"/N0tRegistered")
	}},
	{"plain-fapi-tolerate-unregistered-redirect-uri", func(mt *moduleTest) {
		mt.requirePushRefused("invalid_request", "redirect_uri", callback+"/N0tRegistered")
	}},
	{"ensure-redirect-uri-in-authorization-request", func(mt *moduleTest) { mt.requirePushRefused("invalid_request", "redirect_uri", "") }},
	{"ensure-response-type-code-idtoken-fails", func(mt *moduleTest) {
		mt.requirePushRefused("unsupported_response_type", "response_type", "code id_token")
	}},
	{"ensure-response-type-token-fails", func(mt *moduleTest) { mt.requirePushRefused("unsupported_response_type", "response_type", "token") }},
	{"ensure-unsigned-authorization-request-without-using-par-fails", func(mt *moduleTest) {
		v := mt.fapiRequest(mt.createFirstClient())
		mt.requireErrorResponse(v, mt.openAuthorization(v), "invalid_request")
	}},
}

// createFAPIClient registers a client that must follow the profile.
func (mt *moduleTest) createFAPIClient(k, dpop key, redirect string) testClient {
	mt.t.Helper()
	c := testClient{method: mt.method, audience: issuer, key: k, dpop: dpop, scope: "openid email offline_access"}
	return mt.createClient(c, client.Registration{Name: "FAPI", Type: auth.ClientWeb, RedirectURIs: []string{redirect}, ClientSettings: auth.ClientSettings{
		Auth: mt.method, JWKS: k.jwks(), DPoP: true, RequirePushed: true, IDTokenAlgorithm: "ES256"}})
}

// createFirstClient registers the first of the suite's two clients, with RSA keys.
func (mt *moduleTest) createFirstClient() testClient {
	mt.t.Helper()
	return mt.createFAPIClient(rsaKey(0, "k1", jose.PS256), rsaKey(1, "", jose.PS256), callback)
}

// createSecondClient registers the second of the suite's two clients, with EC keys.
func (mt *moduleTest) createSecondClient() testClient {
	mt.t.Helper()
	return mt.createFAPIClient(newES256("k2"), newES256(""), callback+"?dummy1=lorem&dummy2=ipsum")
}

// fapiRequest returns an authorization request with PKCE.
func (mt *moduleTest) fapiRequest(c testClient, more ...string) url.Values {
	return setParams(mt.authorizationRequest(c, "code_challenge", sha256Base64(verifier), "code_challenge_method", "S256"), more...)
}

// pushRequest pushes an authorization request.
func (mt *moduleTest) pushRequest(c testClient, v url.Values, opts ...servertest.RequestOption) servertest.Response {
	mt.t.Helper()
	form := url.Values{}
	for name := range v {
		form[name] = v[name]
	}
	if mt.signedRequests {
		form = url.Values{"client_id": v["client_id"], "request": {c.key.sign(mt.t, mt.requestObject(c, v), nil)}}
	}
	opts = append(opts, mt.authenticate(c, form)...)
	return mt.postForm(oidc.PushedPath, form, opts...)
}

// requireRequestURI returns the request_uri of a response of the PAR endpoint.
func (mt *moduleTest) requireRequestURI(r servertest.Response) string {
	mt.t.Helper()
	var p struct {
		URI       string `json:"request_uri"`
		ExpiresIn int64  `json:"expires_in"`
	}
	r.Want(mt.t, 201).Decode(mt.t, &p)
	if !strings.HasPrefix(p.URI, "urn:ietf:params:oauth:request_uri:") || entropy(p.URI) < 128 || p.ExpiresIn < 5 || p.ExpiresIn > 600 || !isJSON(r) {
		mt.t.Errorf("pushed: %s", r.Body)
	}
	return p.URI
}

// openRequestURI opens the authorization request for a pushed request. Like the suite, it
// repeats some parameters, which have no effect.
func (mt *moduleTest) openRequestURI(c testClient, v url.Values, uri string, more ...string) *servertest.Page {
	mt.t.Helper()
	return mt.openAuthorization(setParams(url.Values{"client_id": {c.id}, "request_uri": {uri}, "scope": v["scope"], "response_type": v["response_type"], "redirect_uri": v["redirect_uri"]}, more...))
}

// obtainFAPICode pushes a request and returns its code.
func (mt *moduleTest) obtainFAPICode(c testClient, v url.Values, opts ...servertest.RequestOption) string {
	mt.t.Helper()
	return mt.requireCode(v, mt.completePages(mt.openRequestURI(c, v, mt.requireRequestURI(mt.pushRequest(c, v, opts...)))))
}

// redeemFAPI redeems a code and uses the access token.
func (mt *moduleTest) redeemFAPI(c testClient, v url.Values, code string) tokens {
	mt.t.Helper()
	got := mt.redeem(c, v, code, "code_verifier", verifier)
	if got.header["alg"] != "ES256" {
		mt.t.Errorf("ID Token %v", got.header)
	}
	mt.requestResource(c, got.AccessToken, 200)
	return got
}

func (mt *moduleTest) signInFAPI(c testClient, more ...string) tokens {
	mt.t.Helper()
	v := mt.fapiRequest(c, more...)
	return mt.redeemFAPI(c, v, mt.obtainFAPICode(c, v))
}

const resourceURL = issuer + oidc.UserInfoPath

// requestResource requests userinfo, the resource of the plan, with a valid proof.
func (mt *moduleTest) requestResource(c testClient, access string, statuses ...int) servertest.Response {
	mt.t.Helper()
	return mt.requestResourceWith("DPoP", access, []string{mt.newProof(c.dpop, "GET", resourceURL, access)}, statuses...)
}

func (mt *moduleTest) requestResourceWith(scheme, access string, proofs []string, statuses ...int) servertest.Response {
	mt.t.Helper()
	opts := []servertest.RequestOption{servertest.Header("Authorization", scheme+" "+access)}
	for _, p := range proofs {
		opts = append(opts, servertest.Header("DPoP", p))
	}
	r := mt.Do(mt.t, "GET", oidc.UserInfoPath, nil, opts...)
	if !slices.Contains(statuses, r.Status) || r.Header.Get("Date") == "" {
		mt.t.Errorf("the resource responds %d %s, want %v", r.Status, r.Body, statuses)
	}
	return r
}

func happyFlow(mt *moduleTest) {
	first, second := mt.createFirstClient(), mt.createSecondClient()
	got := mt.signInFAPI(first)
	if r := mt.Do(mt.t, "GET", oidc.UserInfoPath+"?access_token="+url.QueryEscape(got.AccessToken), nil,
		servertest.Header("DPoP", mt.newProof(first.dpop, "GET", resourceURL, got.AccessToken))); r.Status < 400 || r.Status > 499 {
		mt.t.Errorf("a token in the address: %d", r.Status)
	}
	for _, accept := range []string{"application/json;charset=UTF-8", "application/json, application/*+json, */*"} {
		mt.Do(mt.t, "GET", oidc.UserInfoPath, nil, servertest.Header("Accept", accept), servertest.Header("Authorization", "DPoP "+got.AccessToken),
			servertest.Header("DPoP", mt.newProof(first.dpop, "GET", resourceURL, got.AccessToken))).Want(mt.t, 200)
	}
	// The second has a query in its redirect URI, and names its key without proving it yet.
	v := mt.fapiRequest(second, "dpop_jkt", second.dpop.thumbprint())
	other := mt.redeemFAPI(second, v, mt.obtainFAPICode(second, v))
	mt.requestResourceWith("DPoP", other.AccessToken, []string{mt.newProof(first.dpop, "GET", resourceURL, other.AccessToken)}, 401)
}

func userRejects(mt *moduleTest) {
	c := mt.createFirstClient()
	v := mt.fapiRequest(c)
	p := mt.openRequestURI(c, v, mt.requireRequestURI(mt.pushRequest(c, v)))
	if p.Want(mt.t, 200).Has("password") {
		p = mt.b.Press("submit", "email", person, "password", servertest.Password)
	}
	if !p.Want(mt.t, 200).Has("deny") {
		mt.t.Fatalf("nothing to refuse: %s", p.Text())
	}
	mt.requireErrorResponse(v, mt.b.Press("deny"), "access_denied")
}

func identityClaims(mt *moduleTest) {
	c := mt.createFirstClient()
	names := `"name":null,"email":{"essential":true},"email_verified":null,"updated_at":{"essential":false},"x_unknown":{"value":"9"}`
	v := mt.fapiRequest(c, "claims", `{"id_token":{`+names+`},"userinfo":{`+names+`},"elsewhere":{"x":null}}`)
	got := mt.redeemWithName(c, v)
	var info object
	mt.requestResource(c, got.AccessToken, 200).Decode(mt.t, &info)
	if info["sub"] != got.id["sub"] {
		mt.t.Errorf("userinfo %v", info)
	}
	mt.requireStandardClaims(info, "profile email")
	mt.requireStandardClaims(got.id, "profile email")
}

// redeemWithName redeems a code for an ID Token that may have a name.
func (mt *moduleTest) redeemWithName(c testClient, v url.Values) (got tokens) {
	mt.t.Helper()
	r := mt.requestToken(c, redemptionForm(c, mt.obtainFAPICode(c, v), "code_verifier", verifier))
	r.Want(mt.t, 200).Decode(mt.t, &got)
	got.header, got.id = mt.verifyJWT(got.IDToken)
	return got
}

// requireOutsideIgnored sends parameters next to the request_uri that differ from the pushed
// ones.
func (mt *moduleTest) requireOutsideIgnored(more ...string) {
	mt.t.Helper()
	c := mt.createFirstClient()
	v := mt.fapiRequest(c)
	mt.redeemFAPI(c, v, mt.requireCode(v, mt.completePages(mt.openRequestURI(c, v, mt.requireRequestURI(mt.pushRequest(c, v)), more...))))
}

func stateOutside(mt *moduleTest) {
	c := mt.createFirstClient()
	v := mt.fapiRequest(c, "state", "")
	mt.redeemFAPI(c, v, mt.requireCode(v, mt.completePages(mt.openRequestURI(c, v, mt.requireRequestURI(mt.pushRequest(c, v)), "state", rand.Text()))))
}

// requirePushRefused fails the test unless the pushed request is refused with the code.
func (mt *moduleTest) requirePushRefused(code string, more ...string) {
	mt.t.Helper()
	c := mt.createFirstClient()
	mt.wantError(mt.pushRequest(c, mt.fapiRequest(c, more...)), 400, code)
}

// fapiPushed are the modules about pushed requests and PKCE.
var fapiPushed = []module{
	{"par-ensure-reused-request-uri-prior-to-auth-completion-succeeds", reusedBefore},
	{"par-attempt-reuse-request_uri", reusedAfter},
	{"par-attempt-to-use-expired-request_uri", func(mt *moduleTest) {
		c := mt.createFirstClient()
		v := mt.fapiRequest(c)
		uri := mt.requireRequestURI(mt.pushRequest(c, v))
		mt.Clock.Advance(61 * time.Second)
		mt.requireRequestURIRefused(c, v, uri)
	}},
	{"par-attempt-to-use-request_uri-for-different-client", func(mt *moduleTest) {
		c, other := mt.createFirstClient(), mt.createSecondClient()
		v := mt.fapiRequest(c)
		uri := mt.requireRequestURI(mt.pushRequest(c, v))
		mt.requireRequestURIRefused(other, v, uri)
		mt.redeemFAPI(c, v, mt.requireCode(v, mt.completePages(mt.openRequestURI(c, v, uri))))
	}},
	{"par-authorization-request-containing-request_uri-form-param", func(mt *moduleTest) {
		mt.requirePushRefused("invalid_request", "request_uri", "urn:ietf:params:oauth:request_uri:"+rand.Text())
	}},
	{"par-attempt-invalid-http-method", func(mt *moduleTest) {
		for _, method := range []string{"PUT", "GET"} {
			if r := mt.Do(mt.t, method, oidc.PushedPath, mt.fapiRequest(mt.createFirstClient()).Encode(), servertest.Header("Content-Type", "application/x-www-form-urlencoded")); r.Status != 405 {
				mt.t.Errorf("%s: %d", method, r.Status)
			}
		}
	}},
	{"par-ensure-pkce-required", func(mt *moduleTest) {
		mt.requirePushRefused("invalid_request", "code_challenge", "", "code_challenge_method", "")
	}},
	{"par-ensure-pkce-code-verifier-required", func(mt *moduleTest) { mt.requireVerifierRefused("") }},
	{"par-incorrect-pkce-code-verifier-rejected", func(mt *moduleTest) { mt.requireVerifierRefused(strings.Repeat("another-", 6)) }},
	{"par-plain-pkce-rejected", func(mt *moduleTest) {
		mt.requirePushRefused("invalid_request", "code_challenge", verifier, "code_challenge_method", "plain")
		mt.requirePushRefused("invalid_request", "code_challenge", sha256Base64(verifier), "code_challenge_method", "")
	}},
	{"par-without-duplicate-parameters", func(mt *moduleTest) {
		c := mt.createFirstClient()
		v := mt.fapiRequest(c)
		p := mt.openAuthorization(url.Values{"client_id": {c.id}, "request_uri": {mt.requireRequestURI(mt.pushRequest(c, v))}})
		mt.redeemFAPI(c, v, mt.requireCode(v, mt.completePages(p)))
	}},
	{"ensure-invalid-client-assertions-fail", invalidAssertions},
	{"par-ensure-jwt-client-assertion-with-iat-and-nbf-8-seconds-in-the-future-is-accepted", func(mt *moduleTest) {
		now := mt.Clock.Now().Unix()
		mt.pushWithChangedAssertion(201, object{"iat": now + 8, "nbf": now + 8})
	}},
}

func reusedBefore(mt *moduleTest) {
	c := mt.createFirstClient()
	v := mt.fapiRequest(c)
	uri := mt.requireRequestURI(mt.pushRequest(c, v))
	if p := mt.openRequestURI(c, v, uri).Want(mt.t, 200); !p.Has("password") {
		mt.t.Fatalf("no login page: %s", p.Text())
	}
	mt.redeemFAPI(c, v, mt.requireCode(v, mt.completePages(mt.openRequestURI(c, v, uri))))
}

func reusedAfter(mt *moduleTest) {
	c := mt.createFirstClient()
	v := mt.fapiRequest(c)
	uri := mt.requireRequestURI(mt.pushRequest(c, v))
	mt.redeemFAPI(c, v, mt.requireCode(v, mt.completePages(mt.openRequestURI(c, v, uri))))
	mt.requireRequestURIRefused(c, v, uri)
}

// requireRequestURIRefused fails the test unless the request_uri leads to an error page, or to
// the client with an error if the request names the redirect URI.
func (mt *moduleTest) requireRequestURIRefused(c testClient, v url.Values, uri string) {
	mt.t.Helper()
	if p := mt.openRequestURI(c, v, uri); p.Away {
		if got := p.Answer(mt.t); got.Get("error") != "invalid_request_uri" || got.Has("code") {
			mt.t.Errorf("response %v", got)
		}
	} else {
		mt.requireErrorPage(p)
	}
	mt.requireErrorPage(mt.openAuthorization(url.Values{"client_id": {c.id}, "request_uri": {uri}}))
}

// requireVerifierRefused fails the test unless a code is refused with the code_verifier.
func (mt *moduleTest) requireVerifierRefused(with string) {
	mt.t.Helper()
	c := mt.createFirstClient()
	v := mt.fapiRequest(c)
	mt.wantError(mt.requestToken(c, redemptionForm(c, mt.obtainFAPICode(c, v), "code_verifier", with)), 400, "invalid_grant")
}

// pushWithChangedAssertion pushes a request with a changed client assertion.
func (mt *moduleTest) pushWithChangedAssertion(status int, changes ...object) {
	mt.t.Helper()
	c := mt.createFirstClient()
	mt.pushWithAssertion(c, status, c.key.sign(mt.t, mt.assertionClaims(c, changes...), nil), assertionType)
}

// pushWithAssertion pushes a request with the client assertion and checks the status.
func (mt *moduleTest) pushWithAssertion(c testClient, status int, assertion, kind string) {
	mt.t.Helper()
	v := mt.fapiRequest(c, "client_assertion", assertion, "client_assertion_type", kind)
	if r := mt.postForm(oidc.PushedPath, v); status == 201 {
		r.Want(mt.t, status)
	} else if r.Status == 400 {
		mt.wantError(r, 400, "invalid_request")
	} else {
		mt.wantError(r, 401, "invalid_client")
	}
}

// invalidAssertions also covers earlier modules with one case each: audiences, exp, sub and
// RS256.
func invalidAssertions(mt *moduleTest) {
	c := mt.createFirstClient()
	now := mt.Clock.Now().Unix()
	for name, changes := range map[string]object{
		"no sub": {"sub": nil}, "wrong sub": {"sub": "x" + c.id}, "no iss": {"iss": nil}, "wrong iss": {"iss": "x" + c.id}, "no aud": {"aud": nil},
		"unrelated aud": {"aud": "https://other.example.test"}, "PAR endpoint": {"aud": issuer + oidc.PushedPath}, "token endpoint": {"aud": tokenEndpoint},
		"a list of two": {"aud": []string{issuer, "https://other.example.test"}}, "list with PAR endpoint": {"aud": []string{issuer + oidc.PushedPath}},
		"expired": {"iat": now - 600, "exp": now - 300}, "future": {"iat": now + 70, "nbf": now + 70, "exp": now + 130}, "no jti": {"jti": nil}, "no exp": {"exp": nil},
	} {
		if mt.pushWithChangedAssertion(401, changes); mt.t.Failed() {
			mt.t.Fatal(name)
		}
	}
	claims := func() object { return mt.assertionClaims(c) }
	fine := func() string { return c.key.sign(mt.t, claims(), nil) }
	mt.pushWithAssertion(c, 401, c.key.withAlgorithm(jose.RS256).sign(mt.t, claims(), nil), assertionType)
	mt.pushWithAssertion(c, 401, unsignedJWT(claims()), assertionType)
	mt.pushWithAssertion(c, 401, breakSignature(fine()), assertionType)
	mt.pushWithAssertion(c, 401, newES256("k1").sign(mt.t, claims(), nil), assertionType)
	mt.pushWithAssertion(c, 401, c.key.sign(mt.t, claims(), object{"typ": "dpop+jwt"}), assertionType)
	mt.pushWithAssertion(c, 400, fine(), "")
	mt.pushWithAssertion(c, 400, fine(), "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")
	mt.pushWithAssertion(c, 401, "", "")
	once := fine()
	mt.pushWithAssertion(c, 201, once, assertionType)
	mt.pushWithAssertion(c, 401, once, assertionType)
}
