package attacks_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// stepUpAPI is an API behind guard: /read needs a token, /pay two factors, /send a recent sign-in.
type stepUpAPI struct {
	t   testing.TB
	mux *http.ServeMux
}

func newStepUpAPI(t testing.TB, s *servertest.Server) stepUpAPI {
	t.Helper()
	g, err := guard.New(t.Context(), guard.Config{Issuer: s.Issuer, Now: s.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux := http.NewServeMux()
	mux.Handle("/read", g.Require()(ok))
	mux.Handle("/pay", g.Require(guard.ACR("2"))(ok))
	mux.Handle("/send", g.Require(guard.MaxAge(5*time.Minute))(ok))
	return stepUpAPI{t, mux}
}

// call returns the status, and the challenge of a refusal.
func (a stepUpAPI) call(path, access string) (status int, challenge string) {
	a.t.Helper()
	r, w := httptest.NewRequest(http.MethodPost, path, nil), httptest.NewRecorder()
	r.Header.Set("Authorization", "Bearer "+access)
	a.mux.ServeHTTP(w, r)
	return w.Code, strings.Join(w.Header()["Www-Authenticate"], ", ")
}

func (a stepUpAPI) wantRefused(path, access, challenge string) {
	a.t.Helper()
	if status, got := a.call(path, access); status != 401 || !strings.Contains(got, `error="insufficient_user_authentication"`) || !strings.Contains(got, challenge) {
		a.t.Errorf("%s: %d %s, want %s", path, status, got, challenge)
	}
}

func (a stepUpAPI) wantAllowed(path, access string) {
	a.t.Helper()
	if status, challenge := a.call(path, access); status != 204 {
		a.t.Errorf("%s: %d %s", path, status, challenge)
	}
}

// TestAttack_MF_14_StepUp: a client that an API refuses asks for more with acr_values or max_age (RFC 9470 §5).
// The user is asked for exactly that, and the tokens tell the truth about it.
func TestAttack_MF_14_StepUp(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := createClient(t, s, auth.DefaultTenant, client.Registration{Name: "Bank", Type: auth.ClientWeb, FirstParty: true, RedirectURIs: []string{ledgerCallback}})
		u := &wayUser{t: t, s: s, client: c, email: alice, id: createAccount(t, s, alice)}
		if got := stringList(fetchMetadata(t, s, "/.well-known/openid-configuration")["acr_values_supported"]); !slices.Equal(got, []string{"1", "2"}) { // no passkeys at an IP address
			t.Errorf("acr_values_supported %q", got)
		}
		apis, b, old := newStepUpAPI(t, s), u.signedInBrowser(), u.signedInBrowser() // before there is a second factor
		secret := u.addTOTP()
		s.Clock.Advance(30 * time.Second) // to its next code
		redeemed := func(answer url.Values) (access string) {
			t.Helper()
			v := redeem(t, s, c, answer)
			access = v["access_token"].(string)
			a, id := decodeJWT(t, access), decodeJWT(t, v["id_token"].(string))
			for _, name := range []string{"acr", "auth_time", "sub"} {
				if a[name] != id[name] || a[name] == nil {
					t.Errorf("%s: %v in the access token, %v in the ID Token", name, a[name], id[name])
				}
			}
			return access
		}
		tokens := func(more ...string) string { return redeemed(b.Open(authorizationQuery(c, more...)).Answer(t)) }
		wantSignIn := func(access, acr string, at time.Time, amr ...string) {
			t.Helper()
			v := decodeJWT(t, access)
			if v["acr"] != acr || v["auth_time"] != float64(at.Unix()) || !slices.Equal(stringList(v["amr"]), amr) {
				t.Errorf("acr %v, amr %v, auth_time %v, want %s %v %d", v["acr"], v["amr"], v["auth_time"], acr, amr, at.Unix())
			}
		}
		first := s.Clock.Now().Add(-30 * time.Second)
		weak := tokens()
		wantSignIn(weak, "1", first, "pwd")
		apis.wantAllowed("/read", weak)
		apis.wantAllowed("/send", weak)
		apis.wantRefused("/pay", weak, `acr_values="2"`)

		b.Open(authorizationQuery(c, "acr_values", "2", "prompt", "none"))
		if got := b.Page.Answer(t); got.Get("error") != "login_required" || got.Get("code") != "" {
			t.Errorf("prompt=none: %v", got)
		}
		b.Open(authorizationQuery(c, "acr_values", "2")).At(t, "/login/factor")
		b.Open(authorizationQuery(c)).Answer(t) // the request without it is none the wiser
		b.Open(authorizationQuery(c, "acr_values", "2")).At(t, "/login/factor")
		b.Press("submit", "code", "000000").Want(t, 400).At(t, "/login/factor")
		if got := b.Press("submit", "code", codeOfApp(t, s, secret)).Answer(t); got.Get("code") == "" {
			t.Fatalf("answer %v", got)
		}
		second := s.Clock.Now()
		strong := tokens("acr_values", "2")
		wantSignIn(strong, "2", second, "mfa", "otp", "pwd")
		wantSignIn(tokens(), "2", second, "mfa", "otp", "pwd")
		wantSignIn(tokens("acr_values", "1"), "2", second, "mfa", "otp", "pwd")
		apis.wantAllowed("/pay", strong)
		apis.wantRefused("/pay", weak, `acr_values="2"`) // what was issued stays what it is

		s.Clock.Advance(6 * time.Minute)
		apis.wantRefused("/send", strong, `max_age="300"`)
		b.Open(authorizationQuery(c, "max_age", "300")).At(t, "/login")
		signIn(t, b, alice).At(t, "/login/factor")
		if got := b.Press("submit", "code", codeOfApp(t, s, secret)).Answer(t); got.Get("code") == "" {
			t.Fatalf("answer %v", got)
		}
		recent := tokens("max_age", "300")
		wantSignIn(recent, "2", s.Clock.Now(), "mfa", "otp", "pwd")
		apis.wantAllowed("/send", recent)

		// A code alone makes an old session stronger, and not more recent.
		s.Clock.Advance(4 * time.Minute)
		old.Open(authorizationQuery(c, "acr_values", "2")).At(t, "/login/factor")
		strong = redeemed(old.Press("submit", "code", codeOfApp(t, s, secret)).Answer(t))
		wantSignIn(strong, "2", first, "mfa", "otp", "pwd")
		apis.wantAllowed("/pay", strong)
		apis.wantRefused("/send", strong, `max_age="300"`)
		old.Open("/account/email").At(t, "/login")

		// Who asks for both gets both, in one flow.
		s.Clock.Advance(30 * time.Second)
		old.Open(authorizationQuery(c, "acr_values", "2", "max_age", "300")).At(t, "/login")
		signIn(t, old, alice).At(t, "/login/factor")
		recent = redeemed(old.Press("submit", "code", codeOfApp(t, s, secret)).Answer(t))
		wantSignIn(recent, "2", s.Clock.Now(), "mfa", "otp", "pwd")
		apis.wantAllowed("/send", recent)
		old.Open("/account/email").At(t, "/account/email")
	})
}

