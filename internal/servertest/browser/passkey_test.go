package browser

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/servertest"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// phone is the authenticator of a phone: it keeps passkeys and verifies its user.
var phone = webauthn.VirtualAuthenticatorOptions{
	Protocol: "ctap2", Ctap2version: "ctap2_1", Transport: "internal", HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
}

// authenticator is a virtual authenticator of a tab.
type authenticator struct {
	b  *tab
	id webauthn.AuthenticatorID
}

func (b *tab) addAuthenticator(o webauthn.VirtualAuthenticatorOptions) authenticator {
	b.t.Helper()
	call(b, webauthn.Enable, webauthn.EnableParams{})
	made, err := chromedp.Call(b.ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &o})
	if err != nil {
		b.t.Fatal(err)
	}
	return authenticator{b, made.AuthenticatorID}
}

// present says whether the user touches the authenticator when it is asked.
func (a authenticator) present(is bool) {
	a.b.t.Helper()
	call(a.b, webauthn.SetAutomaticPresenceSimulation, webauthn.SetAutomaticPresenceSimulationParams{AuthenticatorID: a.id, Enabled: is})
}

// passkey returns the only passkey of the authenticator.
func (a authenticator) passkey() *webauthn.Credential {
	a.b.t.Helper()
	list, err := chromedp.Call(a.b.ctx, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: a.id})
	if err != nil || len(list.Credentials) != 1 {
		a.b.t.Fatalf("%d passkeys, %v", len(list.Credentials), err)
	}
	return list.Credentials[0]
}

// eachScripted runs a test on a desktop in English and on a phone in German, both with scripts.
func eachScripted(t *testing.T, fn func(t *testing.T, l windowSettings)) {
	t.Helper()
	t.Parallel()
	chromium(t)
	t.Run("desktop", func(t *testing.T) { t.Parallel(); fn(t, windowSettings{}) })
	t.Run("phone", func(t *testing.T) { t.Parallel(); fn(t, windowSettings{dark: true, language: "de", width: 320}) })
}

// A user creates a passkey when one is offered, and signs in with it: by the button, and by the suggestion of
// the email field.
func TestPasskeys(t *testing.T) {
	eachScripted(t, func(t *testing.T, l windowSettings) {
		s := servertest.New(t, servertest.Domain())
		s.Enrol(t, alice)
		b := newTab(t, l)
		key := b.addAuthenticator(phone)
		b.open(s.URL + "/login").requirePath("/login").requireAccessible("login").screenshot("1-login")
		b.signIn(alice).requirePath("/login/add-passkey").requireAccessible("offer").screenshot("2-offer")
		b.press("use-passkey").requirePath("/account")
		if p := key.passkey(); !p.IsResidentCredential || p.UserName != alice {
			t.Errorf("%+v", p)
		}

		b.press("logout").requirePath("/logout/done")
		key.present(false)
		b.open(s.URL + "/login").requirePath("/login")
		key.present(true)
		b.press("use-passkey").requirePath("/account").press("logout").requirePath("/logout/done")

		b.open(s.URL + "/login").requirePath("/account") // the suggestion was taken
		if n := len(storetest.Events(t, s.DB, auth.DefaultTenant, auth.EventCounterRegressed)); n != 0 {
			t.Errorf("%d counters went back", n)
		}
		count := 0.0
		call(b, webauthn.SetCredentialProperties, webauthn.SetCredentialPropertiesParams{AuthenticatorID: key.id, CredentialID: key.passkey().CredentialID, SignCount: &count})
		b.press("logout").requirePath("/logout/done").open(s.URL + "/login").requirePath("/account")
		if n := len(storetest.Events(t, s.DB, auth.DefaultTenant, auth.EventCounterRegressed)); n != 1 {
			t.Errorf("%d counters went back, want the one", n)
		}
		b.requireNoErrors()
	})
}

// A user who wants no passkey is not asked again.
func TestPasskeyRefused(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.Domain())
	s.Enrol(t, alice)
	b := newTab(t, windowSettings{})
	b.addAuthenticator(phone)
	b.open(s.URL + "/login").signIn(alice).requirePath("/login/add-passkey").press("later").requirePath("/account").press("logout").requirePath("/logout/done")
	b.open(s.URL + "/login").signIn(alice).requirePath("/account")
	b.requireNoErrors()
}

// A security key that neither keeps passkeys nor verifies its user is a second factor.
func TestSecurityKey(t *testing.T) {
	eachScripted(t, func(t *testing.T, l windowSettings) {
		s := servertest.New(t, servertest.Domain())
		s.Enrol(t, alice)
		b := newTab(t, l)
		key := b.addAuthenticator(webauthn.VirtualAuthenticatorOptions{Protocol: "ctap2", Transport: "usb", AutomaticPresenceSimulation: true})
		b.open(s.URL + "/login").signIn(alice).requirePath("/login/add-passkey").press("later").requirePath("/account")
		b.open(s.URL + "/account/passkeys").requirePath("/account/passkeys").requireAccessible("none").screenshot("1-none")
		b.press("use-passkey").requirePath("/account/two-factor/codes").open(s.URL + "/account/passkeys").requireAccessible("one").screenshot("2-one")
		if p := key.passkey(); p.IsResidentCredential {
			t.Errorf("%+v", p)
		}
		b.open(s.URL + "/logout").press("approve").requirePath("/logout/done")
		b.open(s.URL + "/login").signIn(alice).requirePath("/login/factor").requireAccessible("factor").screenshot("3-factor")
		b.click("trust").press("use-passkey").requirePath("/account")
		b.open(s.URL + "/logout").press("approve").requirePath("/logout/done")
		b.open(s.URL + "/login").signIn(alice).requirePath("/account") // the browser is trusted
		b.requireNoErrors()
	})
}

