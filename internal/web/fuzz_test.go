package web

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// FuzzHandler: no request causes a 5xx.
func FuzzHandler(f *testing.F) {
	h := newFixture(f)
	f.Add("POST", "/api/v1/login", "application/json", `{"email":"a@example.com","password":"x"}`, "")
	f.Add("GET", "/verify-email?token=%zz", "", "", "text/html")
	f.Add("OPTIONS", "/t/x/.well-known/jwks.json", "", "", "https://app.example.test")
	f.Add("DELETE", "/api/v1/me/sessions/%00", "text/plain", "x", "null")
	f.Fuzz(func(t *testing.T, method, target, media, body, other string) {
		r, err := http.NewRequest(method, "http://auth.example.test/", bytes.NewReader([]byte(body)))
		if err != nil {
			return
		}
		u, err := r.URL.Parse(target)
		if err != nil || u.Host != "auth.example.test" {
			return
		}
		r.URL, r.RequestURI, r.RemoteAddr = u, target, "192.0.2.1:1"
		r.Header = http.Header{"Content-Type": {media}, "Origin": {other}, "Authorization": {other}, "Cookie": {other}, "Accept": {other}}
		w := httptest.NewRecorder()
		h.Public().ServeHTTP(w, r)
		if w.Code >= 500 || w.Code < 100 {
			b, _ := io.ReadAll(w.Body)
			t.Fatalf("%s %s: %d %s", method, target, w.Code, b)
		}
	})
}
