package router

import (
	"net/http"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
)

// checkOrigin refuses a request that changes something and that another site may have made
// a browser send. A request with our cookie that says nothing about where it comes from is
// refused, since every browser says it. The Host header, which a proxy or the sender may
// have chosen, does not count.
func (ex *Exchange) checkOrigin() error {
	r, d := ex.Request, ex.Route.Dialect
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		return nil
	case d.Bearer && len(r.Header["Authorization"]) > 0:
		return nil
	case d.LinkSecret && hidesOrigin(r):
		return nil
	}
	origin := r.Header.Get("Origin")
	switch {
	case d.CORS == CORSConfigured && ex.router.devOrigin(origin) && !ex.hasAnyCookie():
		return nil // it acts for no signed-in user
	case r.Header.Get("Sec-Fetch-Site") != "":
		if ex.router.sameOrigin.Check(r) != nil {
			return CrossSite()
		}
	case origin == "":
		if ex.hasAnyCookie() {
			return CrossSite()
		}
	case !slices.Contains(ex.router.origins, origin):
		return CrossSite()
	}
	return nil
}

// hidesOrigin reports a form of a page under no-referrer, sent by a browser without
// Fetch Metadata: it calls the origin of our own form null (Fetch §3.2).
func hidesOrigin(r *http.Request) bool {
	return MediaType(r.Header.Get("Content-Type")) == "application/x-www-form-urlencoded" && r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "null"
}

// CrossSite is the refusal of a request that another site may have made a browser send.
func CrossSite() *Problem {
	return NewProblem(http.StatusForbidden, auth.CodeCrossSite, "this request seems to come from another site")
}
