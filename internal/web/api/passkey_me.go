package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
)

var (
	OpPasskeys = operation{id: "passkeys", topic: "account", errors: []int{http.StatusConflict},
		summary: "List passkeys",
		doc:     "rp_id and user_handle are for the Signal API of browsers: signalAllAcceptedCredentials with the credential ids removes deleted passkeys from devices. Passkeys are renamed and removed like other second factors, at /api/v1/me/factors/{id}."}
	OpPasskeyAddBegin = operation{id: "begin-add-passkey", topic: "account", errors: []int{http.StatusConflict},
		summary: "Begin to add a passkey",
		doc:     "Returns the options for navigator.credentials.create. They work once, for five minutes, in this session." + freshDoc}
	OpPasskeyAdd = operation{id: "add-passkey", topic: "account", status: http.StatusCreated, errors: []int{http.StatusConflict},
		summary: "Add a passkey",
		doc:     "Takes the response to the options, in its JSON form. The owner is notified by mail. The same response again changes nothing." + othersDoc + freshDoc}
)

// Passkey is a passkey of the account.
type Passkey struct {
	ID           string     `json:"id" doc:"Names it in other calls. Grants no rights."`
	CredentialID string     `json:"credential_id" doc:"In base64url, as in WebAuthn."`
	Name         string     `json:"name" doc:"As the user calls it, at first the name of its authenticator; may be empty." example:"iCloud Keychain"`
	Synced       bool       `json:"synced" doc:"Whether it can exist on several devices."`
	CreatedAt    time.Time  `json:"created_at"`
	LastUsedAt   *time.Time `json:"last_used_at,omitempty"`
}

type passkeysOut struct {
	Body struct {
		RPID       string    `json:"rp_id" example:"auth.example.com"`
		UserHandle string    `json:"user_handle" doc:"In base64url. Says nothing about the user."`
		Passkeys   []Passkey `json:"passkeys"`
	}
}

func passkeyOf(f auth.Factor) Passkey {
	p := Passkey{ID: string(f.ID), CredentialID: f.Lookup, Name: f.Name, Synced: f.Data.BackupEligible, CreatedAt: f.CreatedAt.UTC()}
	if at := f.UsedAt.UTC(); !f.UsedAt.IsZero() {
		p.LastUsedAt = &at
	}
	return p
}

// PasskeyList lists the passkeys of the account.
func (s *Handlers) PasskeyList(ctx context.Context, _ *struct{}) (*passkeysOut, error) {
	ex := exchangeOf(ctx)
	all, err := s.logins.Passkeys(ctx, ex.Tenant.ID, ex.Actor.Account())
	if err != nil {
		return nil, err
	}
	var out passkeysOut
	out.Body.RPID, out.Body.UserHandle, out.Body.Passkeys = all.RPID, secret.Encode(all.User.Handle), make([]Passkey, 0, len(all.List))
	for _, f := range all.List {
		out.Body.Passkeys = append(out.Body.Passkeys, passkeyOf(f))
	}
	return &out, nil
}

// PasskeyAddBegin begins to add a passkey.
func (s *Handlers) PasskeyAddBegin(ctx context.Context, _ *struct{}) (*passkeyOptions, error) {
	ex := exchangeOf(ctx)
	options, err := s.logins.BeginPasskey(ctx, ex.Tenant.ID, ex.RequestActor())
	if err != nil {
		return nil, err
	}
	return &passkeyOptions{PasskeyOptions{PublicKey: options}}, nil
}

// PasskeyCreation is the response of an authenticator that has created a passkey.
type PasskeyCreation struct {
	Credential json.RawMessage `json:"credential" doc:"RegistrationResponseJSON of WebAuthn."`
	Name       string          `json:"name,omitempty" doc:"If empty, that of the authenticator." example:"Work phone"`
}

type passkeyOut struct{ Body Passkey }

// PasskeyAdd adds a passkey.
func (s *Handlers) PasskeyAdd(ctx context.Context, in *struct{ Body PasskeyCreation }) (*passkeyOut, error) {
	ex := exchangeOf(ctx)
	f, cookie, err := s.logins.AddPasskey(ctx, ex.Tenant.ID, in.Body.Credential, in.Body.Name, ex.RequestActor())
	if err != nil {
		return nil, err
	}
	if ex.ByCookie && cookie != "" {
		ex.SetCurrentSession(cookie)
	}
	return &passkeyOut{passkeyOf(f)}, nil
}
