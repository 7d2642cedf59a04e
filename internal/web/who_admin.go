package web

import (
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/tenant"
)

// admin is an administrator of the tenant, with an access token that says so. A cookie
// is not enough: what administrators do is done by programs of theirs.
var admin = who{name: "admin", proved: true, admit: (*exchange).administer}

// administer lets in a person whose token has the permission of administrators, and a
// program that acts for itself whose token has it as a scope. The token of a person
// has to be one of the first-party API, or to have the scope as well: an application
// that an administrator signs in to is no administrator.
func (ex *exchange) administer() error {
	if len(ex.request.Header["Authorization"]) == 0 {
		return auth.Refuse(auth.KindUnauthenticated, codeNoToken, "this call needs an access token")
	}
	claims, err := ex.claims()
	if err != nil {
		return err
	}
	ex.actor = auth.Actor{Kind: auth.ActorAccount, ID: claims.Subject, Session: auth.SessionID(claims.SessionID), Client: auth.ClientID(claims.ClientID)}
	scoped := slices.Contains(claims.Scopes, tenant.AdminPermission)
	person := claims.SessionID != ""
	if !person {
		ex.actor.Kind = auth.ActorClient
	}
	if person && !claims.HasPermission(tenant.AdminPermission) || !scoped && (!person || claims.ClientID != string(auth.FirstParty)) {
		return auth.Refuse(auth.KindForbidden, "not_an_admin", "this call is for administrators of this tenant")
	}
	return nil
}
