package web

import (
	"context"
	"net/http"

	"github.com/watchword-auth/watchword/internal/account"
)

var (
	opRegister = operation{id: "register", topic: "register", status: http.StatusAccepted,
		summary: "Register an account",
		doc:     "Mails a link that confirms the address. The response is the same when the address already has an account; its owner is notified by mail."}
	opVerifyEmail = operation{id: "verify-email", topic: "register", errors: []int{http.StatusConflict},
		summary: "Confirm an email address",
		doc: "Takes the token of the mailed link. It works once and signs nobody in. " +
			"When the registered password may be another user's, the response is password_needed and the link still works: send a password with it. " +
			"An application in which anybody follows links, not only those who registered with it, always sends one. " +
			"The token of a change of address needs the account's access token or session cookie, or its current password."}
	opResend = operation{id: "resend-verification", topic: "register", status: http.StatusAccepted,
		summary: "Send the confirmation link again",
		doc:     "The response is the same whether or not the address awaits confirmation. The earlier link of the same registration becomes invalid."}
	opForgot = operation{id: "forgot-password", topic: "password", status: http.StatusAccepted,
		summary: "Send a link that sets a new password",
		doc:     "The response is the same whether or not the address has an account."}
	opReset = operation{id: "reset-password", topic: "password", status: http.StatusNoContent,
		summary: "Set a new password with a mailed link",
		doc:     "Takes the token of the mailed link. Every session of the account ends."}
	opChange = operation{id: "change-password", topic: "password", status: http.StatusNoContent,
		summary: "Change the password",
		doc:     "Every other session of the account ends. A wrong current password is refused with wrong_password and counts as a failed sign-in."}
)

// Status is the response of calls without another result.
type Status struct {
	Status string `json:"status" doc:"What was done." example:"verification_sent"`
}

type statusOut struct{ Body Status }

func status(s string) *statusOut { return &statusOut{Status{s}} }

// nothing is a response without a body.
type nothing struct{}

// Registration is a request for an account.
type Registration struct {
	Email    string `json:"email" doc:"The address to sign in with. The link goes there." example:"alice@example.com"`
	Password string `json:"password" writeOnly:"true" doc:"8 to 128 characters unless the tenant asks for more." example:"correct horse battery staple"`
	Name     string `json:"name,omitempty" doc:"Display name." example:"Alice"`
}

func (s *api) register(ctx context.Context, in *struct{ Body Registration }) (*statusOut, error) {
	ex := exchangeOf(ctx)
	err := s.accounts.Register(ctx, ex.tenant.ID, account.Registration{
		Email: in.Body.Email, Password: in.Body.Password, Name: in.Body.Name, Browser: ex.browserCookie(),
	}, ex.requestActor())
	return status("verification_sent"), err
}

// LinkToken is the secret of a mailed link.
type LinkToken struct {
	Token    string `json:"token" writeOnly:"true" doc:"The token parameter of the link." example:"wwl_…"`
	Password string `json:"password,omitempty" writeOnly:"true" doc:"The new password of the account. Required when the response without it is password_needed. For a link that changes the address: the current password, unless the request has an access token or cookie of the account."`
}

func (s *api) verifyEmail(ctx context.Context, in *struct{ Body LinkToken }) (*statusOut, error) {
	ex := exchangeOf(ctx)
	_, err := s.accounts.VerifyEmail(ctx, ex.tenant.ID, account.Verification{
		Token: in.Body.Token, Password: in.Body.Password, Browser: ex.browserCookie(), SignedIn: s.signedInAs(ex), Program: true,
	}, ex.requestActor())
	return status("verified"), err
}

// Address names an account by its email address.
type Address struct {
	Email string `json:"email" example:"alice@example.com"`
}

func (s *api) resendVerification(ctx context.Context, in *struct{ Body Address }) (*statusOut, error) {
	ex := exchangeOf(ctx)
	err := s.accounts.Resend(ctx, ex.tenant.ID, account.LinkRequest{Email: in.Body.Email, Browser: ex.browserCookie()}, ex.requestActor())
	return status("verification_sent"), err
}

func (s *api) passwordForgot(ctx context.Context, in *struct{ Body Address }) (*statusOut, error) {
	ex := exchangeOf(ctx)
	err := s.accounts.Forgot(ctx, ex.tenant.ID, account.LinkRequest{Email: in.Body.Email}, ex.requestActor())
	return status("reset_sent"), err
}

// PasswordReset is a new password with the token that allows it.
type PasswordReset struct {
	Token    string `json:"token" writeOnly:"true" doc:"The token parameter of the link." example:"wwl_…"`
	Password string `json:"password" writeOnly:"true" doc:"The new password."`
}

func (s *api) passwordReset(ctx context.Context, in *struct{ Body PasswordReset }) (*nothing, error) {
	ex := exchangeOf(ctx)
	return nil, s.accounts.Reset(ctx, ex.tenant.ID, in.Body.Token, in.Body.Password, ex.requestActor())
}

// PasswordChange is a new password with the current one.
type PasswordChange struct {
	CurrentPassword string `json:"current_password" writeOnly:"true"`
	NewPassword     string `json:"new_password" writeOnly:"true"`
}

func (s *api) passwordChange(ctx context.Context, in *struct{ Body PasswordChange }) (*nothing, error) {
	ex := exchangeOf(ctx)
	by := ex.requestActor()
	cookie, err := s.accounts.ChangePassword(ctx, ex.tenant.ID, by.Account(), in.Body.CurrentPassword, in.Body.NewPassword, by)
	if err == nil && ex.cookie && cookie != "" {
		ex.setCookie(cookie)
	}
	return nil, err
}