// TestAttack_MF_14_EssentialACR: an essential acr is reached or refused, and never reported without a proof.
func TestAttack_MF_14_EssentialACR(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := createClient(t, s, auth.DefaultTenant, client.Registration{Name: "Bank", Type: auth.ClientWeb, FirstParty: true, RedirectURIs: []string{ledgerCallback}})
		u := &wayUser{t: t, s: s, client: c, email: alice, id: createAccount(t, s, alice)}
		essential := func(values ...string) string {
			v, err := json.Marshal(body{"id_token": body{"acr": body{"essential": true, "values": values}}})
			u.requireOK(err)
			return authorizationQuery(c, "claims", string(v))
		}
		b := u.signedInBrowser()
		if got := b.Open(essential("urn:example:gold")).Answer(t); got.Get("error") != "unmet_authentication_requirements" {
			t.Errorf("unknown: %v", got)
		}
		if got := b.Open(essential("phr", "1")).Answer(t); got.Get("code") == "" {
			t.Errorf("one of two: %v", got)
		}
		b.Open(essential("2")).At(t, "/login/add-factor") // an account without a factor adds one
		s.Clock.Advance(6 * time.Minute)
		b.Open(essential("2")).At(t, "/login") // but not in an old session
		signIn(t, b, alice).At(t, "/login/add-factor")
		factor := strings.ReplaceAll(textOf(b.Page, "secret"), " ", "")
		got := b.Press("submit", "code", codeOfApp(t, s, factor)).Answer(t)
		v := redeem(t, s, c, got)
		if id := decodeJWT(t, v["id_token"].(string)); id["acr"] != "2" || id["auth_time"] != float64(s.Clock.Now().Unix()) {
			t.Errorf("ID Token %v", id)
		}
	})
}

