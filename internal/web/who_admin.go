package web

import (
	"github.com/watchword-auth/watchword/internal/access"
	"github.com/watchword-auth/watchword/internal/auth"
)

// admin is an administrator of the tenant, with an access token that was asked for that. A
// cookie is not enough: what administrators do is done by programs of theirs.
var admin = who{name: "admin", proved: true, admit: (*exchange).administer}

// administer lets in whom the access service calls an administrator, by the database and
// not by what the token says.
func (ex *exchange) administer() error {
	if len(ex.request.Header["Authorization"]) == 0 {
		return auth.Refuse(auth.KindUnauthenticated, codeNoToken, "this call needs an access token")
	}
	claims, err := ex.claims()
	if err != nil {
		return err
	}
	ex.actor = ex.actor.AsSubject(claims.Subject, auth.SessionID(claims.SessionID), auth.ClientID(claims.ClientID))
	return ex.server.cfg.Access.Administer(ex.request.Context(), ex.tenant.ID, access.Caller{Actor: ex.actor, Scope: claims.Scopes})
}
