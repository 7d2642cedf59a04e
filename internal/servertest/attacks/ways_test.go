package attacks_test

import (
	"encoding/base64"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/passkey/passkeytest"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// way is a way to a session or to tokens of a user. A new one gets a row here: TestAttack_MF_13_WaysAreListed
// finds what no row names.
type way struct {
	issues []string         // the functions that decide or issue on it
	grants []auth.GrantType // its grants
	routes []string         // the routes without a signed-in user that belong to it

	earlier  bool // it rests on a sign-in from before the policy
	atClient bool // it ends at the client that has a policy of its own
	replaces bool // the account has a factor that it replaces
	never    bool // it leads to nothing, whatever the policy
	// unlike names the policies under which it is closed, or open, unlike other ways.
	unlike map[string]bool
	strong bool // it proves as much as any policy requires
	// prepare does what happens before the policy. The function that it returns tries the way under the
	// policy. It returns the acr of what it got, or empty for nothing.
	prepare func(u *wayUser) (try func() string)
}

var ways = map[string]way{
	"password on the page": {
		issues: []string{"login.decide", "login.addToBrowser", "login.addProof", "login.repeatFactor"}, routes: []string{"POST /login", "POST /login/factor", "POST /login/add-factor", "POST /choose-account"},
		prepare: func(u *wayUser) func() string { return func() string { return u.newSession(u.signInOnPage) } },
	},
	"password in the API": {
		issues: []string{"login.begin", "login.complete"}, routes: []string{"POST /api/v1/login", "POST /api/v1/login/mfa", "POST /api/v1/login/mfa/email-code"},
		prepare: func(u *wayUser) func() string { return u.loginACR },
	},
	"password in the API, for a cookie": {
		prepare: func(u *wayUser) func() string {
			return func() string {
				return u.newSession(func() {
					post(u.t, u.s, "/login", body{"email": u.email, "password": servertest.Password, "session": "cookie"}, withOwnOrigin(u.s))
				})
			}
		},
	},
	"link or code by mail": {
		issues: []string{"login.proveEmail", "login.repeatEmail"}, routes: []string{"POST /login/email", "POST /login/email/code"},
		prepare: func(u *wayUser) func() string {
			return func() string {
				b := u.s.Browser(u.t)
				b.Open("/login")
				b.Open(b.Page.Link("by-mail"))
				b.Press("submit", "email", u.email).Want(u.t, 200)
				code := u.signInCode()
				return u.newSession(func() { b.Press("submit", "code", code) })
			}
		},
	},
	"code by mail in the API": {
		issues: []string{"login.proveFirst"}, routes: []string{"POST /api/v1/login/email", "POST /api/v1/login/email/code"},
		prepare: func(u *wayUser) func() string {
			return func() string {
				v := decode[body](u.t, post(u.t, u.s, "/login/email", body{"email": u.email}).Want(u.t, 202))
				return acrOf(u.t, post(u.t, u.s, "/login/email/code", body{"login_token": v["login_token"], "code": u.signInCode()}))
			}
		},
	},
	"trusted browser": { // it stands for the second factor until the policy or the factors change
		unlike: map[string]bool{"optional": false, "required, within grace": true, "required of a role that it lacks": true},
		prepare: func(u *wayUser) func() string {
			secret, b := u.addTOTP(), u.s.Browser(u.t)
			u.s.Clock.Advance(30 * time.Second)
			b.Open("/login")
			signIn(u.t, b, u.email).At(u.t, "/login/factor")
			b.Press("submit", "code", codeOfApp(u.t, u.s, secret), "trust", "on").At(u.t, "/account")
			b.Restart()
			return func() string {
				b.Open("/login")
				return u.newSession(func() { signIn(u.t, b, u.email) })
			}
		},
	},
	"passkey on the page": {
		routes: []string{"POST /login/passkey", "POST /login/add-passkey"}, strong: true,
		prepare: func(u *wayUser) func() string {
			k := u.addPasskey()
			return func() string {
				return u.newSession(func() {
					b := u.s.Browser(u.t)
					options := b.Open("/login").Attribute("passkey", "data-options")
					b.Press("use-passkey", "credential", string(k.Get(u.t, []byte(options))))
				})
			}
		},
	},
	"passkey in the API": {
		routes: []string{"POST /api/v1/passkeys/begin", "POST /api/v1/passkeys/finish"}, strong: true,
		prepare: func(u *wayUser) func() string {
			k := u.addPasskey()
			return func() string {
				options := decode[publicKey](u.t, post(u.t, u.s, "/passkeys/begin", body{}).Want(u.t, 200))
				return acrOf(u.t, post(u.t, u.s, "/passkeys/finish", body{"credential": json.RawMessage(k.Get(u.t, options.PublicKey))}))
			}
		},
	},
	"remember-me": { // asks for a factor that was added since
		issues: []string{"login.resume"},
		prepare: func(u *wayUser) func() string {
			b := u.s.Browser(u.t)
			b.Open("/login")
			b.Press("submit", "email", u.email, "password", servertest.Password, "remember", "on").At(u.t, "/account")
			b.Restart()
			return func() string { return u.newSession(func() { b.Open("/account") }) }
		},
	},
	"refresh in the API": {
		issues: []string{"api.Refresh"}, routes: []string{"POST /api/v1/refresh"}, earlier: true,
		prepare: func(u *wayUser) func() string {
			tokens := u.s.Login(u.t, u.email, servertest.Password)
			return func() string {
				return acrOf(u.t, post(u.t, u.s, "/refresh", body{"refresh_token": tokens.RefreshToken}))
			}
		},
	},
	"refresh token grant": {
		issues: []string{"oidc.redeemRefreshToken"}, grants: []auth.GrantType{auth.GrantRefreshToken}, routes: []string{"POST /oauth2/token"}, earlier: true, atClient: true,
		prepare: func(u *wayUser) func() string {
			tokens := redeem(u.t, u.s, u.client, u.authorize(u.signedInBrowser()).Answer(u.t))
			form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens["refresh_token"].(string)}}
			return func() string { return acrOf(u.t, postForm(u.t, u.s, "/oauth2/token", form.Encode(), u.client.basic())) }
		},
	},
	"code from before": {
		issues: []string{"oidc.startClientSession"}, grants: []auth.GrantType{auth.GrantAuthorizationCode}, earlier: true, atClient: true,
		prepare: func(u *wayUser) func() string {
			code := u.authorize(u.signedInBrowser()).Answer(u.t).Get("code")
			return func() string {
				return acrOf(u.t, postForm(u.t, u.s, "/oauth2/token", redemption(code).Encode(), u.client.basic()))
			}
		},
	},
	"authorization request in a session": {
		routes: []string{"POST /oauth2/authorize", "POST /consent", "POST /oauth2/par"}, earlier: true, atClient: true,
		prepare: func(u *wayUser) func() string {
			b := u.signedInBrowser()
			return func() string {
				p := u.authorize(b)
				if !p.Away {
					return ""
				}
				return acrOf(u.t, postForm(u.t, u.s, "/oauth2/token", redemption(p.Answer(u.t).Get("code")).Encode(), u.client.basic()))
			}
		},
	},
	"device approved before": {
		issues: []string{"oidc.consumeDevice"}, grants: []auth.GrantType{auth.GrantDeviceCode}, routes: []string{"POST /oauth2/device_authorization"}, earlier: true, atClient: true,
		prepare: func(u *wayUser) func() string {
			form := url.Values{"grant_type": {string(auth.GrantDeviceCode)}, "device_code": {approvedDevice(u.t, u.s, u.signedInBrowser(), u.client)}}
			return func() string { return acrOf(u.t, postForm(u.t, u.s, "/oauth2/token", form.Encode(), u.client.basic())) }
		},
	},
	"device page in a session": {
		routes: []string{"POST /device", "POST /device/confirm"}, earlier: true, atClient: true,
		prepare: func(u *wayUser) func() string {
			b := u.signedInBrowser()
			a := decode[deviceAuthorization](u.t, postForm(u.t, u.s, "/oauth2/device_authorization", "scope=openid", u.client.basic()).Want(u.t, 200))
			return func() string {
				b.Open(strings.TrimPrefix(a.Complete, u.s.Issuer)).Want(u.t, 200)
				if b.Press("submit"); !b.Page.Has("approve") {
					return ""
				}
				b.Press("approve").Want(u.t, 200)
				form := url.Values{"grant_type": {string(auth.GrantDeviceCode)}, "device_code": {a.Device}}
				return acrOf(u.t, postForm(u.t, u.s, "/oauth2/token", form.Encode(), u.client.basic()))
			}
		},
	},
	"token exchange": {
		issues: []string{"oidc.exchangeForUser"}, grants: []auth.GrantType{auth.GrantTokenExchange}, earlier: true, atClient: true,
		prepare: func(u *wayUser) func() string {
			tokens := redeem(u.t, u.s, u.client, u.authorize(u.signedInBrowser()).Answer(u.t))
			form := url.Values{"grant_type": {string(auth.GrantTokenExchange)}, "subject_token": {tokens["access_token"].(string)},
				"subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"}}
			return func() string { return acrOf(u.t, postForm(u.t, u.s, "/oauth2/token", form.Encode(), u.client.basic())) }
		},
	},
	"password reset": { // PW-11
		routes: []string{"POST /forgot-password", "POST /reset-password", "POST /api/v1/password/forgot", "POST /api/v1/password/reset"},
		prepare: func(u *wayUser) func() string {
			link := requestReset(u.t, u.s, u.email)
			return func() string {
				if acr := u.newSession(func() { resetPassword(u.t, u.s, link, servertest.Password).Want(u.t, 204) }); acr != "" {
					u.t.Errorf("the link itself signed in: %s", acr)
				}
				return u.newSession(u.signInOnPage)
			}
		},
	},
	"invitation": {
		prepare: func(u *wayUser) func() string {
			link := u.invite()
			return func() string {
				post(u.t, u.s, "/verify-email", body{"token": link, "password": servertest.Password}).Want(u.t, 200)
				return u.loginACR()
			}
		},
	},
	"registration": {
		routes: []string{"POST /register", "POST /api/v1/register", "POST /verify-email", "POST /verify-email/resend", "POST /api/v1/verify-email", "POST /api/v1/verify-email/resend"},
		unlike: map[string]bool{"optional, with one": false}, // whoever registered the address added it
		prepare: func(u *wayUser) func() string {
			u.email = newEmail()
			u.s.Register(u.t, u.email, servertest.Password)
			a, err := u.s.Accounts.Find(u.t.Context(), auth.DefaultTenant, u.email)
			u.id = a.ID
			u.requireOK(err)
			return func() string {
				u.s.Verify(u.t, u.email)
				return u.loginACR()
			}
		},
	},
	"rescue link": {
		routes: []string{"POST /rescue"}, replaces: true,
		prepare: func(u *wayUser) func() string {
			u.addTOTP()
			link, _, err := u.s.Logins.CreateRescue(u.t.Context(), auth.DefaultTenant, u.id, auth.System)
			u.requireOK(err)
			return func() string {
				b := u.s.Browser(u.t)
				b.Open("/rescue?token="+link.Reveal()).Want(u.t, 200)
				b.Press("submit").At(u.t, "/login")
				return u.newSession(func() { signIn(u.t, b, u.email) })
			}
		},
	},
	"Basic authentication of a user": {
		never: true,
		prepare: func(u *wayUser) func() string {
			credentials := servertest.Header("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.email+":"+servertest.Password)))
			return func() string {
				for _, path := range []string{api("/me"), "/oauth2/userinfo"} {
					if r := u.s.Do(u.t, "GET", path, nil, credentials); r.Status != 401 && r.Status != 400 {
						u.t.Errorf("%s: %d %s", path, r.Status, r.Body)
					}
				}
				return ""
			}
		},
	},
}