// TestAttack_MF_15_RescuePages: with the link of an operator and the password, a user replaces the lost
// factors. The link alone, and the password alone, lead nowhere.
func TestAttack_MF_15_RescuePages(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		u := &wayUser{t: t, s: s, email: alice, id: createAccount(t, s, alice)}
		old := u.addTOTP()
		s.Clock.Advance(30 * time.Second)
		s.WaitMail(t, alice) // a factor was added
		token, _, err := s.Logins.CreateRescue(t.Context(), auth.DefaultTenant, u.id, auth.System)
		u.requireOK(err)
		if m := s.WaitMail(t, alice); m.Kind != auth.MailRescue || len(m.Links) != 0 || strings.Contains(m.Text, token.Reveal()) {
			t.Errorf("notice %+v", m)
		}
		link := "/rescue?token=" + token.Reveal()

		b := s.Browser(t)
		for range 3 { // a mail scanner opens it, and the user reloads
			s.Browser(t).Open(link).Want(t, 200)
		}
		b.Open(link).Want(t, 200)
		first, again := pressTwice(t, b, "submit")
		if first.Status != 200 || again.Status != 200 {
			t.Fatalf("%d, then %d: %s", first.Status, again.Status, again.Text())
		}
		b.Page.At(t, "/login")
		s.Browser(t).Open(link).Want(t, 400)
		b.Open("/account").At(t, "/login")
		b.Open(link).Want(t, 200) // in its own browser it leads on
		b.Press("submit").At(t, "/login")
		if acr := u.newSession(func() { signIn(t, b, alice).At(t, "/login/add-factor") }); acr != "" {
			t.Errorf("a session of acr %s before there is a factor", acr)
		}
		secret := strings.ReplaceAll(textOf(b.Page, "secret"), " ", "")
		if acr := u.newSession(func() { b.Press("submit", "code", codeOfApp(t, s, secret)).At(t, "/account") }); acr != "2" {
			t.Errorf("in the end acr %q", acr)
		}
		s.Clock.Advance(30 * time.Second)
		for name, code := range map[string]string{"old": codeOfApp(t, s, old), "new": codeOfApp(t, s, secret)} {
			other := s.Browser(t)
			other.Open("/login")
			signIn(t, other, alice).At(t, "/login/factor")
			if p := other.Press("submit", "code", code); (p.URL.Path == "/account") != (name == "new") {
				t.Errorf("the code of the %s app leads to %s", name, p.URL.Path)
			}
		}
	})
}

// A stronger acr meets a weaker requirement, in guard as in the server.
func TestOrderOfACRs(t *testing.T) {
	t.Parallel()
	for i, has := range auth.ACRs {
		for j, required := range auth.ACRs {
			if met := guard.Check(&guard.Claims{ACR: has}, guard.ACR(required)) == nil; met != (i >= j) {
				t.Errorf("acr %s, required %s: %t", has, required, met)
			}
		}
		if guard.Check(&guard.Claims{ACR: has}, guard.ACR("urn:example:gold")) == nil {
			t.Errorf("acr %s meets one of another server", has)
		}
	}
	for _, other := range []string{"", "gold", "0", "3"} {
		if guard.Check(&guard.Claims{ACR: other}, guard.ACR("1")) == nil {
			t.Errorf("acr %q meets 1", other)
		}
	}
}

// textOf returns the text of the element with the id.
func textOf(p *servertest.Page, id string) string {
	_, rest, _ := strings.Cut(string(p.Body), `id="`+id+`"`)
	_, rest, _ = strings.Cut(rest, ">")
	text, _, _ := strings.Cut(rest, "<")
	return text
}

// Reports about other servers: a parameter of the request lowers what a client requires of its users
// (keycloak/keycloak#33205), only the last of several acr_values counts (keycloak/keycloak#31534), and the device
// grant does without the second factor or fails for users who have one (idenplane/idenplane#111, #624).
func TestReported_StepUp(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := createClient(t, s, auth.DefaultTenant, client.Registration{Name: "Bank", Type: auth.ClientWeb, FirstParty: true, RedirectURIs: []string{ledgerCallback},
			ClientSettings: auth.ClientSettings{Grants: []auth.GrantType{auth.GrantAuthorizationCode, auth.GrantDeviceCode}}})
		u := &wayUser{t: t, s: s, client: c, email: alice, id: createAccount(t, s, alice)}
		b := u.signedInBrowser()
		secret := u.addTOTP()
		s.Clock.Advance(30 * time.Second)
		b.Open(authorizationQuery(c, "acr_values", "phrh phr 2 1")).At(t, "/login/factor")
		b.Open(authorizationQuery(c, "acr_values", "1 2")).Answer(t)

		setClientPolicy(t, s, c, auth.FactorsRequired)
		b.Open(authorizationQuery(c, "acr_values", "1")).At(t, "/login/factor")
		b.Open(authorizationQuery(c, "claims", `{"id_token":{"acr":{"essential":true,"value":"1"}}}`)).At(t, "/login/factor")

		a := decode[deviceAuthorization](t, postForm(t, s, "/oauth2/device_authorization", "scope=openid", c.basic()).Want(t, 200))
		b.Open(strings.TrimPrefix(a.Complete, s.Issuer)).Want(t, 200)
		b.Press("submit").At(t, "/login/factor")
		b.Press("submit", "code", codeOfApp(t, s, secret)).At(t, "/device/confirm")
		b.Press("approve").Want(t, 200)
		form := url.Values{"grant_type": {string(auth.GrantDeviceCode)}, "device_code": {a.Device}}
		if acr := acrOf(t, postForm(t, s, "/oauth2/token", form.Encode(), c.basic())); acr != "2" {
			t.Errorf("the device got acr %q", acr)
		}
	})
}
