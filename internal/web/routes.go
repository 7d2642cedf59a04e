package web

import (
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// routes is the one table: every address that the public handler answers, who may
// enter, and what counts the visits.
func (s *Server) routes() {
	s.house("GET /livez", s.livez)
	s.house("GET /readyz", s.readyz)
	s.house("GET "+ui.StylesheetPath, s.stylesheet)
	s.house("GET "+ui.ScriptPath, s.script)
	s.proto("GET "+ui.BrandPath, anyone, s.brandSheet)
	s.proto("GET "+ui.LogoPath, anyone, s.brandLogo)

	s.proto("GET /.well-known/openid-configuration", anyone, s.metadata)
	s.proto("GET /.well-known/oauth-authorization-server", anyone, s.metadata)
	s.proto("GET /.well-known/jwks.json", anyone, s.jwks)
	s.inserted("GET /.well-known/oauth-authorization-server", anyone, s.metadata)

	s.oauth("POST "+oidc.TokenPath, countClient, s.token)
	s.oauth("POST "+oidc.IntrospectPath, countClient, s.introspect)
	s.oauth("POST "+oidc.RevokePath, countClient, s.revoke)
	s.oauth("POST "+pathPush, countClient, s.push)
	s.oauth("POST "+oidc.DeviceAuthorizationPath, countClient, s.deviceAuthorization)
	s.resource("GET "+oidc.UserInfoPath, s.userinfo)
	s.resource("POST "+oidc.UserInfoPath, s.userinfo)
	s.entrance("GET "+pathAuthorize, s.authorize)
	s.entrance("POST "+pathAuthorize, s.authorize)
	s.entrance("GET "+oidc.LogoutPath, s.logoutEndpoint)
	s.entrance("POST "+oidc.LogoutPath, s.logoutEndpoint)

	s.visit("GET "+pathContinue, s.proceed)
	s.visit("GET "+pathLogin, s.show(pathLogin, auth.FlowAccount, s.loginPage))
	s.step("POST "+pathLogin, countLogin, s.loginForm)
	s.visit("GET "+pathRegister, s.show(pathRegister, auth.FlowAccount, s.registerPage))
	s.step("POST "+pathRegister, countRegister, s.registerForm)
	s.visit("GET "+pathForgot, s.show(pathForgot, auth.FlowAccount, s.forgotPage))
	s.step("POST "+pathForgot, countForgot, s.forgotForm)
	s.visit("GET "+pathUnverified, s.show(pathUnverified, auth.FlowAccount, s.unverifiedPage))
	s.step("POST "+pathResend, countResend, s.resendForm)
	s.visit("GET "+pathChoose, s.show(pathChoose, auth.FlowAccount, s.choosePage))
	s.step("POST "+pathChoose, countAuthorize, s.chooseForm)
	s.visit("GET "+pathConsent, s.show(pathConsent, auth.FlowAccount, s.consentPage))
	s.step("POST "+pathConsent, countAuthorize, s.consentForm)
	s.visit("GET "+pathDevice, s.show(pathDevice, auth.FlowDevice, s.devicePage))
	s.step("POST "+pathDevice, countAuthorize, s.deviceForm)
	s.visit("GET "+pathConfirm, s.show(pathConfirm, auth.FlowDevice, s.confirmPage))
	s.step("POST "+pathConfirm, countAuthorize, s.confirmForm)
	s.visit("GET "+pathLogout, s.logoutPage)
	s.step("POST "+pathLogout, countAuthorize, s.logoutForm)
	s.page("GET "+pathLogout+"/done", anyone, s.logoutDone)
	s.own("GET "+pathAccount, s.accountPage)
	s.ownForm("POST "+pathAccount+"/end-session", s.accountEndSession)
	s.ownForm("POST "+pathAccount+"/end-others", s.accountEndOthers)
	s.ownForm("POST "+pathAccount+"/remove-app", s.accountRemoveApp)
	s.ownForm("POST "+pathAccount+"/logout", s.accountLogout)

	s.page("GET /verify-email", anyone, s.verifyEmailPage)
	s.form("POST /verify-email", anyone, countVerify, s.verifyEmailForm)
	s.page("GET /verify-email/done", anyone, s.verifyEmailDone)
	s.page("GET /reset-password", anyone, s.resetPasswordPage)
	s.form("POST /reset-password", anyone, countReset, s.resetPasswordForm)
	s.page("GET /reset-password/done", anyone, s.resetPasswordDone)

	s.proto("GET /api/v1/openapi.json", anyone, s.openAPI)
	api(s, callRegister, anyone, countRegister, s.register)
	api(s, callVerifyEmail, anyone, countVerify, s.verifyEmail)
	api(s, callResend, anyone, countResend, s.resendVerification)
	api(s, callLogin, anyone, countLogin, s.login)
	api(s, callRefresh, anyone, countRefresh, s.refresh)
	api(s, callLogout, signedIn, uncounted, s.logout)
	api(s, callForgot, anyone, countForgot, s.passwordForgot)
	api(s, callReset, anyone, countReset, s.passwordReset)
	api(s, callChange, signedIn, countChange, s.passwordChange)
	api(s, callMe, signedIn, uncounted, s.me)
	api(s, callMeUpdate, signedIn, countChange, s.meUpdate)
	api(s, callMeDelete, signedIn, countChange, s.meDelete)
	api(s, callMeExport, signedIn, uncounted, s.meExport)
	api(s, callSessions, signedIn, uncounted, s.sessions)
	api(s, callSessionsEnd, signedIn, uncounted, s.sessionsEnd)
	api(s, callSessionEnd, signedIn, uncounted, s.sessionEnd)

	if s.cfg.Mailbox != nil {
		s.house("GET /{$}", asPage(s.welcome))
		s.house("GET /dev/mailbox", asPage(s.underOwnName(s.mailboxPage)))
		s.house("GET /dev/mailbox.json", s.underOwnName(s.mailboxJSON))
	}
}
