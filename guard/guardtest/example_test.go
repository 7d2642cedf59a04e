package guardtest_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/guard/guardtest"
)

// A table test of an API. In a test, pass t in place of failer.
func Example() {
	issuer := guardtest.New(failer{})
	api := newAPI(issuer.Guard())

	for _, who := range []guardtest.Token{
		{Subject: "clerk", Scopes: []string{"orders:read"}},
		{Subject: "guest"},
		{Subject: "late", Scopes: []string{"orders:read"}, TTL: -time.Minute},
	} {
		r := httptest.NewRequest("GET", "/orders", nil)
		issuer.Authorize(r, who)
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		fmt.Println(who.Subject, w.Code)
	}
	// Output:
	// clerk 200
	// guest 403
	// late 401
}

// The clock is frozen until Advance moves it.
func ExampleIssuer_Expire() {
	issuer := guardtest.New(failer{})
	api := newAPI(issuer.Guard())

	r := httptest.NewRequest("GET", "/orders", nil)
	issuer.Authorize(r, guardtest.Token{Scopes: []string{"orders:read"}})
	before, after := httptest.NewRecorder(), httptest.NewRecorder()
	api.ServeHTTP(before, r)
	issuer.Expire()
	api.ServeHTTP(after, r)
	fmt.Println(before.Code, after.Code, after.Header().Get("WWW-Authenticate"))
	// Output:
	// 200 401 Bearer error="invalid_token", error_description="The access token has expired.", resource_metadata="https://api.test/.well-known/oauth-protected-resource"
}

// newAPI is the code under test. It takes a Guard, so that a test can pass one that
// trusts the test's issuer.
func newAPI(g *guard.Guard) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /orders", g.Require(guard.Scope("orders:read"))(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "no orders") })))
	return mux
}

type failer struct{}

func (failer) Helper()                           {}
func (failer) Fatalf(format string, args ...any) { log.Fatalf(format, args...) }
