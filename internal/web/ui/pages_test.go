package ui

import (
	"bytes"
	"flag"
	"fmt"
	"html"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

var update = flag.Bool("update", false, "write the golden pages")

// page is a page to render.
type page interface{ Render(io.Writer) error }

// sample is a page in one state, and the ids that its elements must have.
type sample struct {
	name string
	page page
	ids  []string
}

var (
	acme = auth.Tenant{ID: "acme", Name: "Acme", Settings: auth.Settings{Branding: auth.Branding{
		PrivacyURI: "https://acme.example/privacy", TermsURI: "https://acme.example/terms", SupportURI: "https://acme.example/help"}}}
	form = Form{Action: "/here", Flow: "flow-1", CSRF: "csrf-1"}
	seen = time.Date(2026, 7, 9, 14, 30, 0, 0, time.UTC)
)

const (
	alice   = "alice@example.test"
	firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
	chrome  = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
	iphone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
)

// samples returns all pages in all their states.
func samples(lang Lang) []sample {
	p := NewPage(acme, lang)
	all := signSamples(p)
	all = append(all, flowSamples(p)...)
	all = append(all, accountSamples(p)...)
	all = append(all, restSamples(p)...)
	return append(all, devSamples(p)...)
}

func signSamples(p Page) []sample {
	fields := []string{"email", "password", "submit"}
	done := func(k, elsewhere Key) Done {
		d := p.Done(k)
		if d.Next = "/login"; elsewhere != "" {
			d.Elsewhere = p.Say(elsewhere)
		}
		return d
	}
	return []sample{
		{"login", Login{Page: p, Form: form, Client: "Acme Orders", Remember: true, Forgot: "/forgot-password", Register: "/register"}, append(fields, "remember", "forgot", "register")},
		{"login_bad", Login{Page: p, Form: form, Email: alice, Bad: p.Say(BadCredentials), Remember: true, Ticked: true, Forgot: "/forgot-password"}, append(fields, "bad", "remember")},
		{"login_again", Login{Page: p, Form: form, Email: alice, Account: alice, NotYou: "/login?flow=flow-1&other", Notice: p.Say(SignInAgain), Forgot: "/forgot-password"}, append(fields, "notyou")},
		{"login_again_bad", Login{Page: p, Form: form, Email: alice, Account: alice, NotYou: "/login?flow=flow-1&other", Bad: p.Say(BadPassword), Forgot: "/forgot-password"}, append(fields, "bad")},
		{"login_by_mail", Login{Page: p, Form: form, Remember: true, ByMail: "/login/email?flow=flow-1", Forgot: "/forgot-password"}, append(fields, "by-mail", "forgot")},
		{"email_signin", EmailSignIn{Page: p, Form: form, Login: "/login"}, []string{"email", "submit", "login"}},
		{"email_signin_bad", EmailSignIn{Page: p, Form: form, Email: "alice", Bad: p.Say(AddressInvalid), Login: "/login"}, []string{"email", "submit", "bad"}},
		{"email_code", EmailCode{Page: p, Form: form, Email: alice, Again: "/login/email?flow=flow-1&again", Login: "/login"}, []string{"code", "remember", "submit", "again", "login"}},
		{"email_code_filled", EmailCode{Page: p, Form: form, Email: alice, Code: "ABCD-EFGH", Again: "/login/email?flow=flow-1&again", Login: "/login"}, []string{"code", "submit"}},
		{"email_code_bad", EmailCode{Page: p, Form: form, Email: alice, Ticked: true, Bad: p.Say(BadMailedCode), Again: "/login/email?flow=flow-1&again", Login: "/login"}, []string{"code", "submit", "bad"}},
		{"email_elsewhere", EmailElsewhere{Page: p, Code: "ABCD-EFGH"}, []string{"code"}},
		{"email_elsewhere_bad", EmailElsewhere{Page: p, Bad: p.Say(LinkIncomplete), Login: "/login"}, []string{"bad", "login"}},
		{"login_passkey", Login{Page: p, Form: form, Forgot: "/forgot-password", Passkey: Passkey{Form: form, Button: UsePasskey, Use: "sign_in", Options: `{"challenge":"AAAA"}`, Background: true}}, append(fields, "passkey", "use-passkey", "forgot")},
		{"login_both", Login{Page: p, Form: form, Names: auth.IdentifyByBoth, Email: "alice", Bad: p.Say(BadName), Remember: true, Forgot: "/forgot-password"}, append(fields, "bad")},
		{"register_both", Register{Page: p, Form: form, Names: auth.IdentifyByBoth, MinLength: 15, Login: "/login"}, append(fields, "username")},
		{"register_username", Register{Page: p, Form: form, Names: auth.IdentifyByUsername, Email: alice, Username: "alice", BadName: p.Say(NameTaken), MinLength: 15, Login: "/login"}, append(fields, "username", "badname")},
		{"register", Register{Page: p, Form: form, Client: "Acme Orders", MinLength: 8, Login: "/login"}, append(fields, "login", "hint")},
		{"register_bad", Register{Page: p, Form: form, Email: "alice@", MinLength: 12, Login: "/login", Bad: p.Say(AddressInvalid),
			Refused: p.Refusal(&auth.Error{Reasons: []auth.Reason{{Code: "too_short", Msg: "must have at least 12 characters"}, {Code: "common", Msg: "is one of the most common passwords"}}})}, append(fields, "bad", "refused")},
		{"register_sent", RegisterSent{Page: p, Form: Form{Action: "/verify-email/resend", Flow: "f", CSRF: "c"}, Email: alice, Login: "/login"}, []string{"again", "login"}},
		{"wait", WaitVerify{Page: p, Form: form, Email: alice, Login: "/login"}, []string{"submit", "login"}},
		{"forgot", Forgot{Page: p, Form: form, Login: "/login"}, []string{"email", "submit", "login"}},
		{"forgot_bad", Forgot{Page: p, Form: form, Email: "alice", Bad: p.Say(AddressInvalid), Login: "/login"}, []string{"email", "submit", "bad"}},
		{"forgot_sent", ForgotSent{Page: p, Form: Form{Action: "/forgot-password", Flow: "f", CSRF: "c"}, Email: alice, Login: "/login"}, []string{"again", "login"}},
		{"verify", VerifyEmail{Page: p, Action: "/verify-email", Token: "wwl_abc", Once: "wwp_abc", Address: alice}, []string{"submit"}},
		{"verify_choose", VerifyEmail{Page: p, Action: "/verify-email", Token: "wwl_abc", Once: "wwp_abc", Address: alice, Choose: true, MinLength: 8}, []string{"email", "password", "submit", "hint"}},
		{"verify_invited", VerifyEmail{Page: p, Action: "/verify-email", Token: "wwl_abc", Once: "wwp_abc", Address: alice, Invited: true, Choose: true, MinLength: 8}, []string{"email", "password", "submit", "hint"}},
		{"verify_current", VerifyEmail{Page: p, Action: "/verify-email", Token: "wwl_abc", Once: "wwp_abc", Address: alice, Current: true, Refused: []string{p.Say(PasswordWrong)}}, []string{"password", "submit", "refused"}},
		{"verify_bad", VerifyEmail{Page: p, Bad: p.Say(LinkUsed), Login: "/login"}, []string{"login"}},
		{"rescue", Rescue{Page: p, Action: "/rescue", Token: "wwl_abc"}, []string{"submit"}},
		{"rescue_bad", Rescue{Page: p, Login: "/login", Bad: p.Say(LinkUsed)}, []string{"login"}},
		{"recovery", Confirm{Page: p, Title: p.Say(RecoveryTitle), Text: []string{p.Say(RecoveryLead, p.Tenant), p.Say(RecoveryCancel)}, Action: "/cancel-recovery", Token: "wwl_abc", Submit: p.Say(RecoverySubmit)}, []string{"submit"}},
		{"keep", Confirm{Page: p, Title: p.Say(KeepTitle), Text: []string{p.Say(KeepLead, p.Tenant)}, Action: "/keep-account", Token: "wwl_abc", Submit: p.Say(KeepSubmit)}, []string{"submit"}},
		{"keep_done", done(Kept, ""), []string{"next"}},
		{"secure", Confirm{Page: p, Title: p.Say(SecureTitle), Text: []string{p.Say(SecureLead, p.Tenant), p.Say(SecureRestore, alice), p.Say(SecureName, "alice"), p.Say(SecureFactors)}, Action: "/secure-account", Token: "wwl_abc",
			Submit: p.Say(SecureSubmit), Not: p.Say(SecureNot)}, []string{"submit"}},
		{"secure_bad", Confirm{Page: p, Title: p.Say(SecureTitle), Bad: p.Say(SecureBad), Login: "/login"}, []string{"login"}},
		{"secure_done", done(Locked, ""), []string{"next"}},
		{"unlock_later", done(UnlockLater, ""), []string{"next"}},
		{"secure_removed", done(LockedRemoved, ""), []string{"next"}},
		{"reset", ResetPassword{Page: p, Action: "/reset-password", Token: "wwl_abc", Once: "wwp_abc", Address: alice, MinLength: 8}, []string{"email", "password", "submit", "hint"}},
		{"reset_bad", ResetPassword{Page: p, Bad: p.Say(LinkIncomplete), Forgot: "/forgot-password"}, []string{"forgot"}},
		{"reset_done", done(PasswordIsSet, LinkElsewhere), []string{"next"}},
		{"verify_done", done(AddressProved, LinkElsewhere), []string{"next"}},
	}
}

func flowSamples(p Page) []sample {
	both := []string{"approve", "deny"}
	consent := Consent{Page: p, Form: form, Client: "Ledger", Host: "ledger.example", Account: alice, NotYou: "/choose-account?flow=flow-1",
		Scopes: []string{"openid", "email", "orders:read", "offline_access"}, Return: "app.ledger.example", Policy: "https://ledger.example/privacy", Terms: "https://ledger.example/terms"}
	local := consent
	local.Host, local.Local, local.Return, local.Policy, local.Terms, local.Resources = "", true, "", "", "", []string{"https://api.acme.example"}
	device := DeviceConfirm{Page: p, Form: form, Client: "Acme TV", Account: alice, NotYou: "/choose-account?flow=flow-1", Code: "WDJB-MJHT", Scopes: []string{"openid", "profile"}, From: "203.0.113.7"}
	elsewhere := device
	elsewhere.Own = "192.0.2.7"
	unproved := device
	unproved.Unproved = true
	return []sample{
		{"choose", Choose{Page: p, Form: form, Client: "Acme Orders", Accounts: []Account{{"s1", alice, "Alice Liddell"}, {"s2", "bob@example.test", ""}}}, []string{"account-0", "account-1", "other"}},
		{"factor", Factor{Page: p, Form: form, Account: alice, TrustDays: 30, NotYou: "/login?flow=flow-1&other", Codes: true, Other: "/login/factor?flow=flow-1&recovery"}, []string{"code", "submit", "trust", "other", "notyou"}},
		{"factor_bad", Factor{Page: p, Form: form, Account: alice, NotYou: "/login?flow=flow-1&other", Bad: p.Say(BadFactorCode)}, []string{"code", "submit", "bad", "lost"}},
		{"factor_recovery", Factor{Page: p, Form: form, Account: alice, NotYou: "/login?flow=flow-1&other", Codes: true, Recovery: true, Other: "/login/factor?flow=flow-1"}, []string{"code", "submit", "other", "lost"}},
		{"mailed_code", MailedCode{Page: p, Form: form, Account: alice, TrustDays: 30, NotYou: "/login?flow=flow-1&other", Sent: true}, []string{"code", "submit", "send", "trust", "notyou"}},
		{"mailed_code_ask", MailedCode{Page: p, Form: form, Account: alice, NotYou: "/login?flow=flow-1&other", Passkey: "/login/factor?flow=flow-1"}, []string{"send", "notyou", "use-passkey"}},
		{"mailed_code_bad", MailedCode{Page: p, Form: form, Account: alice, NotYou: "/login?flow=flow-1&other", Sent: true, Bad: p.Say(BadMailedCode)}, []string{"code", "submit", "send", "bad"}},
		{"factor_add", FactorAdd{Page: p, Form: form, Account: alice, NotYou: "/login?flow=flow-1&other", Lead: p.Say(FactorRequired), Factor: "f1", Secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
			URI: "otpauth://totp/Acme:alice@example.test?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Acme", QR: "M4 4h7v1h-7zM12 4h1v1h-1z", Size: 37}, []string{"qr", "secret", "code", "submit", "notyou"}},
		{"factor_passkey", FactorPasskey{Page: p, Account: alice, NotYou: "/login?flow=flow-1&other", App: "/login/factor?flow=flow-1&app", Recovery: "/login/factor?flow=flow-1&recovery",
			Passkey: Passkey{Form: form, Button: ProvePasskey, Use: "factor", Options: `{"challenge":"AAAA"}`, TrustDays: 30}}, []string{"passkey", "trust", "use-passkey", "app", "recovery", "notyou"}},
		{"factor_passkey_bad", FactorPasskey{Page: p, Account: alice, NotYou: "/login?flow=flow-1&other", Bad: p.Say(BadPasskey),
			Passkey: Passkey{Form: form, Button: ProvePasskey, Use: "factor", Options: `{"challenge":"AAAA"}`}}, []string{"passkey", "use-passkey", "bad", "lost"}},
		{"passkey_add", PasskeyAdd{Page: p, Form: form, Account: alice, NotYou: "/login?flow=flow-1&other", Lead: p.Say(PasskeyRequired),
			Passkey: Passkey{Form: form, Button: CreatePasskey, Use: "create", Options: `{"challenge":"AAAA"}`}}, []string{"passkey", "use-passkey", "notyou"}},
		{"passkey_offer", PasskeyAdd{Page: p, Form: form, Account: alice, Offer: true,
			Passkey: Passkey{Form: form, Button: CreatePasskey, Answer: "create", Options: `{"challenge":"AAAA"}`, Background: true}}, []string{"passkey", "use-passkey", "later", "never"}},
		{"consent", consent, append(both, "notyou", "policy", "terms")},
		{"consent_local", local, append(both, "notyou")},
		{"device_code", DeviceCode{Page: p, Form: form}, []string{"code", "submit", "hint"}},
		{"device_code_bad", DeviceCode{Page: p, Form: form, Code: "WDJB-MJHX", Bad: p.Say(BadCode)}, []string{"code", "submit", "bad"}},
		{"device_confirm", device, append(both, "shown", "warn")},
		{"device_unproved", unproved, append(both, "shown", "warn")},
		{"device_elsewhere", elsewhere, append(both, "from", "warn")},
		{"device_allowed", DeviceDone{Page: p, Client: "Acme TV", Allowed: true, Home: "/account"}, []string{"next"}},
		{"device_denied", DeviceDone{Page: p, Client: "Acme TV", Home: "/account"}, []string{"next"}},
		{"logout", LogoutConfirm{Page: p, Form: form, Client: "Acme Orders", Account: alice, Hidden: [][2]string{{"state", "xyz"}}}, both},
		{"logout_done", LogoutDone{Page: p, Login: "/login"}, []string{"login"}},
		{"form_post", FormPost{Page: p, Action: "https://app.ledger.example/callback", Client: "Ledger", Params: [][2]string{{"code", "wwc_abc"}, {"state", "xyz"}}}, []string{"submit"}},
		{"leave", Leave{Page: p, Host: "ledger.example", To: "https://ledger.example/cb?error=login_required", Code: "login_required", Detail: "the person has to sign in"}, []string{"next"}},
		{"leave_post", Leave{Page: p, Host: "ledger.example", To: "https://ledger.example/cb", Params: [][2]string{{"error", "login_required"}}}, []string{"next"}},
		{"leave_out", Leave{Page: p, Host: "ledger.example", To: "https://ledger.example/bye", SignedOut: true}, []string{"next"}},
		{"go_on", GoOn{Page: p, To: "com.ledger.app:/callback?code=wwc_abc&state=xyz", Client: "Ledger"}, []string{"next"}},
	}
}

// accountSamples returns the pages of the account.
func accountSamples(p Page) []sample {
	frame := func(current int, up string) Frame {
		f := Frame{Page: p, Form: form, Account: alice, Name: "Alice Liddell", Up: up, Logout: "/account/logout"}
		for i, k := range []Key{AccountTitle, ProfileTitle, AddressTitle, PasswordTitle, FactorsTitle, SessionsTitle, AppsTitle, DataTitle} {
			f.Links = append(f.Links, Link{URL: fmt.Sprintf("/account/%d", i), Text: p.Say(k), Current: i == current})
		}
		return f
	}
	noted := func(f Frame, k Key) Frame { f.Notice = p.Say(k); return f }
	pictured := func(f Frame) Frame { f.Picture = "/pictures/x"; return f }
	offered := func(f Frame) Frame { f.OfferEnd = "/account/sessions/end-others"; return f }
	refused := func(f Frame, k Key) Frame { f.Bad = p.Say(k); return f }
	overview := Overview{Frame: frame(0, "")}
	for i, status := range []string{"Alice Liddell", alice, p.Say(PasswordStatus), p.Count(1, FactorOne, FactorMany) + " · " + p.Count(2, CodeOne, CodeMany), p.Count(3, SessionOne, SessionMany), p.Say(AppNone), p.Say(DataStatus)} {
		overview.Rows = append(overview.Rows, OverviewRow{Link: overview.Links[i+1], Status: status, Warn: i == 3})
	}
	apps := []FactorRow{{"f1", "Phone", seen, seen, "/account/two-factor/edit?factor=f1"}, {"f2", "", seen, time.Time{}, "/account/two-factor/edit?factor=f2"}}
	devices := []Device{{"s1", firefox, "192.0.2.7", "Saint-Rémy-de-Provence, France", seen, true}, {"s2", iphone, "2001:db8::17", "", seen, false}, {"s3", "", "", "", seen, false}}
	add := FactorAdd{Page: p, Form: form, Account: alice, Factor: "f1", Secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", Bad: p.Say(BadFirstCode), Cancel: "/account/two-factor",
		URI: "otpauth://totp/Acme:alice@example.test?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Acme", QR: "M4 4h7v1h-7zM12 4h1v1h-1z", Size: 37}
	codes := []string{"K7QD-2M9X-PB4T-WZ3H", "8FJN-RC5V-6YLE-T2KA", "D4WB-9XQH-M3GP-J7SZ"}
	return []sample{
		{"account", overview, []string{"account", "logout", "overview"}},
		{"account_deletion", Overview{Frame: overview.Frame, Rows: overview.Rows, DeleteAt: seen}, []string{"keep", "logout"}},
		{"account_due", Overview{Frame: overview.Frame, Rows: overview.Rows, DueAt: seen, Add: "/account/two-factor"}, []string{"due", "due-add"}},
		{"account_profile", Profile{Frame: noted(frame(1, "/account"), ProfileSaved), Value: "Alice Liddell", Locale: German}, []string{"name", "locale-0", "locale-2", "submit"}},
		{"account_profile_picture", Profile{Frame: pictured(noted(frame(1, "/account"), PictureSaved)), Upload: "/account/profile/picture", Remove: "/account/profile/picture/remove", BadPicture: p.Say(PictureInvalid)}, []string{"picture", "badpicture", "upload", "remove"}},
		{"account_email", Address{Frame: frame(2, "/account")}, []string{"email", "submit", "hint"}},
		{"account_email_username", Address{Frame: frame(2, "/account"), Names: auth.IdentifyByBoth, Username: "alice", BadName: p.Say(NameTaken), Rename: "/account/email/username"}, []string{"email", "username", "rename", "badname"}},
		{"account_email_bad", Address{Frame: refused(frame(2, "/account"), AddressInvalid), Email: "alice@"}, []string{"email", "submit", "bad"}},
		{"account_password", Password{Frame: frame(3, "/account"), MinLength: 8, Mail: "/account/password/link"}, []string{"email", "current", "password", "submit", "hint", "new-password"}},
		{"account_password_bad", Password{Frame: frame(3, "/account"), MinLength: 8, Mail: "/account/password/link", Wrong: p.Say(PasswordWrong),
			Refused: p.Refusal(&auth.Error{Reasons: []auth.Reason{{Code: "common", Msg: "is one of the most common passwords"}}})}, []string{"wrong", "refused"}},
		{"account_password_none", Password{Frame: frame(3, "/account"), None: true, Mail: "/account/password/link"}, []string{"new-password"}},
		{"account_factors", Factors{Frame: offered(noted(frame(4, "/account"), FactorAdded)), On: true, Apps: apps, NewCodes: "/account/two-factor/codes", Codes: 2}, []string{"others", "edit-0", "edit-1", "add", "codes", "left"}},
		{"account_factors_off", Factors{Frame: frame(4, "/account")}, []string{"add"}},
		{"account_factors_offered", Factors{Frame: frame(4, "/account"), Offered: true, NewCodes: "/account/two-factor/codes"}, []string{"add", "codes"}},
		{"account_factor", FactorEdit{Frame: frame(4, "/account/two-factor"), Factor: apps[0], Value: "Phone", Last: true, Remove: "/account/two-factor/edit/remove"}, []string{"name", "submit", "remove"}},
		{"account_factor_add", add, []string{"qr", "secret", "code", "submit", "cancel", "bad"}},
		{"account_codes", RecoveryCodes{Frame: frame(4, "/account/two-factor"), TurnsOn: true, Left: 1}, []string{"create", "left"}},
		{"account_codes_new", RecoveryCodes{Frame: frame(4, "/account/two-factor"), Codes: codes, Ask: true, Confirm: "/account/two-factor/codes/confirm"}, []string{"list", "code", "submit"}},
		{"account_codes_bad", RecoveryCodes{Frame: refused(frame(4, "/account/two-factor"), BadNewCode), Ask: true, Confirm: "/account/two-factor/codes/confirm"}, []string{"code", "submit", "create", "bad"}},
		{"account_passkeys", Passkeys{Frame: frame(4, "/account"), TurnsOn: true, List: []PasskeyRow{{FactorRow{"f1", "iCloud Keychain", seen, seen, "/account/passkeys/edit?factor=f1"}, true}, {FactorRow{"f2", "Passkey", seen, time.Time{}, "/account/passkeys/edit?factor=f2"}, false}},
			Passkey: Passkey{Form: form, Button: CreatePasskey, Use: "create", Options: `{"challenge":"AAAA"}`, Signals: `{"signalAllAcceptedCredentials":{}}`}}, []string{"passkeys", "edit-0", "passkey", "use-passkey"}},
		{"account_sessions", Sessions{Frame: frame(5, "/account"), Devices: devices, End: "/account/sessions/end", EndOthers: "/account/sessions/end-others", Secure: "/account/sessions/secure"}, []string{"end-1", "end-2", "others", "secure"}},
		{"account_sessions_trusted", Sessions{Frame: frame(5, "/account"), Devices: devices[:1], EndTrust: "/account/sessions/end-trust",
			Trusted: []TrustedDevice{{"b1", firefox, "192.0.2.7", "Berlin, Germany", seen.AddDate(0, 0, 30), true}, {"b2", iphone, "", "", seen.AddDate(0, 0, 12), false}}}, []string{"forget-0", "forget-1"}},
		{"account_apps", Apps{Frame: frame(6, "/account"), Remove: "/account/apps/remove", Apps: []App{{"c1", "Ledger", "ledger.example", []string{"openid", "orders:read"}, seen}, {"c2", "Acme Orders", "", []string{"email"}, seen}}}, []string{"remove-0", "remove-1"}},
		{"account_apps_none", Apps{Frame: noted(frame(6, "/account"), AppRemoved)}, nil},
		{"account_data", Data{Frame: frame(7, "/account"), Delete: "/account/data/delete"}, []string{"export", "delete"}},
		{"account_delete_later", Delete{Frame: frame(7, "/account/data"), Days: 7}, []string{"confirm", "submit", "cancel"}},
		{"account_delete", Delete{Frame: refused(frame(7, "/account/data"), DeleteUnchecked)}, []string{"confirm", "submit", "cancel", "bad"}},
	}
}

func restSamples(p Page) []sample {
	wrong := p.Problem(BadRequest)
	wrong.Code, wrong.Detail, wrong.Reference = "invalid_request", "redirect_uri is not registered", "k3j2h1"
	all := []sample{
		{"problem_request", wrong, []string{"reference"}},
		{"problem_throttled", p.Throttled(90*time.Second, "/login?flow=x"), []string{"again"}},
	}
	problem := func(k Key) Problem {
		page := p.Problem(k)
		page.Login = "/login"
		return page
	}
	for _, k := range []Key{Forbidden, NotFound, WrongMethod, TooLarge, URLTooLong, Unavailable, Internal, Failed, FlowGone, FlowNoCookie} {
		all = append(all, sample{"problem_" + strings.TrimPrefix(strings.TrimPrefix(string(k), "error."), "flow."), problem(k), []string{"login"}})
	}
	return all
}

// devSamples returns the pages of the development server, which are only in English.
func devSamples(p Page) []sample {
	if p.Lang != English {
		return nil
	}
	return []sample{
		{"welcome", Welcome{Page: p, Base: "http://localhost:8080", Curl: []Step{{"Register:", "curl -d '{}' http://localhost:8080/api/v1/register"}}}, nil},
		{"api", API{Page: p, Calls: []Call{{"POST", "/api/v1/login", "Sign in"}}}, nil},
		{"mailbox", Mailbox{Page: p, Mails: []Mail{{alice, "Verify your address", "Open the link.", []string{"http://localhost:8080/verify-email?token=wwl_abc"}, seen}}}, nil},
		{"mailbox_empty", Mailbox{Page: p}, nil},
	}
}

// TestEveryPageHasSample compares the types that have a method Render, and the templates, with the
// samples.
func TestEveryPageHasSample(t *testing.T) {
	t.Parallel()
	sampled := map[string]bool{}
	for _, s := range samples(English) {
		sampled[reflect.TypeOf(s.page).Name()] = true
	}
	rendered := map[string]bool{"layout.html": true}

	for _, m := range renderMethods(t) {
		rendered[m[2]] = true
		if !sampled[m[1]] {
			t.Errorf("%s has no sample", m[1])
		}
	}

	templates, err := files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range templates {
		if !rendered[f.Name()] {
			t.Errorf("no page renders %s", f.Name())
		}
	}
}

// renderMethods returns the declarations of Render, each with its receiver and template.
func renderMethods(t *testing.T) [][]string {
	t.Helper()
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all [][]string
	for _, name := range sources {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, renderMethod.FindAllStringSubmatch(string(source), -1)...)
	}
	return all
}

