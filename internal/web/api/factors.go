package api

import (
	"context"
	"net/http"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

const othersDoc = " Other sessions of the account continue: DELETE /api/v1/me/sessions ends them."

const freshDoc = " Requires a sign-in of the last five minutes, with a second factor if the account has one: else 401 insufficient_user_authentication."

var (
	OpFactors = operation{id: "factors", topic: "second factors",
		summary: "List second factors",
		doc:     "The authenticator apps and passkeys of the account, and how many recovery codes are left."}
	OpTOTPBegin = operation{id: "begin-totp", topic: "second factors", status: http.StatusCreated, errors: []int{http.StatusConflict},
		summary: "Begin to add an authenticator app",
		doc:     "Returns a new secret, which is shown only now. The app counts once a code of it is confirmed in the same session. An app that was begun before and not confirmed is forgotten." + freshDoc}
	OpTOTPConfirm = operation{id: "confirm-totp", topic: "second factors", status: http.StatusNoContent, errors: []int{http.StatusNotFound},
		summary: "Confirm an authenticator app",
		doc:     "Takes the code that the app shows. The owner is notified by mail. The next sign-in needs the app, and another code." + othersDoc + freshDoc}
	OpFactorRename = operation{id: "rename-factor", topic: "second factors", status: http.StatusNoContent, errors: []int{http.StatusNotFound},
		summary: "Rename a second factor", doc: "The name is for the user." + freshDoc}
	OpFactorRemove = operation{id: "remove-factor", topic: "second factors", status: http.StatusNoContent, errors: []int{http.StatusNotFound, http.StatusConflict},
		summary: "Remove a second factor",
		doc:     "The owner is notified by mail. The recovery codes go with the last one." + othersDoc + freshDoc}
	OpRecoveryBegin = operation{id: "create-recovery-codes", topic: "second factors", status: http.StatusCreated, errors: []int{http.StatusConflict},
		summary: "Create recovery codes",
		doc:     "Returns ten new codes, which are shown only now. They count, instead of those of before, once one of them is confirmed." + freshDoc}
	OpRecoveryConfirm = operation{id: "confirm-recovery-codes", topic: "second factors", status: http.StatusNoContent,
		summary: "Confirm recovery codes",
		doc:     "Takes one of the new codes, which shows that the user has kept them. It stays usable. The owner is notified by mail." + othersDoc + freshDoc}
)

// Factor is a second factor of the account.
type Factor struct {
	ID         string     `json:"id" doc:"Names it in other calls. Grants no rights."`
	Kind       string     `json:"kind" enum:"totp,passkey"`
	Name       string     `json:"name" doc:"As the user calls it; may be empty." example:"Phone"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
}

type factorsOut struct {
	Body struct {
		Factors       []Factor `json:"factors"`
		RecoveryCodes int      `json:"recovery_codes" doc:"How many recovery codes are left." example:"10"`
	}
}

// FactorList lists the second factors of the account.
func (s *Handlers) FactorList(ctx context.Context, _ *struct{}) (*factorsOut, error) {
	ex := exchangeOf(ctx)
	all, left, err := s.logins.Factors(ctx, ex.Tenant.ID, ex.Actor.Account())
	if err != nil {
		return nil, err
	}
	var out factorsOut
	out.Body.Factors, out.Body.RecoveryCodes = make([]Factor, 0, len(all)), left
	for _, v := range all {
		f := Factor{ID: string(v.ID), Kind: string(v.Kind), Name: v.Name, CreatedAt: v.CreatedAt.UTC()}
		if at := v.UsedAt.UTC(); !v.UsedAt.IsZero() {
			f.LastUsedAt = &at
		}
		out.Body.Factors = append(out.Body.Factors, f)
	}
	return &out, nil
}

// FactorName is the name of a second factor.
type FactorName struct {
	Name string `json:"name" example:"Phone"`
}

// TOTPName is the name of a new authenticator app.
type TOTPName struct {
	Name string `json:"name,omitempty" example:"Phone"`
}

// TOTPEnrolment is an authenticator app that is being added.
type TOTPEnrolment struct {
	ID     string `json:"id" doc:"Of the app, for its confirmation."`
	Secret string `json:"secret" doc:"In base32, to type into an app." example:"JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"`
	URI    string `json:"uri" doc:"The content of a QR code." example:"otpauth://totp/Example:alice%40example.com?secret=…"`
}

// TOTPBegin begins to add an authenticator app.
func (s *Handlers) TOTPBegin(ctx context.Context, in *struct{ Body TOTPName }) (*struct{ Body TOTPEnrolment }, error) {
	ex := exchangeOf(ctx)
	app, err := s.logins.BeginTOTP(ctx, ex.Tenant.ID, in.Body.Name, ex.RequestActor())
	if err != nil {
		return nil, err
	}
	return &struct{ Body TOTPEnrolment }{TOTPEnrolment{ID: string(app.ID), Secret: app.Secret.Reveal(), URI: app.URI.Reveal()}}, nil
}

// Confirmation is a code that confirms what was begun.
type Confirmation struct {
	Code string `json:"code" writeOnly:"true" maxLength:"64" example:"492039"`
}

// TOTPConfirm makes an authenticator app count.
func (s *Handlers) TOTPConfirm(ctx context.Context, in *struct {
	ID   string `path:"id" doc:"ID of the app."`
	Body Confirmation
}) (*nothing, error) {
	ex := exchangeOf(ctx)
	cookie, err := s.logins.ConfirmTOTP(ctx, ex.Tenant.ID, auth.FactorID(in.ID), in.Body.Code, ex.RequestActor())
	if err == nil && ex.ByCookie && cookie != "" {
		ex.SetCurrentSession(cookie)
	}
	return nil, err
}

// FactorRename renames a second factor.
func (s *Handlers) FactorRename(ctx context.Context, in *struct {
	ID   string `path:"id" doc:"ID of the factor."`
	Body FactorName
}) (*nothing, error) {
	ex := exchangeOf(ctx)
	return nil, s.logins.RenameFactor(ctx, ex.Tenant.ID, auth.FactorID(in.ID), in.Body.Name, ex.RequestActor())
}

// FactorRemove removes a second factor.
func (s *Handlers) FactorRemove(ctx context.Context, in *struct {
	ID string `path:"id" doc:"ID of the factor."`
}) (*nothing, error) {
	ex := exchangeOf(ctx)
	return nil, s.logins.RemoveFactor(ctx, ex.Tenant.ID, auth.FactorID(in.ID), ex.RequestActor())
}

type recoveryCodesOut struct {
	Body struct {
		Codes []string `json:"codes" doc:"Each works once, instead of the second factor."`
	}
}

// RecoveryBegin creates recovery codes.
func (s *Handlers) RecoveryBegin(ctx context.Context, _ *struct{}) (*recoveryCodesOut, error) {
	ex := exchangeOf(ctx)
	codes, err := s.logins.BeginRecoveryCodes(ctx, ex.Tenant.ID, ex.Actor.Account())
	if err != nil {
		return nil, err
	}
	var out recoveryCodesOut
	for _, code := range codes {
		out.Body.Codes = append(out.Body.Codes, code.Reveal())
	}
	return &out, nil
}

// RecoveryConfirm makes the new recovery codes count.
func (s *Handlers) RecoveryConfirm(ctx context.Context, in *struct{ Body Confirmation }) (*nothing, error) {
	ex := exchangeOf(ctx)
	return nil, s.logins.ConfirmRecoveryCodes(ctx, ex.Tenant.ID, in.Body.Code, ex.RequestActor())
}
