// Command go-api is a minimal API with guard: one path for every access token, one for a permission, one for
// administrators.
//
//	go run ./examples/go-api
//	curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8081/hello
//
// It accepts tokens for the resource http://127.0.0.1:8081.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/watchword-auth/watchword/guard"
)

func main() {
	g, err := guard.New(context.Background(), guard.Config{
		Issuer:   env("ISSUER", "http://127.0.0.1:8080"),
		Resource: env("RESOURCE", "http://127.0.0.1:8081"), // tokens for it are not valid at any other API
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(g.MetadataPath(), g.Metadata()) // tells clients where to get a token (RFC 9728)
	mux.Handle("GET /hello", g.Require()(http.HandlerFunc(hello)))
	mux.Handle("GET /orders", g.Require(guard.Permission("orders:read"))(http.HandlerFunc(hello)))
	mux.Handle("GET /admin", g.Require(guard.Role("admin"))(http.HandlerFunc(hello)))

	listen := env("LISTEN", "127.0.0.1:8081")
	log.Printf("go-api listens on http://%s", listen)
	log.Fatal(http.ListenAndServe(listen, mux))
}

func hello(w http.ResponseWriter, r *http.Request) {
	claims, _ := guard.FromContext(r.Context())
	fmt.Fprintf(w, "hello, %s, roles %q\n", claims.Subject, claims.Roles)
}

func env(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}