var renderMethod = regexp.MustCompile(`(?m)^func \(\w+ \*?(\w+)\) Render\([^"\n]*"?([a-z_.]*)`)

func renderText(t *testing.T, p page) string {
	t.Helper()
	var b bytes.Buffer
	if err := p.Render(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPages compares every page in every language with its golden file, and checks its HTML.
// To write the files: go test ./internal/web/ui -run TestPages -update
func TestPages(t *testing.T) {
	t.Parallel()
	for _, lang := range Languages {
		for _, s := range samples(lang) {
			name := s.name + "." + string(lang)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				got := renderText(t, s.page)
				golden(t, filepath.Join("testdata", name+".html"), got)
				checkHTML(t, got, lang)
				for _, id := range s.ids {
					if strings.Count(got, ` id="`+id+`"`) != 1 {
						t.Errorf("no single element has the id %s", id)
					}
				}
			})
		}
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	got = regexp.MustCompile(`\?v=[0-9a-f]+`).ReplaceAllString(got, "?v=0") // of assets; they change with the content
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; -update writes it", err)
	}
	if got != string(want) {
		t.Errorf("%s has changed (-update writes it):\n%s", file, got)
	}
}

var (
	tagOf   = regexp.MustCompile(`<([a-zA-Z][a-zA-Z0-9]*)((?:\s+[^\s=>]+(?:="[^"]*")?)*)\s*/?>`)
	attrOf  = regexp.MustCompile(`([^\s=]+)(?:="([^"]*)")?`)
	hrefers = []string{"aria-describedby", "aria-labelledby", "for"}
)

