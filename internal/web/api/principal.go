package api

import (
	"time"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/access"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/web/router"
)

// SignedIn returns the principal of a user with a valid access token or session cookie.
func (s *Handlers) SignedIn() router.Principal {
	return router.Principal{Name: "signedIn", Proved: true, Session: true, Admit: s.signIn}
}

// Fresh returns the principal of SignedIn whose sign-in is at most age old and as strong as the
// account's factors allow, up to two factors (auth.SignIn.Fresh).
func (s *Handlers) Fresh(age time.Duration) router.Principal {
	return router.Principal{Name: "fresh", Proved: true, Session: true, Admit: func(ex *router.Exchange) error {
		if err := s.signIn(ex); err != nil {
			return err
		}
		return s.logins.RequireFresh(ex.Request.Context(), ex.Tenant.ID, ex.Actor, age)
	}}
}

// Admin returns the principal of an administrator of the tenant, with an access token of the scope
// watchword:admin. A session cookie is not enough.
func (s *Handlers) Admin() router.Principal {
	return router.Principal{Name: "admin", Proved: true, Admit: s.administer}
}

func errNoToken() error {
	return auth.Refuse(auth.KindUnauthenticated, auth.CodeMissingToken, "send an access token in the Authorization header")
}

// signIn identifies the caller. If a request has an Authorization header, its cookie is ignored, so
// that rights of the two are never combined.
func (s *Handlers) signIn(ex *router.Exchange) error {
	r := ex.Request
	if len(r.Header["Authorization"]) > 0 {
		return s.signInByToken(ex)
	}
	cookie := ex.CurrentSession()
	if cookie == "" {
		return errNoToken()
	}
	session, _, err := s.sessions.Find(r.Context(), ex.Tenant.ID, cookie)
	if err != nil {
		if auth.KindOf(err) == auth.KindUnauthenticated {
			ex.DropCurrentSession()
		}
		return err
	}
	ex.ByCookie = true
	ex.Actor = ex.Actor.AsSession(session)
	return nil
}

// signedInAs returns the account of the access token or cookie of a request that needs neither, or
// none. The actor of the request stays anonymous.
func (s *Handlers) signedInAs(ex *router.Exchange) []auth.AccountID {
	actor, cookie := ex.Actor, ex.ByCookie
	defer func() { ex.Actor, ex.ByCookie = actor, cookie }()
	if err := s.signIn(ex); err != nil {
		return nil // an invalid credential counts as none
	}
	return []auth.AccountID{ex.Actor.Account()}
}

func (s *Handlers) signInByToken(ex *router.Exchange) error {
	claims, err := s.verifyToken(ex)
	if err != nil {
		return err
	}
	if ex.Actor.Kind == auth.ActorClient {
		return auth.Refuse(auth.KindForbidden, auth.CodeNotAnAccount, "the access token is a client's own; want one of a user")
	}
	return auth.RequireAccount(auth.ClientID(claims.ClientID), claims.Scopes)
}

// administer admits callers that the access service accepts as administrators.
func (s *Handlers) administer(ex *router.Exchange) error {
	r := ex.Request
	if len(r.Header["Authorization"]) == 0 {
		return errNoToken()
	}
	claims, err := s.verifyToken(ex)
	if err != nil {
		return err
	}
	return s.access.Administer(r.Context(), ex.Tenant.ID, access.Caller{Actor: ex.Actor, Scope: claims.Scopes})
}

// verifyToken verifies the access token of the request; its subject becomes the actor. A DPoP-bound
// token has the scheme DPoP and needs a proof (RFC 9449 §7.1).
func (s *Handlers) verifyToken(ex *router.Exchange) (*guard.Claims, error) {
	claims, err := s.tokenClaims(ex)
	if err != nil {
		return nil, err
	}
	ex.Actor = ex.Actor.AsSubject(claims.Subject, auth.SessionID(claims.SessionID), auth.ClientID(claims.ClientID))
	return claims, nil
}

func (s *Handlers) tokenClaims(ex *router.Exchange) (*guard.Claims, error) {
	r := ex.Request
	scheme, raw, err := guard.ParseAuthorization(r.Header["Authorization"])
	switch {
	case err != nil:
		return nil, err
	case scheme == "Bearer":
		return s.tokens.Verify(r.Context(), ex.Tenant.ID, raw)
	}
	ex.OfferNonce()
	return s.clients.VerifyBound(r.Context(), client.Request{
		Tenant: ex.Tenant.ID, Proof: r.Header["Dpop"], Method: r.Method, URL: ex.EndpointURL(),
	}, raw)
}
