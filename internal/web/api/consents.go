package api

import (
	"context"
	"net/http"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

var (
	OpConsents = operation{id: "consents", topic: "account",
		summary: "List connected apps",
		doc:     "The consents of the user. First-party clients need no consent and are not listed."}
	OpConsentRevoke = operation{id: "revoke-consent", topic: "account", status: http.StatusNoContent, errors: []int{http.StatusNotFound},
		summary: "Revoke a consent",
		doc:     "Ends the client's sessions and refresh tokens for the account. The user is asked again the next time."}
)

// Consent is what the user has allowed a client.
type Consent struct {
	ClientID  string    `json:"client_id" example:"ledger"`
	Name      string    `json:"name" doc:"Name of the client." example:"Ledger"`
	Scope     string    `json:"scope" example:"openid email"`
	Resources []string  `json:"resources" doc:"The resources it may request tokens for, in addition to the issuer."`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

type consentsOut struct {
	Body struct {
		Consents []Consent `json:"consents"`
	}
}

// Consents lists the consents of the account.
func (s *Handlers) Consents(ctx context.Context, _ *struct{}) (*consentsOut, error) {
	ex := exchangeOf(ctx)
	all, err := s.oidc.Consents(ctx, ex.Tenant.ID, ex.Actor.Account())
	if err != nil {
		return nil, err
	}
	var out consentsOut
	out.Body.Consents = make([]Consent, 0, len(all))
	for _, v := range all {
		out.Body.Consents = append(out.Body.Consents, Consent{ClientID: string(v.Client.ID), Name: v.Client.DisplayName(), Scope: v.Consent.Scope.String(),
			Resources: list(v.Consent.Audience), CreatedAt: v.Consent.CreatedAt.UTC(), UpdatedAt: v.Consent.UpdatedAt.UTC()})
	}
	return &out, nil
}

// ConsentRevoke revokes a consent of the account.
func (s *Handlers) ConsentRevoke(ctx context.Context, in *struct {
	ClientID string `path:"client_id" doc:"Client ID."`
}) (*nothing, error) {
	ex := exchangeOf(ctx)
	return nil, s.oidc.RevokeConsent(ctx, ex.Tenant.ID, ex.Actor.Account(), auth.ClientID(in.ClientID), ex.RequestActor())
}
