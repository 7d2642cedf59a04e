package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oidc"
)

// who is the word in the route table for who may enter. Every function that adds a
// route asks for one, so a route without it does not compile.
type who struct {
	name   string
	proved bool // somebody has to prove who he is; refusals carry a challenge
	admit  func(*exchange) error
}

var (
	// anyone needs to prove nothing, and nothing he shows is looked at.
	anyone = who{name: "anyone", admit: func(*exchange) error { return nil }}
	// signedIn is a person with a good access token or session cookie.
	signedIn = who{name: "signedIn", proved: true, admit: (*exchange).signIn}
	// The next four are signedIn for what works no more than so often in one session.
	changing  = signedIn.counting(countSelf)
	renewing  = signedIn.counting(countPassword) // a password
	exporting = signedIn.counting(countExport)
	ending    = signedIn.counting(countEnd) // sessions and consents
)

// counting limits what one account does.
func (w who) counting(c counted) who {
	admit := w.admit
	w.admit = func(ex *exchange) error {
		if err := admit(ex); err != nil {
			return err
		}
		return ex.chargeSelf(c)
	}
	return w
}

const codeNoToken = "missing_token"

// signIn finds out who asks. A request with an Authorization header is judged by
// that alone: a cookie beside it is not looked at, so neither can lend the other
// its rights.
func (ex *exchange) signIn() error {
	r := ex.request
	if len(r.Header["Authorization"]) > 0 {
		return ex.bearer()
	}
	cookie := ex.currentSession()
	if cookie == "" {
		return auth.Refuse(auth.KindUnauthenticated, codeNoToken, "this call needs an access token")
	}
	s := ex.server
	session, _, err := s.cfg.Sessions.Find(r.Context(), ex.tenant.ID, cookie)
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
// neither; empty for none. The actor of the request stays nobody.
func (ex *exchange) signedInAs() []auth.AccountID {
	actor, cookie := ex.actor, ex.cookie
	defer func() { ex.actor, ex.cookie = actor, cookie }()
	if err := ex.signIn(); err != nil {
		return nil // what gives nothing is not looked at
	}
	return []auth.AccountID{ex.actor.Account()}
}

func (ex *exchange) bearer() error {
	claims, err := ex.claims()
	if err != nil {
		return err
	}
	ex.actor = ex.actor.AsSubject(claims.Subject, auth.SessionID(claims.SessionID), auth.ClientID(claims.ClientID))
	if ex.actor.Kind == auth.ActorClient { // whatever its token may do
		return auth.Refuse(auth.KindForbidden, "not_an_account", "this call is for people, not for programs")
	}
	return auth.RequireAccount(auth.ClientID(claims.ClientID), claims.Scopes)
}

// claims are those of the access token of the request. One that is bound to a key has
// the scheme DPoP, and a proof beside it (RFC 9449 §7.1).
func (ex *exchange) claims() (*guard.Claims, error) {
	r, s := ex.request, ex.server
	scheme, raw, err := guard.ParseAuthorization(r.Header["Authorization"])
	switch {
	case err != nil:
		return nil, err
	case scheme == "Bearer":
		return s.cfg.Tokens.Verify(r.Context(), ex.tenant.ID, raw)
	}
	ex.nonce()
	return s.cfg.OIDC.VerifyBound(r.Context(), oidc.Request{
		Tenant: ex.tenant.ID, Proof: r.Header["Dpop"], Method: r.Method, URL: ex.tenant.ID.Issuer(s.cfg.Base) + localPath(r.URL),
	}, raw)
}

// crossSite refuses a request that changes something and that another site may
// have made a browser send. A bearer token is never sent by a browser on its own,
// so it needs no such proof. A request with our cookie does: one that says
// nothing about where it comes from is refused, since every browser says it. The Host
// header, which a proxy or the sender may have chosen, is not asked.
func (ex *exchange) crossSite() error {
	r := ex.request
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return nil
	}
	if len(r.Header["Authorization"]) > 0 && ex.route.bearer {
		return nil
	}
	if ex.route.mailed && hidesOrigin(r) {
		return nil // the secret in the form is proof enough: no other site knows it
	}
	origin := r.Header.Get("Origin")
	switch {
	case strings.HasPrefix(ex.route.path, apiPrefix) && ex.server.devOrigin(origin) && !ex.hasSessionCookie():
		return nil // it acts for nobody who is signed in
	case r.Header.Get("Sec-Fetch-Site") != "":
		if ex.server.sameOrigin.Check(r) != nil {
			return errCrossSite()
		}
	case origin == "":
		if ex.hasSessionCookie() {
			return errCrossSite()
		}
	case !slices.Contains(ex.server.origins, origin):
		return errCrossSite()
	}
	return nil
}

// hidesOrigin reports a form of a page under no-referrer, sent by a browser without
// Fetch Metadata: it calls the origin of our own form null (Fetch §3.2).
func hidesOrigin(r *http.Request) bool {
	return mediaTypeOf(r.Header.Get("Content-Type")) == "application/x-www-form-urlencoded" && r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "null"
}

func errCrossSite() *Problem {
	return problem(http.StatusForbidden, "cross_site", "this request seems to come from another site")
}