// withoutUser are the functions and routes of ways.issues and ways.routes that give a user neither a
// session nor a token that is new, with the reason.
var withoutUser = map[string]string{
	"oidc.redeemClientCredentials":        "a machine acts for itself",
	"oidc.exchangeMachine":                "a machine acts for itself",
	"login.checkInBrowser":                "called by the functions of ways",
	"account.renew":                       "another cookie of the same session, as strong as before",
	"session.Start":                       "called by the functions of ways",
	"session.StartClient":                 "called by the functions of ways",
	"session.renew":                       "called by the functions of ways",
	"session.Strengthen":                  "called by login.strengthen",
	"login.strengthen":                    "adds the proof of a new authenticator to a session that there is",
	"store.consumeCode":                   "stores what oidc.startClientSession has decided",
	"token.Start":                         "called by the functions of ways",
	"POST /secure-account":                "locks an account",
	"POST /keep-account":                  "cancels the deletion of an account",
	"POST /cancel-recovery":               "cancels a link for a new password",
	"POST /oauth2/introspect":             "describes a token",
	"POST /oauth2/revoke":                 "ends a token",
	"POST /oauth2/register":               "registers a client",
	"PUT /oauth2/register/{client_id}":    "changes a client",
	"DELETE /oauth2/register/{client_id}": "deletes a client",
	"POST /oauth2/userinfo":               "describes the user of a token",
	"POST /oauth2/logout":                 "ends a session",
	"POST /logout":                        "ends a session",
}

