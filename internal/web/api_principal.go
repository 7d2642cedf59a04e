package web

import (
	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/access"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
)

// signedIn is a user with a valid access token or session cookie.
func (s *api) signedIn() principal {
	return principal{name: "signedIn", proved: true, session: true, admit: s.signIn}
}

// admin is an administrator of the tenant, with an access token that was asked for that. A
// cookie is not enough: administration is done by programs.
func (s *api) admin() principal {
	return principal{name: "admin", proved: true, admit: s.administer}
}

func errNoToken() error {
	return auth.Refuse(auth.KindUnauthenticated, auth.CodeMissingToken, "this call needs an access token")
}

// signIn identifies the caller. A request with an Authorization header is judged by that
// header only: a cookie beside it is not looked at, so neither can lend the other its
// rights.
func (s *api) signIn(ex *exchange) error {
	r := ex.request
	if len(r.Header["Authorization"]) > 0 {
		return s.signInByToken(ex)
	}
	cookie := ex.currentSession()
	if cookie == "" {
		return errNoToken()
	}
	session, _, err := s.sessions.Find(r.Context(), ex.tenant.ID, cookie)
	if err != nil {
		if auth.KindOf(err) == auth.KindUnauthenticated {
			ex.dropCurrent()
		}
		return err
	}
	ex.cookie = true
	ex.actor = ex.actor.AsSession(session)
	return nil
}

// signedInAs is the account whose access token or cookie comes with a request that needs
// neither; empty for none. The actor of the request stays anonymous.
func (s *api) signedInAs(ex *exchange) []auth.AccountID {
	actor, cookie := ex.actor, ex.cookie
	defer func() { ex.actor, ex.cookie = actor, cookie }()
	if err := s.signIn(ex); err != nil {
		return nil // what gives nothing is not looked at
	}
	return []auth.AccountID{ex.actor.Account()}
}

func (s *api) signInByToken(ex *exchange) error {
	claims, err := s.verifyToken(ex)
	if err != nil {
		return err
	}
	if ex.actor.Kind == auth.ActorClient {
		return auth.Refuse(auth.KindForbidden, auth.CodeNotAnAccount, "this call is for people, not for programs")
	}
	return auth.RequireAccount(auth.ClientID(claims.ClientID), claims.Scopes)
}

// administer admits whom the access service calls an administrator.
func (s *api) administer(ex *exchange) error {
	r := ex.request
	if len(r.Header["Authorization"]) == 0 {
		return errNoToken()
	}
	claims, err := s.verifyToken(ex)
	if err != nil {
		return err
	}
	return s.access.Administer(r.Context(), ex.tenant.ID, access.Caller{Actor: ex.actor, Scope: claims.Scopes})
}

// verifyToken verifies the access token of the request, whose subject becomes the actor. One
// that is bound to a key has the scheme DPoP, and a proof beside it (RFC 9449 §7.1).
func (s *api) verifyToken(ex *exchange) (*guard.Claims, error) {
	claims, err := s.tokenClaims(ex)
	if err != nil {
		return nil, err
	}
	ex.actor = ex.actor.AsSubject(claims.Subject, auth.SessionID(claims.SessionID), auth.ClientID(claims.ClientID))
	return claims, nil
}

func (s *api) tokenClaims(ex *exchange) (*guard.Claims, error) {
	r := ex.request
	scheme, raw, err := guard.ParseAuthorization(r.Header["Authorization"])
	switch {
	case err != nil:
		return nil, err
	case scheme == "Bearer":
		return s.tokens.Verify(r.Context(), ex.tenant.ID, raw)
	}
	ex.offerNonce()
	return s.clients.VerifyBound(r.Context(), client.Request{
		Tenant: ex.tenant.ID, Proof: r.Header["Dpop"], Method: r.Method, URL: ex.endpointURL(),
	}, raw)
}
