package conformance_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// basicModules is oidcc-basic-certification-test-plan. The plan for form_post has the same
// modules.
var basicModules = []module{
	{"oidcc-server", testServer},
	{"oidcc-response-type-missing", responseTypeMissing},
	{"oidcc-idtoken-signature", idTokenSignature},
	{"oidcc-idtoken-unsigned", notOffered("id_token_signing_alg_values_supported", "none")},
	{"oidcc-userinfo-get", func(mt *moduleTest) { mt.signIn(mt.registerClient()) }},
	{"oidcc-userinfo-post-header", userInfoPostHeader},
	{"oidcc-userinfo-post-body", userInfoPostBody},
	{"oidcc-ensure-request-without-nonce-succeeds-for-code-flow", func(mt *moduleTest) { mt.obtainCode(mt.authorizationRequest(mt.registerClient(), "nonce", "")) }},
	{"oidcc-scope-profile", testScope("openid profile")},
	{"oidcc-scope-email", testScope("openid email")},
	{"oidcc-scope-address", notOffered("scopes_supported", "address")},
	{"oidcc-scope-phone", notOffered("scopes_supported", "phone")},
	{"oidcc-scope-all", notOffered("scopes_supported", "address")},
	{"oidcc-ensure-other-scope-order-succeeds", otherOrder},
	{"oidcc-alternate-happy-flow", otherOrder},
	{"oidcc-display-page", withParameter("display", "page")},
	{"oidcc-display-popup", withParameter("display", "popup")},
	{"oidcc-prompt-login", promptLogin},
	{"oidcc-prompt-none-not-logged-in", promptNoneNotLoggedIn},
	{"oidcc-prompt-none-logged-in", promptNoneLoggedIn},
	{"oidcc-max-age-1", maxAge1},
	{"oidcc-max-age-10000", maxAge10000},
	{"oidcc-ensure-request-with-unknown-parameter-succeeds", withParameter("extra", "foobar")},
	{"oidcc-id-token-hint", idTokenHint},
	{"oidcc-login-hint", withParameter("login_hint", "buffy@op.example.test")},
	{"oidcc-ui-locales", withParameter("ui_locales", "se")},
	{"oidcc-claims-locales", withParameter("claims_locales", "se")},
	{"oidcc-ensure-request-with-acr-values-succeeds", withParameter("acr_values", "1 2")},
	{"oidcc-codereuse", func(mt *moduleTest) { codeReuse(mt, 0) }},
	{"oidcc-codereuse-30seconds", func(mt *moduleTest) { codeReuse(mt, 30*time.Second) }},
	{"oidcc-ensure-registered-redirect-uri", registeredRedirectURI},
	{"oidcc-ensure-post-request-succeeds", postRequest},
	{"oidcc-server-client-secret-post", func(mt *moduleTest) { mt.method = auth.AuthSecretPost; testServer(mt) }},
	{"oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported", notOffered("request_object_signing_alg_values_supported", "none")},
	{"oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported", notOffered("request_object_signing_alg_values_supported", "none")},
	{"oidcc-claims-essential", claimsEssential},
	{"oidcc-ensure-request-object-with-redirect-uri", notOffered("request_object_signing_alg_values_supported", "none")},
	{"oidcc-refresh-token", refreshToken},
	{"oidcc-ensure-request-with-valid-pkce-succeeds", validPKCE},
}

func TestBasicPlan(t *testing.T) {
	t.Parallel()
	t.Run("static_client", func(t *testing.T) {
		t.Parallel()
		run(t, newProvider(t), variant{method: auth.AuthSecretBasic}, basicModules)
	})
	t.Run("dynamic_client", func(t *testing.T) {
		t.Parallel()
		run(t, newProvider(t), variant{method: auth.AuthSecretBasic, dynamic: true}, basicModules)
	})
}

func TestFormPostBasicPlan(t *testing.T) {
	t.Parallel()
	run(t, newProvider(t), variant{method: auth.AuthSecretBasic, responseMode: "form_post"}, basicModules)
}

// withParameter returns a module that adds one parameter, which must have no effect.
func withParameter(name, value string) func(*moduleTest) {
	return func(mt *moduleTest) { mt.t.Helper(); mt.signIn(mt.registerClient(), name, value) }
}

func testServer(mt *moduleTest) { mt.signIn(mt.registerClient()) }

func responseTypeMissing(mt *moduleTest) {
	v := mt.authorizationRequest(mt.registerClient(), "response_type", "")
	p := mt.continueToClient(mt.openAuthorization(v))
	if !p.Away && p.Status == 200 { // the form of form_post
		p = mt.b.Press("submit")
	}
	mt.requireErrorResponse(v, p, "invalid_request", "unsupported_response_type")
}

func idTokenSignature(mt *moduleTest) {
	if got := mt.signIn(mt.registerClient()); got.header["alg"] != "RS256" {
		mt.t.Errorf("header %v", got.header)
	}
}

