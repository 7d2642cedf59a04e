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
// TestConfigPlan. What the modules ask of TLS belongs to whatever ends it.
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
	{"ensure-authorization-request-without-state-success", func(l *lab) { l.signInStrictly(l.first(), "state", "") }},
	{"ensure-authorization-request-without-nonce-success", func(l *lab) { l.signInStrictly(l.first(), "nonce", "") }},
	{"ensure-authorization-request-with-64-char-nonce-success", func(l *lab) { l.signInStrictly(l.first(), "nonce", strings.Repeat("n", 64)) }},
	{"ensure-other-scope-order-succeeds", func(l *lab) { l.signInStrictly(l.first(), "scope", "offline_access email openid") }},
	{"test-claims-parameter-identity-claims", identityClaims},
	{"ensure-authorization-request-with-long-nonce", func(l *lab) { l.signInStrictly(l.first(), "nonce", strings.Repeat("0123456789abcdef", 24)) }},
	{"ensure-authorization-request-with-long-state", func(l *lab) { l.signInStrictly(l.first(), "state", strings.Repeat("0123456789abcdef", 64)) }},
	{"ensure-different-nonce-inside-and-outside-request-object", func(l *lab) { l.besides("nonce", "another") }},
	{"ensure-different-state-inside-and-outside-request-object", func(l *lab) { l.besides("state", "another") }},
	{"state-only-outside-request-object-not-used", stateOutside},
	{"ensure-request-object-without-redirect-uri-fails", func(l *lab) { l.notPushed("invalid_request", "redirect_uri", "") }},
	{"ensure-registered-redirect-uri", func(l *lab) { l.notPushed("invalid_request", "redirect_uri", callback+"/N0tRegistered") }},
	{"plain-fapi-tolerate-unregistered-redirect-uri", func(l *lab) { l.notPushed("invalid_request", "redirect_uri", callback+"/N0tRegistered") }},
	{"ensure-redirect-uri-in-authorization-request", func(l *lab) { l.notPushed("invalid_request", "redirect_uri", "") }},
	{"ensure-response-type-code-idtoken-fails", func(l *lab) { l.notPushed("unsupported_response_type", "response_type", "code id_token") }},
	{"ensure-response-type-token-fails", func(l *lab) { l.notPushed("unsupported_response_type", "response_type", "token") }},
	{"ensure-unsigned-authorization-request-without-using-par-fails", func(l *lab) {
		v := l.strictRequest(l.first())
		l.errorAt(v, l.open(v), "invalid_request")
	}},
}

// strict is a client that is held to the profile.
func (l *lab) strict(k, dpop key, redirect string) testClient {
	l.t.Helper()
	c := testClient{method: l.method, audience: issuer, key: k, dpop: dpop, scope: "openid email offline_access"}
	return l.enrol(c, client.Registration{Name: "FAPI", Type: auth.ClientWeb, RedirectURIs: []string{redirect}, ClientSettings: auth.ClientSettings{
		Auth: l.method, JWKS: k.jwks(), DPoP: true, RequirePushed: true, IDTokenAlgorithm: "ES256"}})
}

// first and second are the suite's two clients: the first signs as RSA keys do, and the
// suite has RSA keys for its proofs.
func (l *lab) first() testClient {
	l.t.Helper()
	return l.strict(rsaKey(0, "k1", jose.PS256), rsaKey(1, "", jose.PS256), callback)
}

func (l *lab) second() testClient {
	l.t.Helper()
	return l.strict(newES256("k2"), newES256(""), callback+"?dummy1=lorem&dummy2=ipsum")
}

// strictRequest is request with PKCE.
func (l *lab) strictRequest(c testClient, more ...string) url.Values {
	return pairs(l.request(c, "code_challenge", digest(verifier), "code_challenge_method", "S256"), more...)
}

// push pushes a request.
func (l *lab) push(c testClient, v url.Values, opts ...servertest.RequestOption) servertest.Response {
	l.t.Helper()
	form := url.Values{}
	for name := range v {
		form[name] = v[name]
	}
	if l.signed {
		form = url.Values{"client_id": v["client_id"], "request": {c.key.sign(l.t, l.requestObject(c, v), nil)}}
	}
	opts = append(opts, l.prove(c, form)...)
	return l.post(oidc.PushedPath, form, opts...)
}

