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

// basic is oidcc-basic-certification-test-plan; the plan for form_post has the same.
var basic = []module{
	{"oidcc-server", server},
	{"oidcc-response-type-missing", responseTypeMissing},
	{"oidcc-idtoken-signature", idTokenSignature},
	{"oidcc-idtoken-unsigned", skipped("id_token_signing_alg_values_supported", "none")},
	{"oidcc-userinfo-get", func(l *lab) { l.signIn(l.client()) }},
	{"oidcc-userinfo-post-header", userInfoPostHeader},
	{"oidcc-userinfo-post-body", userInfoPostBody},
	{"oidcc-ensure-request-without-nonce-succeeds-for-code-flow", func(l *lab) { l.code(l.request(l.client(), "nonce", "")) }},
	{"oidcc-scope-profile", scope("openid profile")},
	{"oidcc-scope-email", scope("openid email")},
	{"oidcc-scope-address", skipped("scopes_supported", "address")},
	{"oidcc-scope-phone", skipped("scopes_supported", "phone")},
	{"oidcc-scope-all", skipped("scopes_supported", "address")},
	{"oidcc-ensure-other-scope-order-succeeds", otherOrder},
	{"oidcc-alternate-happy-flow", otherOrder},
	{"oidcc-display-page", plain("display", "page")},
	{"oidcc-display-popup", plain("display", "popup")},
	{"oidcc-prompt-login", promptLogin},
	{"oidcc-prompt-none-not-logged-in", promptNoneNotLoggedIn},
	{"oidcc-prompt-none-logged-in", promptNoneLoggedIn},
	{"oidcc-max-age-1", maxAge1},
	{"oidcc-max-age-10000", maxAge10000},
	{"oidcc-ensure-request-with-unknown-parameter-succeeds", plain("extra", "foobar")},
	{"oidcc-id-token-hint", idTokenHint},
	{"oidcc-login-hint", plain("login_hint", "buffy@op.example.test")},
	{"oidcc-ui-locales", plain("ui_locales", "se")},
	{"oidcc-claims-locales", plain("claims_locales", "se")},
	{"oidcc-ensure-request-with-acr-values-succeeds", plain("acr_values", "1 2")},
	{"oidcc-codereuse", func(l *lab) { codeReuse(l, 0) }},
	{"oidcc-codereuse-30seconds", func(l *lab) { codeReuse(l, 30*time.Second) }},
	{"oidcc-ensure-registered-redirect-uri", registeredRedirectURI},
	{"oidcc-ensure-post-request-succeeds", postRequest},
	{"oidcc-server-client-secret-post", func(l *lab) { l.method = auth.AuthSecretPost; server(l) }},
	{"oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported", skipped("request_object_signing_alg_values_supported", "none")},
	{"oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported", skipped("request_object_signing_alg_values_supported", "none")},
	{"oidcc-claims-essential", claimsEssential},
	{"oidcc-ensure-request-object-with-redirect-uri", skipped("request_object_signing_alg_values_supported", "none")},
	{"oidcc-refresh-token", refreshToken},
	{"oidcc-ensure-request-with-valid-pkce-succeeds", validPKCE},
}

func TestBasicPlan(t *testing.T) {
	t.Parallel()
	t.Run("static_client", func(t *testing.T) {
		t.Parallel()
		run(t, newProvider(t), variant{method: auth.AuthSecretBasic}, basic)
	})
	t.Run("dynamic_client", func(t *testing.T) {
		t.Parallel()
		run(t, newProvider(t), variant{method: auth.AuthSecretBasic, dynamic: true}, basic)
	})
}

func TestFormPostBasicPlan(t *testing.T) {
	t.Parallel()
	run(t, newProvider(t), variant{method: auth.AuthSecretBasic, mode: "form_post"}, basic)
}

// plain is a module that adds one parameter, which must not disturb anything.
func plain(name, value string) func(*lab) {
	return func(l *lab) { l.t.Helper(); l.signIn(l.client(), name, value) }
}

func server(l *lab) { l.signIn(l.client()) }

func responseTypeMissing(l *lab) {
	v := l.request(l.client(), "response_type", "")
	p := l.goOn(l.open(v))
	if !p.Away && p.Status == 200 { // the form of form_post
		p = l.b.Press("submit")
	}
	l.errorAt(v, p, "invalid_request", "unsupported_response_type")
}