// checkHTML checks what accessibility and the Content-Security-Policy require of every page.
func checkHTML(t *testing.T, page string, lang Lang) {
	t.Helper()
	if !strings.HasPrefix(page, `<!doctype html>`+"\n"+`<html lang="`+string(lang)+`" dir="ltr">`) {
		t.Errorf("the page lacks its language: %.80s", page)
	}
	ids, labels := map[string]int{}, map[string]bool{}
	type element struct {
		tag   string
		attrs map[string]string
	}
	var all []element
	for _, m := range tagOf.FindAllStringSubmatch(page, -1) {
		e := element{m[1], map[string]string{}}
		for _, a := range attrOf.FindAllStringSubmatch(m[2], -1) {
			e.attrs[a[1]] = html.UnescapeString(a[2])
		}
		ids[e.attrs["id"]]++
		labels[e.attrs["for"]] = e.tag == "label"
		all = append(all, e)
	}
	count := map[string]int{}
	for _, e := range all {
		count[e.tag]++
		for name, value := range e.attrs {
			if name == "style" || strings.HasPrefix(name, "on") {
				t.Errorf("<%s> has %s, which the policy forbids", e.tag, name)
			}
			if slices.Contains(hrefers, name) {
				for id := range strings.FieldsSeq(value) {
					if ids[id] != 1 {
						t.Errorf("<%s %s> refers to the id %q, which must exist once", e.tag, name, id)
					}
				}
			}
			if strings.Contains(value, "ZgotmplZ") {
				t.Errorf("<%s %s> was filtered", e.tag, name)
			}
		}
		_, hidden := e.attrs["hidden"]
		if kind := e.attrs["type"]; e.tag == "input" && !hidden && kind != "hidden" && kind != "checkbox" && !labels[e.attrs["id"]] {
			t.Errorf("the field %v has no label", e.attrs)
		}
		if e.tag == "form" && e.attrs["method"] != "post" {
			t.Errorf("the form %v does not post", e.attrs)
		}
		if e.tag == "script" && e.attrs["src"] != ScriptURL() && !slices.Contains([]string{ShowScriptURL(), PasskeyScriptURL()}, e.attrs["src"]) {
			t.Errorf("a script of %v", e.attrs)
		}
	}
	if count["h1"] != 1 || count["title"] != 1 || count["main"] != 1 || count["style"] != 0 {
		t.Errorf("elements %v", count)
	}
	delete(ids, "")
	for id, n := range ids {
		if n != 1 {
			t.Errorf("the id %s exists %d times", id, n)
		}
	}
	if scripts := strings.Count(page, "</script>"); scripts != count["script"] || regexp.MustCompile(`<script[^>]*>[^<]`).MatchString(page) {
		t.Error("the page has an inline script")
	}
}