// wayUser is a user for one way and one policy, with a first-party client.
type wayUser struct {
	t      *testing.T
	s      *servertest.Server
	client testClient
	id     auth.AccountID
	email  string
}

func (u *wayUser) requireOK(err error) {
	u.t.Helper()
	if err != nil {
		u.t.Fatal(err)
	}
}

// newSession returns the acr of the session that fn begins, or empty.
func (u *wayUser) newSession(fn func()) string {
	u.t.Helper()
	list := func() []auth.Session {
		all, err := u.s.Accounts.Sessions(u.t.Context(), auth.DefaultTenant, u.id)
		u.requireOK(err)
		return all
	}
	before := list()
	fn()
	for _, v := range list() {
		if !slices.ContainsFunc(before, func(b auth.Session) bool { return b.ID == v.ID }) {
			return v.ACR
		}
	}
	return ""
}

// signInCode returns the code of the next mail that signs the user in.
func (u *wayUser) signInCode() string {
	u.t.Helper()
	m := u.s.WaitMail(u.t, u.email)
	for m.Kind != auth.MailSignIn {
		m = u.s.WaitMail(u.t, u.email)
	}
	return codeIn(u.t, m.Text)
}

func (u *wayUser) signInOnPage() {
	u.t.Helper()
	b := u.s.Browser(u.t)
	b.Open("/login")
	signIn(u.t, b, u.email)
}