func idTokenSignature(l *lab) {
	if got := l.signIn(l.client()); got.header["alg"] != "RS256" {
		l.t.Errorf("header %v", got.header)
	}
}

func userInfoPostHeader(l *lab) {
	got := l.signIn(l.client())
	r := l.Do(l.t, "POST", oidc.UserInfoPath, nil, servertest.Bearer(got.AccessToken)).Want(l.t, 200)
	l.sameSubject(r, got)
}

func userInfoPostBody(l *lab) {
	got := l.signIn(l.client())
	l.sameSubject(l.post(oidc.UserInfoPath, url.Values{"access_token": {got.AccessToken}}).Want(l.t, 200), got)
}

func (l *lab) sameSubject(r servertest.Response, got tokens) {
	l.t.Helper()
	var info object
	if r.Decode(l.t, &info); info["sub"] != got.id["sub"] || !isJSON(r) {
		l.t.Errorf("userinfo: %s", r.Body)
	}
}

// scope asks for scopes whose claims are in userinfo and have the right types.
func scope(asked string) func(*lab) {
	return func(l *lab) {
		l.t.Helper()
		for _, s := range words(asked) {
			if !l.supports("scopes_supported", s) {
				l.t.Errorf("%s is not supported", s)
			}
		}
		l.standardClaims(l.info(l.signIn(l.client(), "scope", asked).AccessToken), asked)
	}
}

func (l *lab) standardClaims(info object, asked string) {
	l.t.Helper()
	if strings.Contains(asked, "email") && (info["email"] != person || info["email_verified"] != true) {
		l.t.Errorf("email: %v", info)
	}
	if strings.Contains(asked, "profile") {
		if at, ok := info["updated_at"].(float64); info["name"] != "Alice Example" || !ok || at > float64(l.Clock.Now().Unix()) {
			l.t.Errorf("profile: %v", info)
		}
	} else if info["name"] != nil {
		l.t.Errorf("a name that nobody asked for: %v", info)
	}
}

func otherOrder(l *lab) {
	l.standardClaims(l.info(l.signIn(l.client(), "scope", "email openid").AccessToken), "email")
}

// again is a second authorization in the same browser, in which the person has to sign
// in again, or must not have to.
func (l *lab) again(c testClient, signIn bool, more ...string) tokens {
	l.t.Helper()
	v := l.request(c, more...)
	p := l.open(v)
	if asked := !p.Away && p.Has("password"); asked != signIn {
		l.t.Errorf("a login page: %v at %s", asked, p.URL)
	}
	return l.redeem(c, v, l.codeAt(v, l.through(p)))
}

// sameSignIn: two ID Tokens tell of one sign-in of one person.
func (l *lab) sameSignIn(a, b tokens) {
	l.t.Helper()
	if a.id["sub"] != b.id["sub"] || a.id["auth_time"] != b.id["auth_time"] {
		l.t.Errorf("another sign-in: %v %v", a.id, b.id)
	}
}

func promptLogin(l *lab) {
	c := l.client()
	first := l.signIn(c)
	l.Clock.Advance(time.Second)
	second := l.again(c, true, "prompt", "login")
	if a, b := first.id["auth_time"].(float64), second.id["auth_time"].(float64); b <= a {
		l.t.Errorf("auth_time %v, then %v", a, b)
	}
}

func promptNoneNotLoggedIn(l *lab) {
	c := l.client()
	l.silentlyRefused(c)
}

// silentlyRefused: with prompt=none and nobody signed in, the client learns so at once.
func (l *lab) silentlyRefused(c testClient) {
	l.t.Helper()
	v := l.request(c, "prompt", "none", "state", strings.Repeat("s-Tate_~", 16))
	p := l.goOn(l.open(v))
	if !p.Away && p.Has("submit") && !p.Has("password") { // the form of form_post
		p = l.b.Press("submit")
	}
	l.errorAt(v, p, "login_required", "interaction_required", "account_selection_required", "consent_required")
}

func promptNoneLoggedIn(l *lab) {
	c := l.client()
	first := l.signIn(c)
	l.Clock.Advance(time.Second)
	l.sameSignIn(first, l.again(c, false, "prompt", "none"))
}

func maxAge1(l *lab) {
	c := l.client()
	first := l.signIn(c)
	l.Clock.Advance(2 * time.Second)
	second := l.again(c, true, "max_age", "1")
	now := float64(l.Clock.Now().Unix())
	if a, b := first.id["auth_time"].(float64), second.id["auth_time"].(float64); b <= a || b > now || b < now-1 {
		l.t.Errorf("auth_time %v, then %v", a, b)
	}
}