// pushed is the address of a pushed request.
func (l *lab) pushed(r servertest.Response) string {
	l.t.Helper()
	var p struct {
		URI       string `json:"request_uri"`
		ExpiresIn int64  `json:"expires_in"`
	}
	r.Want(l.t, 201).Decode(l.t, &p)
	if !strings.HasPrefix(p.URI, "urn:ietf:params:oauth:request_uri:") || entropy(p.URI) < 128 || p.ExpiresIn < 5 || p.ExpiresIn > 600 || !isJSON(r) {
		l.t.Errorf("pushed: %s", r.Body)
	}
	return p.URI
}

// refer is the authorization request for what was pushed. As the suite does, it repeats
// some of it, which does not count.
func (l *lab) refer(c testClient, v url.Values, uri string, more ...string) *servertest.Page {
	l.t.Helper()
	return l.open(pairs(url.Values{"client_id": {c.id}, "request_uri": {uri}, "scope": v["scope"], "response_type": v["response_type"], "redirect_uri": v["redirect_uri"]}, more...))
}

// strictCode goes the whole way with a pushed request.
func (l *lab) strictCode(c testClient, v url.Values, opts ...servertest.RequestOption) string {
	l.t.Helper()
	return l.codeAt(v, l.through(l.refer(c, v, l.pushed(l.push(c, v, opts...)))))
}

// strictly redeems a code and uses the access token.
func (l *lab) strictly(c testClient, v url.Values, code string) tokens {
	l.t.Helper()
	got := l.redeem(c, v, code, "code_verifier", verifier)
	if got.header["alg"] != "ES256" {
		l.t.Errorf("ID Token %v", got.header)
	}
	l.resource(c, got.AccessToken, 200)
	return got
}

func (l *lab) signInStrictly(c testClient, more ...string) tokens {
	l.t.Helper()
	v := l.strictRequest(c, more...)
	return l.strictly(c, v, l.strictCode(c, v))
}

const resourceURL = issuer + oidc.UserInfoPath

// resource asks userinfo, as the resource of the plan, with a good proof.
func (l *lab) resource(c testClient, access string, statuses ...int) servertest.Response {
	l.t.Helper()
	return l.resourceBy("DPoP", access, []string{l.proof(c.dpop, "GET", resourceURL, access)}, statuses...)
}

func (l *lab) resourceBy(scheme, access string, proofs []string, statuses ...int) servertest.Response {
	l.t.Helper()
	opts := []servertest.RequestOption{servertest.Header("Authorization", scheme+" "+access)}
	for _, p := range proofs {
		opts = append(opts, servertest.Header("DPoP", p))
	}
	r := l.Do(l.t, "GET", oidc.UserInfoPath, nil, opts...)
	if !slices.Contains(statuses, r.Status) || r.Header.Get("Date") == "" {
		l.t.Errorf("the resource answers %d %s, want %v", r.Status, r.Body, statuses)
	}
	return r
}

func happyFlow(l *lab) {
	first, second := l.first(), l.second()
	got := l.signInStrictly(first)
	if r := l.Do(l.t, "GET", oidc.UserInfoPath+"?access_token="+url.QueryEscape(got.AccessToken), nil,
		servertest.Header("DPoP", l.proof(first.dpop, "GET", resourceURL, got.AccessToken))); r.Status < 400 || r.Status > 499 {
		l.t.Errorf("a token in the address: %d", r.Status)
	}
	for _, accept := range []string{"application/json;charset=UTF-8", "application/json, application/*+json, */*"} {
		l.Do(l.t, "GET", oidc.UserInfoPath, nil, servertest.Header("Accept", accept), servertest.Header("Authorization", "DPoP "+got.AccessToken),
			servertest.Header("DPoP", l.proof(first.dpop, "GET", resourceURL, got.AccessToken))).Want(l.t, 200)
	}
	// The second has a query in its redirect URI, and names its key without proving it yet.
	v := l.strictRequest(second, "dpop_jkt", second.dpop.thumbprint())
	other := l.strictly(second, v, l.strictCode(second, v))
	l.resourceBy("DPoP", other.AccessToken, []string{l.proof(first.dpop, "GET", resourceURL, other.AccessToken)}, 401)
}

func userRejects(l *lab) {
	c := l.first()
	v := l.strictRequest(c)
	p := l.refer(c, v, l.pushed(l.push(c, v)))
	if p.Want(l.t, 200).Has("password") {
		p = l.b.Press("submit", "email", person, "password", servertest.Password)
	}
	if !p.Want(l.t, 200).Has("deny") {
		l.t.Fatalf("nothing to refuse: %s", p.Text())
	}
	l.errorAt(v, l.b.Press("deny"), "access_denied")
}

