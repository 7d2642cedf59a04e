package guard_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/guard/guardtest"
)

// An API with three routes: for any token, for a scope, and for a role.
func Example() {
	issuer := guardtest.New(failer{}) // in production: your Watchword server

	g, err := guard.New(context.Background(), guard.Config{
		Issuer:     guardtest.URL,
		HTTPClient: issuer.Client(), // leave out in production
		Now:        issuer.Now,      // leave out in production
	})
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.Handle("GET /hello", g.Require()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := guard.FromContext(r.Context())
		fmt.Fprint(w, "hello, ", claims.Subject)
	})))
	mux.Handle("GET /orders", g.Require(guard.Scope("orders:read"))(writeText("two orders")))
	mux.Handle("GET /admin", g.Require(guard.Role("admin"))(writeText("welcome")))

	token := issuer.Mint(guardtest.Token{Subject: "alice", Scopes: []string{"orders:read"}})
	for _, path := range []string{"/hello", "/orders", "/admin"} {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(path, w.Code, w.Body)
	}
	// Output:
	// /hello 200 hello, alice
	// /orders 200 two orders
	// /admin 403 {"type":"about:blank","title":"Forbidden","status":403,"detail":"The account lacks a required role.","code":"insufficient_role"}
}

// New reports all invalid fields of a configuration together.
func ExampleNew_mistakes() {
	_, err := guard.New(context.Background(), guard.Config{
		Issuer:     "http://auth.example.com",
		Algorithms: []string{"HS256"},
	})
	var mistakes interface{ Unwrap() []error }
	if errors.As(err, &mistakes) {
		for _, m := range mistakes.Unwrap() {
			var mistake *guard.ConfigError
			if errors.As(m, &mistake) {
				fmt.Println(mistake.Field)
			}
		}
	}
	// Output:
	// Issuer
	// Algorithms
}

// A gRPC interceptor or other code without net/http calls Verify and Check.
func ExampleGuard_Verify() {
	issuer := guardtest.New(failer{})
	g := issuer.Guard()
	token := issuer.Mint(guardtest.Token{Subject: "alice", Roles: []string{"clerk"}})

	claims, err := g.Verify(context.Background(), token)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(claims.Subject, claims.Roles)

	err = guard.Check(claims, guard.AnyRole("admin", "owner"))
	fmt.Println(errors.Is(err, guard.ErrRole), err)

	issuer.Expire()
	_, err = g.Verify(context.Background(), token)
	var refusal *guard.Error
	if errors.As(err, &refusal) {
		fmt.Println(refusal.Status, refusal.Code, errors.Is(err, guard.ErrExpired))
	}
	// Output:
	// alice [clerk]
	// true required role missing: admin owner
	// 401 token_expired true
}

// A page that greets signed-in users and also serves anonymous requests.
func ExampleGuard_Optional() {
	issuer := guardtest.New(failer{})
	page := issuer.Guard().Optional()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := "guest"
		if claims, ok := guard.FromContext(r.Context()); ok {
			name = claims.Subject
		}
		fmt.Println("hello,", name)
	}))

	r := httptest.NewRequest("GET", "/", nil)
	page.ServeHTTP(httptest.NewRecorder(), r)
	issuer.Authorize(r, guardtest.Token{Subject: "alice"})
	page.ServeHTTP(httptest.NewRecorder(), r)
	// Output:
	// hello, guest
	// hello, alice
}

// A sender-constrained token is refused without a proof by its key.
func ExampleConfig_resource() {
	issuer := guardtest.New(failer{})
	g := issuer.Guard() // its configuration has the Resource https://api.test
	mux := http.NewServeMux()
	mux.Handle("GET /orders", g.Require(guard.Scope("orders:read"))(writeText("two orders\n")))
	mux.Handle(g.MetadataPath(), g.Metadata())

	key := issuer.NewKey()
	r := httptest.NewRequest("GET", "/orders", nil)
	issuer.Authorize(r, guardtest.Token{Key: key, Scopes: []string{"orders:read"}})
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Print(w.Code, " ", w.Body)

	w = httptest.NewRecorder()
	mux.ServeHTTP(w, r) // the same proof again
	fmt.Println(w.Code)

	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "DPoP", "Bearer", 1))
	r.Header.Del("DPoP")
	w = httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code)
	// Output:
	// 200 two orders
	// 401
	// 401
}

// Transfers require a sign-in within the last five minutes.
func ExampleMaxAge() {
	issuer := guardtest.New(failer{})
	transfers := issuer.Guard().Require(guard.Scope("pay"), guard.MaxAge(5*time.Minute))(writeText("done\n"))

	r := httptest.NewRequest("POST", "/transfers", nil)
	issuer.Authorize(r, guardtest.Token{Scopes: []string{"pay"}})
	issuer.Advance(6 * time.Minute)
	w := httptest.NewRecorder()
	transfers.ServeHTTP(w, r)
	challenge, _, _ := strings.Cut(w.Header().Get("WWW-Authenticate"), ", resource_metadata")
	fmt.Println(w.Code)
	fmt.Println(challenge)
	// Output:
	// 401
	// Bearer error="insufficient_user_authentication", error_description="A newer or stronger sign-in is required.", max_age="300"
}

// Claim decodes further claims on demand.
func ExampleClaims_Claim() {
	issuer := guardtest.New(failer{})
	token := issuer.Mint(guardtest.Token{Claims: map[string]any{"plan": map[string]any{"name": "pro", "seats": 5}}})
	claims, err := issuer.Guard().Verify(context.Background(), token)
	if err != nil {
		log.Fatal(err)
	}
	var plan struct {
		Name  string
		Seats int
	}
	if ok, err := claims.Claim("plan", &plan); ok && err == nil {
		fmt.Println(plan.Name, plan.Seats)
	}
	// Output: pro 5
}

func writeText(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, text) })
}

// failer stands in for *testing.T, which examples do not have.
type failer struct{}

func (failer) Helper()                           {}
func (failer) Fatalf(format string, args ...any) { log.Fatalf(format, args...) }