func maxAge10000(l *lab) {
	c := l.client()
	first := l.signIn(c, "max_age", "15000")
	l.Clock.Advance(time.Second)
	second := l.again(c, false, "max_age", "10000")
	if l.sameSignIn(first, second); second.id["auth_time"] == nil {
		l.t.Error("no auth_time")
	}
}

func idTokenHint(l *lab) {
	c := l.client()
	first := l.signIn(c)
	l.Clock.Advance(time.Second)
	l.sameSignIn(first, l.again(c, false, "prompt", "none", "id_token_hint", first.IDToken))
}

func codeReuse(l *lab, after time.Duration) {
	c := l.client()
	v := l.request(c)
	code := l.code(v)
	got := l.redeem(c, v, code)
	l.Clock.Advance(after)
	l.wantError(l.ask(c, redemption(c, code)), 400, "invalid_grant")
	if r := l.Do(l.t, "GET", oidc.UserInfoPath, nil, servertest.Bearer(got.AccessToken)); r.Status < 400 || r.Status > 499 {
		l.t.Errorf("the access token still works: %d", r.Status)
	}
}

func registeredRedirectURI(l *lab) {
	c := l.client()
	l.errorPage(l.open(l.request(c, "redirect_uri", c.redirect+"/N0tRegistered")))
}

func postRequest(l *lab) {
	c := l.client()
	v := l.request(c)
	code := l.codeAt(v, l.through(l.b.Post(oidc.AuthorizePath, v, "https://suite.example.test")))
	l.redeem(c, v, code)
	// The suite's own browser knows no SameSite and sends no headers of Fetch.
	v = l.request(c)
	p := l.b.Post(oidc.AuthorizePath, v, "")
	l.redeem(c, v, l.codeAt(v, l.through(p)))
}

func claimsEssential(l *lab) {
	c := l.client()
	v := l.request(c, "claims", `{"userinfo":{"name":{"essential":true}}}`)
	got := l.redeem(c, v, l.code(v))
	if info := l.info(got.AccessToken); info["name"] != "Alice Example" || info["sub"] != got.id["sub"] {
		l.t.Errorf("userinfo %v", info)
	}
}

func refreshToken(l *lab) {
	if !l.supports("scopes_supported", "offline_access") || !l.supports("grant_types_supported", "refresh_token") {
		l.t.Fatal("without offline_access the module is skipped")
	}
	change := object{"grant_types": []string{"authorization_code", "refresh_token"}}
	first, second := l.client(change), l.client(change)
	l.refreshed(first)
	got := l.refreshed(second)
	l.wantError(l.ask(first, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.RefreshToken}, "scope": {"openid offline_access"}}), 400, "invalid_grant")
}

// refreshed signs in with offline access and refreshes the tokens.
func (l *lab) refreshed(c testClient) tokens {
	l.t.Helper()
	v := l.request(c, "scope", "openid offline_access", "prompt", "consent")
	first := l.redeem(c, v, l.code(v))
	if first.RefreshToken == "" {
		l.t.Fatal("no refresh token")
	}
	l.Clock.Advance(time.Second)
	second := l.issued(c, l.ask(c, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.RefreshToken}, "scope": {"openid offline_access"}}))
	l.sameIDToken(first, second)
	l.info(second.AccessToken)
	if second.RefreshToken == "" {
		second.RefreshToken = first.RefreshToken
	}
	return second
}

// sameIDToken holds a refreshed ID Token to OpenID Connect Core §12.2.
func (l *lab) sameIDToken(first, second tokens) {
	l.t.Helper()
	if second.IDToken == "" || first.AccessToken == second.AccessToken || first.id["iat"] == second.id["iat"] {
		l.t.Errorf("nothing new: %v %v", first.id, second.id)
	}
	for _, name := range []string{"iss", "sub", "aud", "auth_time", "azp"} {
		if first.id[name] != second.id[name] {
			l.t.Errorf("%s was %v, is %v", name, first.id[name], second.id[name])
		}
	}
}

func validPKCE(l *lab) {
	c := l.client()
	v := l.request(c, "code_challenge", digest(verifier), "code_challenge_method", "S256")
	l.redeem(c, v, l.code(v), "code_verifier", verifier)
}
