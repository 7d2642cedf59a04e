package api

import (
	"context"
	"net/http"

	"github.com/watchword-auth/watchword/internal/account"
)

var (
	OpRegister = operation{id: "register", topic: "register", status: http.StatusAccepted, errors: []int{http.StatusConflict},
		summary: "Register an account",
		doc:     "Mails a link that confirms the address. The response is the same when the address already has an account; its owner is notified by mail. A user name that an account has is refused with username_taken, whatever the address."}
	OpVerifyEmail = operation{id: "verify-email", topic: "register", errors: []int{http.StatusConflict},
		summary: "Confirm an email address",
		doc: "Takes the token of the mailed link. It works once and signs nobody in. " +
			"When the registered password may be another user's, the response is password_needed and the link still works: send a password with it. " +
			"An application in which anybody follows links, not only those who registered with it, always sends one. " +
			"The token of a change of address needs the account's access token or session cookie, or its current password."}
	OpResend = operation{id: "resend-verification", topic: "register", status: http.StatusAccepted,
		summary: "Send the confirmation link again",
		doc:     "The response is the same whether or not the address awaits confirmation. The earlier link of the same registration becomes invalid."}
	OpForgot = operation{id: "forgot-password", topic: "password", status: http.StatusAccepted,
		summary: "Send a link that sets a new password",
		doc:     "The response is the same whether or not the address has an account."}
	OpReset = operation{id: "reset-password", topic: "password", status: http.StatusNoContent,
		summary: "Set a new password with a mailed link",
		doc:     "Takes the token of the mailed link. Every session of the account ends."}
	OpChange = operation{id: "change-password", topic: "password", status: http.StatusNoContent,
		summary: "Change the password",
		doc:     "Requires a sign-in within the last five minutes, with a second factor if the account has one (insufficient_user_authentication). Every other session of the account ends. A wrong current password is refused with wrong_password and counts as a failed sign-in."}
)

// Status is the response of calls without another result.
type Status struct {
	Status string `json:"status" doc:"What was done." example:"verification_sent"`
}

type statusOut struct{ Body Status }

func status(s string) *statusOut { return &statusOut{Status{s}} }

// nothing is a response without a body.
type nothing struct{}

// Registration is a request to register an account.
type Registration struct {
	Email    string `json:"email" doc:"The address to sign in with. The link goes there." example:"alice@example.com"`
	Password string `json:"password" writeOnly:"true" doc:"15 to 128 characters; at least 8 where every sign-in needs a second factor. A tenant may set another minimum." example:"correct horse battery staple"`
	Name     string `json:"name,omitempty" doc:"Display name." example:"Alice"`
	Username string `json:"username,omitempty" doc:"The user name, where the tenant has user names. It is the account's once the address is confirmed, unless another account has it by then." example:"alice"`
}

// Register registers an account.
func (s *Handlers) Register(ctx context.Context, in *struct{ Body Registration }) (*statusOut, error) {
	ex := exchangeOf(ctx)
	err := s.accounts.Register(ctx, ex.Tenant.ID, account.Registration{
		Email: in.Body.Email, Password: in.Body.Password, Name: in.Body.Name, Username: in.Body.Username, Browser: ex.BrowserCookie(),
	}, ex.RequestActor())
	return status("verification_sent"), err
}

// LinkToken is the token of a mailed link.
type LinkToken struct {
	Token    string `json:"token" writeOnly:"true" doc:"The token parameter of the link." example:"wwl_…"`
	Password string `json:"password,omitempty" writeOnly:"true" doc:"The new password of the account. Required when the response without it is password_needed. For a link that changes the address: the current password, unless the request has an access token or cookie of the account."`
}

// VerifyEmail verifies an email address by the token of a mailed link.
func (s *Handlers) VerifyEmail(ctx context.Context, in *struct{ Body LinkToken }) (*statusOut, error) {
	ex := exchangeOf(ctx)
	_, err := s.accounts.VerifyEmail(ctx, ex.Tenant.ID, account.Verification{
		Token: in.Body.Token, Password: in.Body.Password, Browser: ex.BrowserCookie(), SignedIn: s.signedInAs(ex), Program: true,
	}, ex.RequestActor())
	return status("verified"), err
}

// Address is the email address of an account.
type Address struct {
	Email string `json:"email" example:"alice@example.com"`
}

// ResendVerification mails the verification link again.
func (s *Handlers) ResendVerification(ctx context.Context, in *struct{ Body Address }) (*statusOut, error) {
	ex := exchangeOf(ctx)
	err := s.accounts.Resend(ctx, ex.Tenant.ID, account.LinkRequest{Email: in.Body.Email, Browser: ex.BrowserCookie()}, ex.RequestActor())
	return status("verification_sent"), err
}

// PasswordForgot mails a link that sets a new password.
func (s *Handlers) PasswordForgot(ctx context.Context, in *struct{ Body Address }) (*statusOut, error) {
	ex := exchangeOf(ctx)
	err := s.accounts.Forgot(ctx, ex.Tenant.ID, account.LinkRequest{Email: in.Body.Email}, ex.RequestActor())
	return status("reset_sent"), err
}

// PasswordReset is a new password with the token of a mailed link.
type PasswordReset struct {
	Token    string `json:"token" writeOnly:"true" doc:"The token parameter of the link." example:"wwl_…"`
	Password string `json:"password" writeOnly:"true" doc:"The new password."`
}

// PasswordReset sets a new password by the token of a mailed link.
func (s *Handlers) PasswordReset(ctx context.Context, in *struct{ Body PasswordReset }) (*nothing, error) {
	ex := exchangeOf(ctx)
	return nil, s.accounts.Reset(ctx, ex.Tenant.ID, in.Body.Token, in.Body.Password, ex.RequestActor())
}

// PasswordChange is a new password with the current one.
type PasswordChange struct {
	CurrentPassword string `json:"current_password" writeOnly:"true"`
	NewPassword     string `json:"new_password" writeOnly:"true"`
}

// PasswordChange changes the password of the account.
func (s *Handlers) PasswordChange(ctx context.Context, in *struct{ Body PasswordChange }) (*nothing, error) {
	ex := exchangeOf(ctx)
	actor := ex.RequestActor()
	cookie, err := s.accounts.ChangePassword(ctx, ex.Tenant.ID, actor.Account(), in.Body.CurrentPassword, in.Body.NewPassword, actor)
	if err == nil && ex.ByCookie && cookie != "" {
		ex.SetCurrentSession(cookie)
	}
	return nil, err
}