func identityClaims(l *lab) {
	c := l.first()
	names := `"name":null,"email":{"essential":true},"email_verified":null,"updated_at":{"essential":false},"x_unknown":{"value":"9"}`
	v := l.strictRequest(c, "claims", `{"id_token":{`+names+`},"userinfo":{`+names+`},"elsewhere":{"x":null}}`)
	got := l.issuedWithName(c, v)
	var info object
	l.resource(c, got.AccessToken, 200).Decode(l.t, &info)
	if info["sub"] != got.id["sub"] {
		l.t.Errorf("userinfo %v", info)
	}
	l.standardClaims(info, "profile email")
	l.standardClaims(got.id, "profile email")
}

// issuedWithName redeems for an ID Token that may hold a name.
func (l *lab) issuedWithName(c testClient, v url.Values) (got tokens) {
	l.t.Helper()
	r := l.ask(c, redemption(c, l.strictCode(c, v), "code_verifier", verifier))
	r.Want(l.t, 200).Decode(l.t, &got)
	got.header, got.id = l.verified(got.IDToken)
	return got
}

// besides sends something else beside the request_uri than what was pushed.
func (l *lab) besides(more ...string) {
	l.t.Helper()
	c := l.first()
	v := l.strictRequest(c)
	l.strictly(c, v, l.codeAt(v, l.through(l.refer(c, v, l.pushed(l.push(c, v)), more...))))
}

func stateOutside(l *lab) {
	c := l.first()
	v := l.strictRequest(c, "state", "")
	l.strictly(c, v, l.codeAt(v, l.through(l.refer(c, v, l.pushed(l.push(c, v)), "state", rand.Text()))))
}

// notPushed pushes a request that is refused.
func (l *lab) notPushed(code string, more ...string) {
	l.t.Helper()
	c := l.first()
	l.wantError(l.push(c, l.strictRequest(c, more...)), 400, code)
}

// fapiPushed are the modules about pushed requests and PKCE.
var fapiPushed = []module{
	{"par-ensure-reused-request-uri-prior-to-auth-completion-succeeds", reusedBefore},
	{"par-attempt-reuse-request_uri", reusedAfter},
	{"par-attempt-to-use-expired-request_uri", func(l *lab) {
		c := l.first()
		v := l.strictRequest(c)
		uri := l.pushed(l.push(c, v))
		l.Clock.Advance(61 * time.Second)
		l.refusedReference(c, v, uri)
	}},
	{"par-attempt-to-use-request_uri-for-different-client", func(l *lab) {
		c, other := l.first(), l.second()
		v := l.strictRequest(c)
		uri := l.pushed(l.push(c, v))
		l.refusedReference(other, v, uri)
		l.strictly(c, v, l.codeAt(v, l.through(l.refer(c, v, uri))))
	}},
	{"par-authorization-request-containing-request_uri-form-param", func(l *lab) {
		l.notPushed("invalid_request", "request_uri", "urn:ietf:params:oauth:request_uri:"+rand.Text())
	}},
	{"par-attempt-invalid-http-method", func(l *lab) {
		for _, method := range []string{"PUT", "GET"} {
			if r := l.Do(l.t, method, oidc.PushedPath, l.strictRequest(l.first()).Encode(), servertest.Header("Content-Type", "application/x-www-form-urlencoded")); r.Status != 405 {
				l.t.Errorf("%s: %d", method, r.Status)
			}
		}
	}},
	{"par-ensure-pkce-required", func(l *lab) { l.notPushed("invalid_request", "code_challenge", "", "code_challenge_method", "") }},
	{"par-ensure-pkce-code-verifier-required", func(l *lab) { l.notRedeemed("") }},
	{"par-incorrect-pkce-code-verifier-rejected", func(l *lab) { l.notRedeemed(strings.Repeat("another-", 6)) }},
	{"par-plain-pkce-rejected", func(l *lab) {
		l.notPushed("invalid_request", "code_challenge", verifier, "code_challenge_method", "plain")
		l.notPushed("invalid_request", "code_challenge", digest(verifier), "code_challenge_method", "")
	}},
	{"par-without-duplicate-parameters", func(l *lab) {
		c := l.first()
		v := l.strictRequest(c)
		p := l.open(url.Values{"client_id": {c.id}, "request_uri": {l.pushed(l.push(c, v))}})
		l.strictly(c, v, l.codeAt(v, l.through(p)))
	}},
	{"ensure-invalid-client-assertions-fail", invalidAssertions},
	{"par-ensure-jwt-client-assertion-with-iat-and-nbf-8-seconds-in-the-future-is-accepted", func(l *lab) {
		now := l.Clock.Now().Unix()
		l.asserted(201, object{"iat": now + 8, "nbf": now + 8})
	}},
}

