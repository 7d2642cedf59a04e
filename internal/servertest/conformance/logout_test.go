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

// TestRPInitiatedLogoutPlan is oidcc-rp-initiated-logout-certification-test-plan. Its
// discovery module is in TestConfigPlan.
func TestRPInitiatedLogoutPlan(t *testing.T) {
	t.Parallel()
	modules := []module{
		{"oidcc-rp-initiated-logout", func(mt *moduleTest) { mt.requireLoggedOut(mt.newLogoutRequest(), nil) }},
		{"oidcc-rp-initiated-logout-bad-post-logout-redirect-uri", func(mt *moduleTest) {
			mt.requireNoRedirect(mt.newLogoutRequest("post_logout_redirect_uri", postLogoutURI+"/Un5registered"))
		}},
		{"oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri", func(mt *moduleTest) {
			mt.requireNoRedirect(mt.newLogoutRequest("post_logout_redirect_uri", postLogoutURI+"?foo=bar"))
		}},
		{"oidcc-rp-initiated-logout-modified-id-token-hint", modifiedHint},
		{"oidcc-rp-initiated-logout-bad-id-token-hint", badHint},
		{"oidcc-rp-initiated-logout-no-id-token-hint", func(mt *moduleTest) { mt.requireNoRedirect(mt.newLogoutRequest("id_token_hint", "")) }},
		{"oidcc-rp-initiated-logout-no-params", func(mt *moduleTest) {
			mt.requireLoggedOut(mt.newLogoutRequest("id_token_hint", "", "post_logout_redirect_uri", "", "state", ""), confirmLogout)
		}},
		{"oidcc-rp-initiated-logout-no-post-logout-redirect-uri", func(mt *moduleTest) {
			mt.requireLoggedOut(mt.newLogoutRequest("post_logout_redirect_uri", ""), requireDonePage)
		}},
		{"oidcc-rp-initiated-logout-no-state", func(mt *moduleTest) { mt.requireLoggedOut(mt.newLogoutRequest("state", ""), nil) }},
		{"oidcc-rp-initiated-logout-only-state", func(mt *moduleTest) {
			mt.requireLoggedOut(mt.newLogoutRequest("id_token_hint", "", "post_logout_redirect_uri", ""), confirmLogout)
		}},
	}
	for name, v := range map[string]variant{"static_client": {method: auth.AuthSecretBasic}, "dynamic_client": {method: auth.AuthSecretBasic, dynamic: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, newProvider(t), v, modules)
		})
	}
}

// logoutRequest is a logout request of a client with a signed-in user.
type logoutRequest struct {
	c      testClient
	got    tokens
	params url.Values
}

// newLogoutRequest signs in and returns the logout request. more are names and values that
// replace its own.
func (mt *moduleTest) newLogoutRequest(more ...string) logoutRequest {
	mt.t.Helper()
	return mt.signInForLogout(mt.registerClient(object{"post_logout_redirect_uris": []string{postLogoutURI}}), more...)
}

func (mt *moduleTest) signInForLogout(c testClient, more ...string) logoutRequest {
	mt.t.Helper()
	v := mt.authorizationRequest(c, "state", strings.Repeat("l0ng-St4te", 12))
	d := logoutRequest{c: c, got: mt.redeem(c, v, mt.obtainCode(v))}
	d.params = setParams(url.Values{"id_token_hint": {d.got.IDToken}, "post_logout_redirect_uri": {postLogoutURI}, "state": {strings.Repeat("St4te_of-Leaving", 8)}}, more...)
	return d
}

func (mt *moduleTest) openLogout(d logoutRequest) *servertest.Page {
	mt.t.Helper()
	return mt.b.Open(oidc.LogoutPath + "?" + d.params.Encode())
}

// requireDonePage fails the test unless the page says that the user is signed out.
func requireDonePage(mt *moduleTest, p *servertest.Page) {
	mt.t.Helper()
	p.Want(mt.t, 200).At(mt.t, "/logout/done")
}

// confirmLogout presses the button of the page that asks for confirmation.
func confirmLogout(mt *moduleTest, p *servertest.Page) {
	mt.t.Helper()
	p.Want(mt.t, 200)
	requireDonePage(mt, mt.b.Press("approve"))
}