// payloads try to inject elements, attributes, template actions, URLs, placeholders and characters
// that change the direction of text.
var payloads = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `{{7*7}}`, `{1}{2}`,
	`javascript:alert(1)`, "\u202eevil\u202c", `</title></textarea></style><svg onload=alert(1)>`, "a\x00b\xff", `&lt;b&gt;`,
}

// AZ-41: every field of every page is shown as text.
func TestAttack_AZ_41_EveryField(t *testing.T) {
	t.Parallel()
	for _, lang := range Languages {
		for _, s := range samples(lang) {
			for _, evil := range payloads {
				v := reflect.New(reflect.TypeOf(s.page)).Elem()
				v.Set(reflect.ValueOf(s.page))
				poison(v, evil)
				got := renderText(t, v.Interface().(page))
				plain := renderText(t, s.page)
				where := fmt.Sprintf("%s.%s with %q", s.name, lang, evil)
				checkPoisoned(t, where, got, plain)
			}
		}
	}
}

// poison sets every string in v except languages and keys.
func poison(v reflect.Value, evil string) {
	switch v.Kind() {
	case reflect.String:
		if v.Type() != reflect.TypeFor[Lang]() && v.Type() != reflect.TypeFor[Key]() {
			v.SetString(evil)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			poison(v.Field(i), evil)
		}
	case reflect.Slice:
		fresh := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(fresh, v)
		v.Set(fresh)
		for i := range v.Len() {
			poison(v.Index(i), evil)
		}
	case reflect.Array:
		for i := range v.Len() {
			poison(v.Index(i), evil)
		}
	}
}