// A passkey that was offered keeps nobody out: a browser without it signs in with the password.
func TestOfferedPasskeyElsewhere(t *testing.T) {
	eachScripted(t, func(t *testing.T, l windowSettings) {
		s := servertest.New(t, servertest.Domain())
		s.Enrol(t, alice)
		b := newTab(t, l)
		b.addAuthenticator(phone)
		b.open(s.URL + "/login").signIn(alice).requirePath("/login/add-passkey").press("use-passkey").requirePath("/account").screenshot("1-account")
		b.open(s.URL + "/account/two-factor").requireAccessible("factors").screenshot("2-factors")
		b.press("codes").requirePath("/account/two-factor/codes").screenshot("3-codes")

		other := newTab(t, l)
		other.open(s.URL + "/login").signIn(alice).requirePath("/account")
		b.requireNoErrors()
	})
}

// conditional makes the browser behave like one that can create passkeys by itself, or cannot. Chromium does so
// only with a password manager, which the headless one has not. It records how the page asks for a new passkey.
const conditional = `
	PublicKeyCredential.getClientCapabilities = async () => ({ conditionalCreate: %t, conditionalGet: false, userVerifyingPlatformAuthenticator: true });
	const create = navigator.credentials.create.bind(navigator.credentials);
	navigator.credentials.create = (request) => {
		sessionStorage.asked = (sessionStorage.asked ?? "") + " " + (request.mediation ?? "dialog");
		if (request.mediation && !%t) return Promise.reject(new DOMException("there is no saved password", "NotAllowedError"));
		delete request.mediation;
		return create(request);
	};`

// mediation returns the mediation with which the pages asked for a new passkey, once the form is shown.
func (b *tab) mediation() string {
	b.t.Helper()
	for late := time.Now().Add(time.Minute); time.Now().Before(late); {
		got, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]any](`[document.getElementById("passkey")?.hidden, sessionStorage.asked ?? "", document.querySelector("[data-failed]")?.hidden]`))
		if err != nil {
			b.t.Fatal(err)
		}
		if got[0] == false {
			if got[2] != true {
				b.t.Error("the page shows an error")
			}
			return got[1].(string)
		}
	}
	b.t.Fatal("the form stays hidden")
	return ""
}

// The browser creates a passkey by itself exactly when it says that it can. If it refuses, the page stays as it
// is, and the user decides.
func TestConditionalCreate(t *testing.T) {
	t.Parallel()
	chromium(t)
	for name, c := range map[string]struct {
		can, will bool
		asked     string
	}{"cannot": {false, false, ""}, "refuses": {true, false, " conditional"}, "creates": {true, true, ""}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := servertest.New(t, servertest.Domain())
			s.Enrol(t, alice)
			b := newTab(t, windowSettings{})
			key := b.addAuthenticator(phone)
			call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: fmt.Sprintf(conditional, c.can, c.will)})
			b.open(s.URL + "/login").signIn(alice)
			if c.will {
				b.requirePath("/account")
			} else {
				b.requirePath("/login/add-passkey")
				if got := b.mediation(); got != c.asked {
					t.Errorf("asked%s, want%s", got, c.asked)
				}
				b.press("use-passkey").requirePath("/account")
			}
			if p := key.passkey(); p.UserName != alice {
				t.Errorf("%+v", p)
			}
			b.requireNoErrors()
		})
	}
}

// After a sign-in that leaves for an application, the browser is told which passkeys work and what the user is
// called, if that has changed.
func TestSignals(t *testing.T) {
	t.Parallel()
	chromium(t)
	s := servertest.New(t, servertest.Domain())
	c := newClient(t, s, orders)
	s.Enrol(t, alice)
	b := newTab(t, windowSettings{})
	b.addAuthenticator(phone)
	call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `
		PublicKeyCredential.getClientCapabilities = async () => ({ conditionalGet: false, userVerifyingPlatformAuthenticator: true });
		for (const name of ["signalAllAcceptedCredentials", "signalCurrentUserDetails", "signalUnknownCredential"])
			PublicKeyCredential[name] = async (options) => { sessionStorage[name] = JSON.stringify(options); };`})
	told := func() map[string]string {
		t.Helper()
		got, err := chromedp.Run(b.ctx, chromedp.Evaluate[map[string]string](`(() => { const all = { ...sessionStorage }; sessionStorage.clear(); return all; })()`))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	b.open(s.URL + "/login").signIn(alice).requirePath("/login/add-passkey").press("use-passkey").requirePath("/account")
	signIn := func() map[string]string {
		t.Helper()
		b.open(s.URL + "/logout").press("approve").requirePath("/logout/done")
		told()
		b.open(c.authorizationURL()).requirePath("/login").press("use-passkey").requirePath("/callback")
		c.redeem(t)
		b.open(s.URL + "/account").requirePath("/account")
		return told()
	}
	if got := signIn(); len(got) != 0 {
		t.Errorf("told %q", got)
	}
	b.open(s.URL+"/account/profile").fill("name", "Alice Liddell").press("submit")
	got := signIn()
	if !strings.Contains(got["signalCurrentUserDetails"], `"displayName":"Alice Liddell"`) || !strings.Contains(got["signalAllAcceptedCredentials"], `"rpId":"localhost"`) || got["signalUnknownCredential"] != "" {
		t.Errorf("told %q", got)
	}
	if got := signIn(); len(got) != 0 {
		t.Errorf("told again: %q", got)
	}
	b.requireNoErrors()
}
