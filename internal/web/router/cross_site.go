package router

import (
	"net/http"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
)

// checkOrigin refuses a state-changing request that another site may have made a browser send
// (CSRF). It refuses a request with a cookie of this server but without Origin and Sec-Fetch-Site,
// since every browser sends one of them. It ignores Host, which a proxy or the sender may choose.
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
		return nil // without a cookie it acts for no signed-in user
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

// hidesOrigin reports whether a browser without Fetch Metadata sent a form of a page with the policy
// no-referrer. It sends the origin null, even to the page's own server (Fetch §3.2).
func hidesOrigin(r *http.Request) bool {
	return MediaType(r.Header.Get("Content-Type")) == "application/x-www-form-urlencoded" && r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "null"
}

// CrossSite returns the error of a request that another site may have made a browser send.
func CrossSite() *Problem {
	return NewProblem(http.StatusForbidden, auth.CodeCrossSite, "the request seems to come from another site; want the Origin of this server or one of cors.origins")
}