// checkPoisoned compares the elements of a poisoned page with those of its template.
func checkPoisoned(t *testing.T, where, got, plain string) {
	t.Helper()
	for _, part := range []string{"<script>", "<img src=x", "<svg onload", "onmouseover='", "<b>&lt;b&gt;</b>49"} {
		if strings.Contains(got, part) {
			t.Errorf("%s: the page contains %s", where, part)
		}
	}
	allowed := map[string]bool{"img": true, "footer": true, "a": true, "div": true, "ul": true, "li": true, "span": true, "b": true, "i": true, "bdi": true, "p": true, "br": true, "link": true}
	for _, m := range tagOf.FindAllStringSubmatch(plain, -1) {
		allowed[m[1]] = true
	}
	for _, m := range tagOf.FindAllStringSubmatch(got, -1) {
		if !allowed[m[1]] {
			t.Errorf("%s: an injected element <%s>", where, m[1])
		}
		for _, a := range attrOf.FindAllStringSubmatch(m[2], -1) {
			if value := strings.ToLower(html.UnescapeString(a[2])); strings.HasPrefix(a[1], "on") ||
				slices.Contains([]string{"href", "src", "action"}, a[1]) && strings.HasPrefix(strings.TrimSpace(value), "javascript:") {
				t.Errorf("%s: <%s %s=%q>", where, m[1], a[1], a[2])
			}
		}
	}
}