func userInfoPostHeader(mt *moduleTest) {
	got := mt.signIn(mt.registerClient())
	r := mt.Do(mt.t, "POST", oidc.UserInfoPath, nil, servertest.Bearer(got.AccessToken)).Want(mt.t, 200)
	mt.requireSameSubject(r, got)
}

func userInfoPostBody(mt *moduleTest) {
	got := mt.signIn(mt.registerClient())
	mt.requireSameSubject(mt.postForm(oidc.UserInfoPath, url.Values{"access_token": {got.AccessToken}}).Want(mt.t, 200), got)
}

func (mt *moduleTest) requireSameSubject(r servertest.Response, got tokens) {
	mt.t.Helper()
	var info object
	if r.Decode(mt.t, &info); info["sub"] != got.id["sub"] || !isJSON(r) {
		mt.t.Errorf("userinfo: %s", r.Body)
	}
}

// testScope returns a module that requests scopes and checks their claims in userinfo.
func testScope(scopes string) func(*moduleTest) {
	return func(mt *moduleTest) {
		mt.t.Helper()
		for _, s := range splitWords(scopes) {
			if !mt.supports("scopes_supported", s) {
				mt.t.Errorf("%s is not supported", s)
			}
		}
		mt.requireStandardClaims(mt.requestUserInfo(mt.signIn(mt.registerClient(), "scope", scopes).AccessToken), scopes)
	}
}

func (mt *moduleTest) requireStandardClaims(info object, scopes string) {
	mt.t.Helper()
	if strings.Contains(scopes, "email") && (info["email"] != person || info["email_verified"] != true) {
		mt.t.Errorf("email: %v", info)
	}
	if strings.Contains(scopes, "profile") {
		if at, ok := info["updated_at"].(float64); info["name"] != "Alice Example" || !ok || at > float64(mt.Clock.Now().Unix()) {
			mt.t.Errorf("profile: %v", info)
		}
	} else if info["name"] != nil {
		mt.t.Errorf("a name without the scope profile: %v", info)
	}
}

func otherOrder(mt *moduleTest) {
	mt.requireStandardClaims(mt.requestUserInfo(mt.signIn(mt.registerClient(), "scope", "email openid").AccessToken), "email")
}

// signInAgain sends a second authorization request from the same browser. signIn says whether
// it must show the login page.
func (mt *moduleTest) signInAgain(c testClient, signIn bool, more ...string) tokens {
	mt.t.Helper()
	v := mt.authorizationRequest(c, more...)
	p := mt.openAuthorization(v)
	if shown := !p.Away && p.Has("password"); shown != signIn {
		mt.t.Errorf("a login page: %v at %s", shown, p.URL)
	}
	return mt.redeem(c, v, mt.requireCode(v, mt.completePages(p)))
}

// requireSameSignIn fails the test unless both ID Tokens have the same subject and auth_time.
func (mt *moduleTest) requireSameSignIn(a, b tokens) {
	mt.t.Helper()
	if a.id["sub"] != b.id["sub"] || a.id["auth_time"] != b.id["auth_time"] {
		mt.t.Errorf("another sign-in: %v %v", a.id, b.id)
	}
}

func promptLogin(mt *moduleTest) {
	c := mt.registerClient()
	first := mt.signIn(c)
	mt.Clock.Advance(time.Second)
	second := mt.signInAgain(c, true, "prompt", "login")
	if a, b := first.id["auth_time"].(float64), second.id["auth_time"].(float64); b <= a {
		mt.t.Errorf("auth_time %v, then %v", a, b)
	}
}

func promptNoneNotLoggedIn(mt *moduleTest) {
	c := mt.registerClient()
	mt.requireLoginRequired(c)
}

// requireLoginRequired fails the test unless a request with prompt=none is refused because no
// one is signed in.
func (mt *moduleTest) requireLoginRequired(c testClient) {
	mt.t.Helper()
	v := mt.authorizationRequest(c, "prompt", "none", "state", strings.Repeat("s-Tate_~", 16))
	p := mt.continueToClient(mt.openAuthorization(v))
	if !p.Away && p.Has("submit") && !p.Has("password") { // the form of form_post
		p = mt.b.Press("submit")
	}
	mt.requireErrorResponse(v, p, "login_required", "interaction_required", "account_selection_required", "consent_required")
}

func promptNoneLoggedIn(mt *moduleTest) {
	c := mt.registerClient()
	first := mt.signIn(c)
	mt.Clock.Advance(time.Second)
	mt.requireSameSignIn(first, mt.signInAgain(c, false, "prompt", "none"))
}

func maxAge1(mt *moduleTest) {
	c := mt.registerClient()
	first := mt.signIn(c)
	mt.Clock.Advance(2 * time.Second)
	second := mt.signInAgain(c, true, "max_age", "1")
	now := float64(mt.Clock.Now().Unix())
	if a, b := first.id["auth_time"].(float64), second.id["auth_time"].(float64); b <= a || b > now || b < now-1 {
		mt.t.Errorf("auth_time %v, then %v", a, b)
	}
}

