package web

import (
	"net/http"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
)

// checkOrigin refuses a request that changes something and that another site may have made
// a browser send. A request with our cookie that says nothing about where it comes from is
// refused, since every browser says it. The Host header, which a proxy or the sender may
// have chosen, does not count.
func (ex *exchange) checkOrigin() error {
	r, d := ex.request, ex.route.dialect
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		return nil
	case d.bearer && len(r.Header["Authorization"]) > 0:
		return nil
	case d.linkSecret && hidesOrigin(r):
		return nil
	}
	origin := r.Header.Get("Origin")
	switch {
	case d.cors == corsConfigured && ex.router.devOrigin(origin) && !ex.hasAnyCookie():
		return nil // it acts for no signed-in user
	case r.Header.Get("Sec-Fetch-Site") != "":
		if ex.router.sameOrigin.Check(r) != nil {
			return errCrossSite()
		}
	case origin == "":
		if ex.hasAnyCookie() {
			return errCrossSite()
		}
	case !slices.Contains(ex.router.origins, origin):
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
	return problem(http.StatusForbidden, auth.CodeCrossSite, "this request seems to come from another site")
}