func (u *wayUser) signedInBrowser() *servertest.Browser {
	u.t.Helper()
	b := u.s.Browser(u.t)
	b.Open("/login")
	signIn(u.t, b, u.email).At(u.t, "/account")
	return b
}

func (u *wayUser) loginACR() string {
	u.t.Helper()
	return acrOf(u.t, login(u.t, u.s, u.email, servertest.Password))
}

func (u *wayUser) authorize(b *servertest.Browser) *servertest.Page {
	u.t.Helper()
	return b.Open(authorizationQuery(u.client, "scope", "openid offline_access"))
}

// invite creates the account of the user by an invitation, and returns the token of its link.
func (u *wayUser) invite() string {
	u.t.Helper()
	u.email = newEmail()
	a, err := u.s.Accounts.Create(u.t.Context(), auth.DefaultTenant, account.Creation{Email: u.email}, auth.System)
	u.requireOK(err)
	u.id = a.ID
	return servertest.LinkToken(u.t, u.s.WaitMail(u.t, u.email))
}

// addTOTP adds an authenticator app and returns its secret.
func (u *wayUser) addTOTP() string {
	u.t.Helper()
	by := auth.Actor{Kind: auth.ActorAccount, ID: string(u.id)}
	app, err := u.s.Logins.BeginTOTP(u.t.Context(), auth.DefaultTenant, "Phone", by)
	u.requireOK(err)
	secret := app.Secret.Reveal()
	_, err = u.s.Logins.ConfirmTOTP(u.t.Context(), auth.DefaultTenant, app.ID, codeOfApp(u.t, u.s, secret), by)
	u.requireOK(err)
	return secret
}

// addPasskey adds a passkey and returns its authenticator.
func (u *wayUser) addPasskey() *passkeytest.Authenticator {
	u.t.Helper()
	k := passkeytest.New(u.s.Issuer, "localhost")
	by := auth.Actor{Kind: auth.ActorAccount, ID: string(u.id)}
	options, err := u.s.Logins.BeginPasskey(u.t.Context(), auth.DefaultTenant, by)
	u.requireOK(err)
	_, _, err = u.s.Logins.AddPasskey(u.t.Context(), auth.DefaultTenant, k.Create(u.t, options), "", by)
	u.requireOK(err)
	return k
}