// requireLoggedOut sends the logout request and checks that it has ended the session. It ends
// at the client if end is nil.
func (mt *moduleTest) requireLoggedOut(d logoutRequest, end func(*moduleTest, *servertest.Page)) {
	mt.t.Helper()
	p := mt.openLogout(d)
	if end != nil {
		end(mt, p)
	} else {
		got := p.Answer(mt.t)
		if base, _, _ := strings.Cut(p.URL.String(), "?"); base != d.params.Get("post_logout_redirect_uri") {
			mt.t.Errorf("at %s", p.URL)
		}
		if got.Get("state") != d.params.Get("state") || len(got) != len(d.params["state"]) {
			mt.t.Errorf("logout response %v", got)
		}
	}
	mt.requireLoginRequired(d.c)
}

// requireNoRedirect fails the test if the logout request leads to the client.
func (mt *moduleTest) requireNoRedirect(d logoutRequest) {
	mt.t.Helper()
	if p := mt.openLogout(d); p.Away || p.Text() == "" {
		mt.t.Errorf("at %s", p.URL)
	} else if p.Status == 200 && !p.Has("approve") {
		mt.t.Errorf("neither a question nor an error: %s", p.Text())
	}
}

func modifiedHint(mt *moduleTest) {
	d := mt.newLogoutRequest()
	d.params.Set("id_token_hint", unsignedJWT(d.got.id))
	mt.requireNoRedirect(d)
}

func badHint(mt *moduleTest) {
	d := mt.newLogoutRequest()
	d.params.Set("id_token_hint", breakSignature(d.got.IDToken))
	mt.requireNoRedirect(d)
}

// TestBackchannelLogoutPlan is oidcc-backchannel-rp-initiated-logout-certification-test-plan.
// Its discovery module is in TestConfigPlan.
func TestBackchannelLogoutPlan(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]variant{"static_client": {method: auth.AuthSecretBasic}, "dynamic_client": {method: auth.AuthSecretBasic, dynamic: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, newProvider(t), v, []module{{"oidcc-backchannel-rp-initiated-logout", backchannelLogout}})
		})
	}
}

const backchannelPath = "/backchannel_logout"

func backchannelLogout(mt *moduleTest) {
	d := mt.signInForLogout(mt.registerClient(object{"post_logout_redirect_uris": []string{postLogoutURI}, "backchannel_logout_uri": mt.site.URL + backchannelPath, "backchannel_logout_session_required": true}))
	mt.requireLoggedOut(d, nil)
	form := mt.waitForLogoutToken()
	header, claims := mt.verifyJWT(form.Get("logout_token"))
	now := float64(mt.Clock.Now().Unix())
	iat, _ := claims["iat"].(float64)
	jti, _ := claims["jti"].(string)
	if header["alg"] != d.got.header["alg"] || claims["iss"] != issuer || claims["aud"] != d.c.id || iat > now || iat < now-60 || jti == "" {
		mt.t.Errorf("logout token %v %v", header, claims)
	}
	if claims["sub"] != d.got.id["sub"] || claims["sid"] != d.got.id["sid"] || claims["sid"] == nil || claims["nonce"] != nil {
		mt.t.Errorf("logout token %v for ID Token %v", claims, d.got.id)
	}
	events, _ := claims["events"].(object)
	if event, ok := events["http://schemas.openid.net/event/backchannel-logout"].(object); len(events) != 1 || !ok || len(event) != 0 {
		mt.t.Errorf("events %v", claims["events"])
	}
	if len(form) != 1 {
		mt.t.Errorf("more than a logout token: %v", form)
	}
}

// waitForLogoutToken waits for the back-channel logout request and returns its form.
func (mt *moduleTest) waitForLogoutToken() url.Values {
	mt.t.Helper()
	late := time.After(time.Minute)
	for {
		if forms := mt.site.postedForms(backchannelPath); len(forms) > 0 {
			return forms[0]
		}
		mt.Outbox.Wake()
		select {
		case <-mt.site.arrived:
		case <-late:
			mt.t.Fatal("no logout token")
		}
	}
}
