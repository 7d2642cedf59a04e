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
		{"oidcc-rp-initiated-logout", func(l *lab) { l.loggedOut(l.leaving(), nil) }},
		{"oidcc-rp-initiated-logout-bad-post-logout-redirect-uri", func(l *lab) {
			l.notSentBack(l.leaving("post_logout_redirect_uri", backAfterLeave+"/Un5registered"))
		}},
		{"oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri", func(l *lab) {
			l.notSentBack(l.leaving("post_logout_redirect_uri", backAfterLeave+"?foo=bar"))
		}},
		{"oidcc-rp-initiated-logout-modified-id-token-hint", modifiedHint},
		{"oidcc-rp-initiated-logout-bad-id-token-hint", badHint},
		{"oidcc-rp-initiated-logout-no-id-token-hint", func(l *lab) { l.notSentBack(l.leaving("id_token_hint", "")) }},
		{"oidcc-rp-initiated-logout-no-params", func(l *lab) {
			l.loggedOut(l.leaving("id_token_hint", "", "post_logout_redirect_uri", "", "state", ""), confirmed)
		}},
		{"oidcc-rp-initiated-logout-no-post-logout-redirect-uri", func(l *lab) { l.loggedOut(l.leaving("post_logout_redirect_uri", ""), done) }},
		{"oidcc-rp-initiated-logout-no-state", func(l *lab) { l.loggedOut(l.leaving("state", ""), nil) }},
		{"oidcc-rp-initiated-logout-only-state", func(l *lab) {
			l.loggedOut(l.leaving("id_token_hint", "", "post_logout_redirect_uri", ""), confirmed)
		}},
	}
	for name, v := range map[string]variant{"static_client": {method: auth.AuthSecretBasic}, "dynamic_client": {method: auth.AuthSecretBasic, dynamic: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, newProvider(t), v, modules)
		})
	}
}

// departure is a person who has signed in, and the request of their client to log them
// out.
type departure struct {
	c    testClient
	got  tokens
	wish url.Values
}

// leaving signs in and makes the request; more are names and values that replace its own.
func (l *lab) leaving(more ...string) departure {
	l.t.Helper()
	return l.leave(l.client(object{"post_logout_redirect_uris": []string{backAfterLeave}}), more...)
}

func (l *lab) leave(c testClient, more ...string) departure {
	l.t.Helper()
	v := l.request(c, "state", strings.Repeat("l0ng-St4te", 12))
	d := departure{c: c, got: l.redeem(c, v, l.code(v))}
	d.wish = pairs(url.Values{"id_token_hint": {d.got.IDToken}, "post_logout_redirect_uri": {backAfterLeave}, "state": {strings.Repeat("St4te_of-Leaving", 8)}}, more...)
	return d
}

func (l *lab) goodbye(d departure) *servertest.Page {
	l.t.Helper()
	return l.b.Open(oidc.LogoutPath + "?" + d.wish.Encode())
}

// done is the page that says that one is logged out.
func done(l *lab, p *servertest.Page) { l.t.Helper(); p.Want(l.t, 200).At(l.t, "/logout/done") }

// confirmed is the page that asks first.
func confirmed(l *lab, p *servertest.Page) {
	l.t.Helper()
	p.Want(l.t, 200)
	done(l, l.b.Press("approve"))
}

// loggedOut sends the person away and makes sure that they are. Without an end of its own
// the way ends at the client.
func (l *lab) loggedOut(d departure, end func(*lab, *servertest.Page)) {
	l.t.Helper()
	p := l.goodbye(d)
	if end != nil {
		end(l, p)
	} else {
		got := p.Answer(l.t)
		if base, _, _ := strings.Cut(p.URL.String(), "?"); base != d.wish.Get("post_logout_redirect_uri") {
			l.t.Errorf("at %s", p.URL)
		}
		if got.Get("state") != d.wish.Get("state") || len(got) != len(d.wish["state"]) {
			l.t.Errorf("answer %v", got)
		}
	}
	l.silentlyRefused(d.c)
}

// notSentBack: such a request is answered by a page of ours, whatever it says.
func (l *lab) notSentBack(d departure) {
	l.t.Helper()
	if p := l.goodbye(d); p.Away || p.Text() == "" {
		l.t.Errorf("at %s", p.URL)
	} else if p.Status == 200 && !p.Has("approve") {
		l.t.Errorf("neither a question nor an error: %s", p.Text())
	}
}

func modifiedHint(l *lab) {
	d := l.leaving()
	d.wish.Set("id_token_hint", unsigned(d.got.id))
	l.notSentBack(d)
}

func badHint(l *lab) {
	d := l.leaving()
	d.wish.Set("id_token_hint", spoiled(d.got.IDToken))
	l.notSentBack(d)
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

func backchannelLogout(l *lab) {
	d := l.leave(l.client(object{"post_logout_redirect_uris": []string{backAfterLeave}, "backchannel_logout_uri": l.site.URL + backchannelPath, "backchannel_logout_session_required": true}))
	l.loggedOut(d, nil)
	form := l.told()
	header, claims := l.verified(form.Get("logout_token"))
	now := float64(l.Clock.Now().Unix())
	iat, _ := claims["iat"].(float64)
	jti, _ := claims["jti"].(string)
	if header["alg"] != d.got.header["alg"] || claims["iss"] != issuer || claims["aud"] != d.c.id || iat > now || iat < now-60 || jti == "" {
		l.t.Errorf("logout token %v %v", header, claims)
	}
	if claims["sub"] != d.got.id["sub"] || claims["sid"] != d.got.id["sid"] || claims["sid"] == nil || claims["nonce"] != nil {
		l.t.Errorf("logout token %v for ID Token %v", claims, d.got.id)
	}
	events, _ := claims["events"].(object)
	if event, ok := events["http://schemas.openid.net/event/backchannel-logout"].(object); len(events) != 1 || !ok || len(event) != 0 {
		l.t.Errorf("events %v", claims["events"])
	}
	if len(form) != 1 {
		l.t.Errorf("more than a logout token: %v", form)
	}
}

// told waits for the request that tells the client of the log-out.
func (l *lab) told() url.Values {
	l.t.Helper()
	late := time.After(time.Minute)
	for {
		if forms := l.site.posted(backchannelPath); len(forms) > 0 {
			return forms[0]
		}
		l.Outbox.Wake()
		select {
		case <-l.site.more:
		case <-late:
			l.t.Fatal("nobody told the client")
		}
	}
}