// codeOfApp returns the current code of an authenticator app.
func codeOfApp(t testing.TB, s *servertest.Server, secret string) string {
	t.Helper()
	code, err := totp.GenerateCode(secret, s.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// acrOf returns the acr of the access token in a response, or empty without one.
func acrOf(t testing.TB, r servertest.Response) string {
	t.Helper()
	var v struct {
		Access string `json:"access_token"`
	}
	if r.Status != 200 {
		return ""
	}
	r.Decode(t, &v)
	return decodeJWT(t, v.Access)["acr"].(string)
}

// decodeJWT returns the claims of a JWT without verification.
func decodeJWT(t testing.TB, jwt string) (claims body) {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(jwt, ".")[1])
	if err == nil {
		err = jsonInto(b, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

func setFactors(t testing.TB, s *servertest.Server, f auth.FactorSettings) {
	t.Helper()
	_, err := s.Tenants.Update(t.Context(), auth.DefaultTenant, func(t *auth.Tenant) error {
		t.Settings.Factors = f
		return nil
	}, auth.System)
	if err != nil {
		t.Fatal(err)
	}
}

// TestAttack_MF_13_PW_11_EveryWay tries every way to a session or token under every policy. Nothing is
// issued that is weaker than the policy, and a policy that does not bind leaves every way open.
func TestAttack_MF_13_PW_11_EveryWay(t *testing.T) {
	t.Parallel()
	const role = "staff"
	policies := map[string]struct {
		auth.FactorSettings
		client auth.FactorPolicy
		role   bool // the account has the role
		factor bool // the account gets a factor before the way is tried
		closed func(way) bool
	}{
		"off":                    {FactorSettings: auth.FactorSettings{Policy: auth.FactorsOff}},
		"off, with a factor":     {FactorSettings: auth.FactorSettings{Policy: auth.FactorsOff}, factor: true},
		"optional":               {closed: func(w way) bool { return w.replaces }},
		"optional, with one":     {factor: true, closed: func(w way) bool { return !w.earlier }},
		"required":               {FactorSettings: auth.FactorSettings{Policy: auth.FactorsRequired}, closed: func(way) bool { return true }},
		"required, with one":     {FactorSettings: auth.FactorSettings{Policy: auth.FactorsRequired}, factor: true, closed: func(way) bool { return true }},
		"required, within grace": {FactorSettings: auth.FactorSettings{Policy: auth.FactorsRequired, GraceDays: 7}, closed: func(w way) bool { return w.replaces }},
		"phishing-resistant":     {FactorSettings: auth.FactorSettings{Policy: auth.FactorsResistant}, closed: func(way) bool { return true }},
		"required of the role":   {FactorSettings: auth.FactorSettings{Roles: map[string]auth.FactorPolicy{role: auth.FactorsRequired}}, role: true, closed: func(way) bool { return true }},
		"required of a role that it lacks": {FactorSettings: auth.FactorSettings{Roles: map[string]auth.FactorPolicy{role: auth.FactorsRequired}},
			closed: func(w way) bool { return w.replaces }},
		"required at the client": {client: auth.FactorsRequired, closed: func(w way) bool { return w.atClient || w.replaces }},
	}
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		changeSettings(t, s, func(v *auth.Settings) { v.EmailSignIn = true })
		if _, err := s.Access.CreateRole(t.Context(), auth.DefaultTenant, role, "", auth.System); err != nil {
			t.Fatal(err)
		}
		c := createClient(t, s, auth.DefaultTenant, client.Registration{
			Name: "Orders", Type: auth.ClientWeb, FirstParty: true, RedirectURIs: []string{ledgerCallback}, Scopes: []string{"openid", "offline_access"},
			ClientSettings: auth.ClientSettings{Grants: []auth.GrantType{auth.GrantAuthorizationCode, auth.GrantRefreshToken, auth.GrantDeviceCode, auth.GrantTokenExchange}},
		})
		for name, p := range policies {
			setFactors(t, s, auth.FactorSettings{})
			setClientPolicy(t, s, c, auth.FactorsOptional)
			users, tries := map[string]*wayUser{}, map[string]func() string{}
			for way, w := range ways {
				u := &wayUser{t: t, s: s, client: c, email: newEmail()}
				u.id = createAccount(t, s, u.email)
				tries[way] = w.prepare(u)
				users[way] = u
			}
			s.Clock.Advance(time.Second)
			for way, u := range users {
				if p.factor && !ways[way].replaces {
					u.addTOTP()
				}
				if !p.role {
					continue
				}
				err := s.Access.Assign(t.Context(), auth.DefaultTenant, u.id, role, auth.System)
				if auth.KindOf(err) == auth.KindConflict || auth.KindOf(err) == auth.KindForbidden { // its address is not proved yet
					delete(tries, way)
				} else if err != nil {
					t.Fatal(err)
				}
			}
			s.Clock.Advance(time.Second)
			setFactors(t, s, p.FactorSettings)
			setClientPolicy(t, s, c, p.client)
			for way, try := range tries {
				w := ways[way]
				closed := w.never || !w.strong && p.closed != nil && p.closed(w)
				if unlike, ok := w.unlike[name]; ok {
					closed = unlike
				}
				if acr := try(); closed != (acr == "") || acr > "1" && !w.strong {
					t.Errorf("MF-13 %s, by %s: acr %q, want nothing: %t", name, way, acr, closed)
				}
			}
		}
	}, servertest.Domain())
}

func setClientPolicy(t testing.TB, s *servertest.Server, c testClient, p auth.FactorPolicy) {
	t.Helper()
	_, _, err := s.Clients.Update(t.Context(), auth.DefaultTenant, c.ID, "", auth.System, func(r *client.Registration) error {
		r.SecondFactor = p
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// issuing are the methods by which sessions and tokens come to be, by the names of the fields and variables
// that have them.
var issuing = map[string][]string{
	"Sessions": {"Start", "Reauthenticate", "Renew", "Strengthen", "StartClient", "PlanClient"},
	"Tokens":   {"Start", "Plan", "StartMachine", "Refresh", "Rotate"},
	"tx":       {"InsertSession", "InsertFamily", "RenewSession"},
	"s":        {"checkProofs", "checkInBrowser"},
}

// TestAttack_MF_13_WaysAreListed: each function that issues, each grant, and each route that changes
// something without a signed-in user, is in the table of ways.
func TestAttack_MF_13_WaysAreListed(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "..")
	var found []string
	for name := range issuers(t, filepath.Join(root, "internal")) {
		found = append(found, name)
	}
	table, err := os.ReadFile(filepath.Join(root, "internal", "web", "routes.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`"((?:POST|PUT|PATCH|DELETE) [^"]+)", d\.\w+, (anyone|anyClient|tokenHolder),`).FindAllSubmatch(table, -1) {
		found = append(found, string(m[1]))
	}
	metadata := fetchMetadata(t, servertest.New(t), "/.well-known/openid-configuration")
	found = append(found, stringList(metadata["grant_types_supported"])...)
	var listed []string
	for _, w := range ways {
		listed = append(listed, slices.Concat(w.issues, w.routes)...)
		for _, g := range w.grants {
			listed = append(listed, string(g))
		}
	}
	if len(found) < 40 {
		t.Fatalf("found only %q", found)
	}
	for _, name := range found {
		if !slices.Contains(listed, name) && withoutUser[name] == "" && name != string(auth.GrantClientCredentials) {
			t.Errorf("MF-13 %s is in no row of ways: does it ask for the second factor?", name)
		}
	}
	for _, name := range listed {
		if !slices.Contains(found, name) {
			t.Errorf("%s does not exist", name)
		}
	}
}

// issuers returns the functions below a folder that use an issuing method.
func issuers(t *testing.T, folder string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(folder, "*", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	deeper, err := filepath.Glob(filepath.Join(folder, "*", "*", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(files, deeper...) {
		if strings.HasSuffix(name, "_test.go") || strings.Contains(filepath.ToSlash(name), "/servertest/") || strings.HasSuffix(filepath.Dir(name), "storetest") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok && issues(sel) {
					found[f.Name.Name+"."+fn.Name.Name] = true
				}
				return true
			})
		}
	}
	return found
}

// issues reports whether the selector is an issuing method.
func issues(sel *ast.SelectorExpr) bool {
	var of string
	switch x := sel.X.(type) {
	case *ast.SelectorExpr:
		of = x.Sel.Name
	case *ast.Ident:
		of = x.Name
	}
	for name, methods := range issuing {
		if strings.EqualFold(of, name) && slices.Contains(methods, sel.Sel.Name) {
			return true
		}
	}
	return false
}