func reusedBefore(l *lab) {
	c := l.first()
	v := l.strictRequest(c)
	uri := l.pushed(l.push(c, v))
	if p := l.refer(c, v, uri).Want(l.t, 200); !p.Has("password") {
		l.t.Fatalf("no login page: %s", p.Text())
	}
	l.strictly(c, v, l.codeAt(v, l.through(l.refer(c, v, uri))))
}

func reusedAfter(l *lab) {
	c := l.first()
	v := l.strictRequest(c)
	uri := l.pushed(l.push(c, v))
	l.strictly(c, v, l.codeAt(v, l.through(l.refer(c, v, uri))))
	l.refusedReference(c, v, uri)
}

// refusedReference: a request_uri that is not good leads to a page of ours, or back with
// an error when the request itself says where to.
func (l *lab) refusedReference(c testClient, v url.Values, uri string) {
	l.t.Helper()
	if p := l.refer(c, v, uri); p.Away {
		if got := p.Answer(l.t); got.Get("error") != "invalid_request_uri" || got.Has("code") {
			l.t.Errorf("answer %v", got)
		}
	} else {
		l.errorPage(p)
	}
	l.errorPage(l.open(url.Values{"client_id": {c.id}, "request_uri": {uri}}))
}

// notRedeemed redeems with a verifier that does not fit.
func (l *lab) notRedeemed(with string) {
	l.t.Helper()
	c := l.first()
	v := l.strictRequest(c)
	l.wantError(l.ask(c, redemption(c, l.strictCode(c, v), "code_verifier", with)), 400, "invalid_grant")
}

// asserted pushes a request with a changed assertion.
func (l *lab) asserted(status int, changes ...object) {
	l.t.Helper()
	c := l.first()
	l.shown(c, status, c.key.sign(l.t, l.assertion(c, changes...), nil), assertionType)
}

// shown pushes a request with that for an assertion.
func (l *lab) shown(c testClient, status int, assertion, kind string) {
	l.t.Helper()
	v := l.strictRequest(c, "client_assertion", assertion, "client_assertion_type", kind)
	if r := l.post(oidc.PushedPath, v); status == 201 {
		r.Want(l.t, status)
	} else if r.Status == 400 {
		l.wantError(r, 400, "invalid_request")
	} else {
		l.wantError(r, 401, "invalid_client")
	}
}

// invalidAssertions is also what earlier modules asked one by one, among them those for
// audiences, exp, sub and RS256.
func invalidAssertions(l *lab) {
	c := l.first()
	now := l.Clock.Now().Unix()
	for name, changes := range map[string]object{
		"no sub": {"sub": nil}, "wrong sub": {"sub": "x" + c.id}, "no iss": {"iss": nil}, "wrong iss": {"iss": "x" + c.id}, "no aud": {"aud": nil},
		"unrelated aud": {"aud": "https://other.example.test"}, "PAR endpoint": {"aud": issuer + oidc.PushedPath}, "token endpoint": {"aud": tokenEndpoint},
		"a list of two": {"aud": []string{issuer, "https://other.example.test"}}, "list with PAR endpoint": {"aud": []string{issuer + oidc.PushedPath}},
		"expired": {"iat": now - 600, "exp": now - 300}, "future": {"iat": now + 70, "nbf": now + 70, "exp": now + 130}, "no jti": {"jti": nil}, "no exp": {"exp": nil},
	} {
		if l.asserted(401, changes); l.t.Failed() {
			l.t.Fatal(name)
		}
	}
	claims := func() object { return l.assertion(c) }
	fine := func() string { return c.key.sign(l.t, claims(), nil) }
	l.shown(c, 401, c.key.as(jose.RS256).sign(l.t, claims(), nil), assertionType)
	l.shown(c, 401, unsigned(claims()), assertionType)
	l.shown(c, 401, spoiled(fine()), assertionType)
	l.shown(c, 401, newES256("k1").sign(l.t, claims(), nil), assertionType)
	l.shown(c, 401, c.key.sign(l.t, claims(), object{"typ": "dpop+jwt"}), assertionType)
	l.shown(c, 400, fine(), "")
	l.shown(c, 400, fine(), "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")
	l.shown(c, 401, "", "")
	once := fine()
	l.shown(c, 201, once, assertionType)
	l.shown(c, 401, once, assertionType)
}