func maxAge10000(mt *moduleTest) {
	c := mt.registerClient()
	first := mt.signIn(c, "max_age", "15000")
	mt.Clock.Advance(time.Second)
	second := mt.signInAgain(c, false, "max_age", "10000")
	if mt.requireSameSignIn(first, second); second.id["auth_time"] == nil {
		mt.t.Error("no auth_time")
	}
}

func idTokenHint(mt *moduleTest) {
	c := mt.registerClient()
	first := mt.signIn(c)
	mt.Clock.Advance(time.Second)
	mt.requireSameSignIn(first, mt.signInAgain(c, false, "prompt", "none", "id_token_hint", first.IDToken))
}

func codeReuse(mt *moduleTest, after time.Duration) {
	c := mt.registerClient()
	v := mt.authorizationRequest(c)
	code := mt.obtainCode(v)
	got := mt.redeem(c, v, code)
	mt.Clock.Advance(after)
	mt.wantError(mt.requestToken(c, redemptionForm(c, code)), 400, "invalid_grant")
	if r := mt.Do(mt.t, "GET", oidc.UserInfoPath, nil, servertest.Bearer(got.AccessToken)); r.Status < 400 || r.Status > 499 {
		mt.t.Errorf("the access token still works: %d", r.Status)
	}
}

func registeredRedirectURI(mt *moduleTest) {
	c := mt.registerClient()
	mt.requireErrorPage(mt.openAuthorization(mt.authorizationRequest(c, "redirect_uri", c.redirect+"/N0tRegistered")))
}

func postRequest(mt *moduleTest) {
	c := mt.registerClient()
	v := mt.authorizationRequest(c)
	code := mt.requireCode(v, mt.completePages(mt.b.Post(oidc.AuthorizePath, v, "https://suite.example.test")))
	mt.redeem(c, v, code)
	// The suite's own browser knows no SameSite and sends no headers of Fetch.
	v = mt.authorizationRequest(c)
	p := mt.b.Post(oidc.AuthorizePath, v, "")
	mt.redeem(c, v, mt.requireCode(v, mt.completePages(p)))
}

func claimsEssential(mt *moduleTest) {
	c := mt.registerClient()
	v := mt.authorizationRequest(c, "claims", `{"userinfo":{"name":{"essential":true}}}`)
	got := mt.redeem(c, v, mt.obtainCode(v))
	if info := mt.requestUserInfo(got.AccessToken); info["name"] != "Alice Example" || info["sub"] != got.id["sub"] {
		mt.t.Errorf("userinfo %v", info)
	}
}

func refreshToken(mt *moduleTest) {
	if !mt.supports("scopes_supported", "offline_access") || !mt.supports("grant_types_supported", "refresh_token") {
		mt.t.Fatal("without offline_access the module is skipped")
	}
	change := object{"grant_types": []string{"authorization_code", "refresh_token"}}
	first, second := mt.registerClient(change), mt.registerClient(change)
	mt.signInAndRefresh(first)
	got := mt.signInAndRefresh(second)
	mt.wantError(mt.requestToken(first, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.RefreshToken}, "scope": {"openid offline_access"}}), 400, "invalid_grant")
}

// signInAndRefresh signs in with offline access and refreshes the tokens.
func (mt *moduleTest) signInAndRefresh(c testClient) tokens {
	mt.t.Helper()
	v := mt.authorizationRequest(c, "scope", "openid offline_access", "prompt", "consent")
	first := mt.redeem(c, v, mt.obtainCode(v))
	if first.RefreshToken == "" {
		mt.t.Fatal("no refresh token")
	}
	mt.Clock.Advance(time.Second)
	second := mt.requireTokens(c, mt.requestToken(c, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.RefreshToken}, "scope": {"openid offline_access"}}))
	mt.requireSameIDToken(first, second)
	mt.requestUserInfo(second.AccessToken)
	if second.RefreshToken == "" {
		second.RefreshToken = first.RefreshToken
	}
	return second
}

// requireSameIDToken checks a refreshed ID Token against the first one (OpenID Connect Core
// §12.2).
func (mt *moduleTest) requireSameIDToken(first, second tokens) {
	mt.t.Helper()
	if second.IDToken == "" || first.AccessToken == second.AccessToken || first.id["iat"] == second.id["iat"] {
		mt.t.Errorf("nothing new: %v %v", first.id, second.id)
	}
	for _, name := range []string{"iss", "sub", "aud", "auth_time", "azp"} {
		if first.id[name] != second.id[name] {
			mt.t.Errorf("%s was %v, is %v", name, first.id[name], second.id[name])
		}
	}
}

func validPKCE(mt *moduleTest) {
	c := mt.registerClient()
	v := mt.authorizationRequest(c, "code_challenge", sha256Base64(verifier), "code_challenge_method", "S256")
	mt.redeem(c, v, mt.obtainCode(v), "code_verifier", verifier)
}
