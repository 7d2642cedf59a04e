package guard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRequire_RefusesMissingRights(t *testing.T) {
	t.Parallel()
	g := newStandardGuard(t)
	token := esSigner().token(esSigner().header(), validPayload(map[string]any{
		"scope": "a b", "roles": []string{"clerk", "admin"}, "permissions": []string{"orders.cancel"}}))
	claims := requireAccepted(t, g, token)
	for _, tt := range []struct {
		name string
		reqs []Requirement
		want error
	}{
		{"nothing", nil, nil},
		{"all scopes", []Requirement{Scope("a", "b")}, nil},
		{"one scope missing", []Requirement{Scope("a", "c")}, ErrScope},
		{"any scope", []Requirement{AnyScope("c", "b")}, nil},
		{"no such scope", []Requirement{AnyScope("c", "d")}, ErrScope},
		{"role", []Requirement{Role("admin", "clerk")}, nil},
		{"role in another case", []Requirement{Role("Admin")}, ErrRole},
		{"a scope is no role", []Requirement{Role("a")}, ErrRole},
		{"any role", []Requirement{AnyRole("root", "admin")}, nil},
		{"permission", []Requirement{Permission("orders.cancel")}, nil},
		{"part of a permission", []Requirement{Permission("orders")}, ErrPermission},
		{"any permission", []Requirement{AnyPermission("x", "y")}, ErrPermission},
		{"all kinds", []Requirement{Scope("a"), Role("admin"), AnyPermission("x", "orders.cancel")}, nil},
		{"the last fails", []Requirement{Scope("a"), Role("admin"), Permission("x")}, ErrPermission},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := Check(claims, tt.reqs...); !errors.Is(err, tt.want) {
				t.Errorf("Check: %v, want %v", err, tt.want)
			}
			want := 418
			if tt.want != nil {
				want = 403
			}
			for range 2 { // verified, then from the cache
				if res := sendRequest(g.Require(tt.reqs...)(teapot), setAuthorization("Bearer "+token)); res.StatusCode != want {
					t.Errorf("Require: %s", res.Status)
				}
			}
		})
	}
}

func TestRequire_PanicsOnEmptyRequirements(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]Requirement{
		"zero": {}, "no names": Scope(), "empty name": Role(""), "scope with space": Scope("a b"), "scope with quote": AnyScope(`a"`),
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			newStandardGuard(t).Require(r)
		}()
	}
}

// A handler that changes its claims must not change those of the next request with the
// same token.
func TestRequire_HandlersCannotChangeCachedClaims(t *testing.T) {
	t.Parallel()
	g := newStandardGuard(t)
	token := esSigner().validToken()
	changing := g.Require(Role("clerk"))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := FromContext(r.Context())
		c.Roles[0] = "admin"
		c.Roles = append(c.Roles, "root")
		c.Subject = "bob"
		c.ExpiresAt = c.ExpiresAt.AddDate(10, 0, 0)
	}))
	sendRequest(changing, setAuthorization("Bearer "+token))
	if res := sendRequest(g.Require(AnyRole("admin", "root"))(teapot), setAuthorization("Bearer "+token)); res.StatusCode != 403 {
		t.Errorf("admin: %s", res.Status)
	}
	if res := sendRequest(g.Require(Role("clerk"))(teapot), setAuthorization("Bearer "+token)); res.StatusCode != 418 {
		t.Errorf("clerk: %s", res.Status)
	}
	if c := requireAccepted(t, g, token); c.Subject != "alice" || len(c.Roles) != 1 {
		t.Errorf("%+v", c)
	}
}

func TestFromContext_ReturnsVerifiedClaims(t *testing.T) {
	t.Parallel()
	if _, ok := FromContext(context.Background()); ok {
		t.Error("claims in an empty context")
	}
	type other struct{}
	h := newStandardGuard(t).Require()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
		defer cancel()
		c, ok := FromContext(ctx)
		if !ok || c.Subject != "alice" || ctx.Value(other{}) != "kept" {
			t.Errorf("%v %v %v", c, ok, ctx.Value(other{}))
		}
		w.WriteHeader(204)
	}))
	res := sendRequest(h, func(r *http.Request) {
		*r = *r.WithContext(context.WithValue(r.Context(), other{}, "kept"))
		setAuthorization("Bearer " + esSigner().validToken())(r)
	})
	if res.StatusCode != 204 {
		t.Error(res.Status)
	}
}

func TestOptional_RefusesInvalidTokens(t *testing.T) {
	t.Parallel()
	h := newStandardGuard(t).Optional()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := "nobody"
		if c, ok := FromContext(r.Context()); ok {
			name = c.Subject
		}
		w.Header().Set("Name", name)
	}))
	if got := sendRequest(h, nil).Header.Get("Name"); got != "nobody" {
		t.Error(got)
	}
	if got := sendRequest(h, setAuthorization("Bearer "+esSigner().validToken())).Header.Get("Name"); got != "alice" {
		t.Error(got)
	}
	for status, values := range map[int][]string{401: {"Bearer x.y.z"}, 400: {"Bearer a", "Bearer b"}} {
		if res := sendRequest(h, setAuthorization(values...)); res.StatusCode != status || res.Header.Get("Name") != "" {
			t.Errorf("%v: %s", values, res.Status)
		}
	}
}

func TestErrorHandler_WritesTheRefusal(t *testing.T) {
	t.Parallel()
	g := newGuard(t, newIssuerStub(esSigner().jwk(nil)), newClock(), func(c *Config) {
		c.ErrorHandler = func(w http.ResponseWriter, r *http.Request, e *Error) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(e.Status)
			fmt.Fprintln(w, e.Code, "-", e.Detail())
		}
	})
	w := httptest.NewRecorder()
	g.Require()(teapot).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 401 || w.Header().Get("WWW-Authenticate") != "Bearer" || w.Body.String() != "missing_token - This request needs an access token.\n" {
		t.Errorf("%d %v %q", w.Code, w.Header(), w.Body)
	}
	w = httptest.NewRecorder()
	g.WriteError(w, httptest.NewRequest("GET", "/", nil), errors.New("database password is hunter2"))
	if w.Code != 500 || w.Body.String() != "Internal Server Error\n" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}

func TestParseBearer_ReadsOnlyTheHeader(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("GET", "/?access_token=no", nil)
	if _, err := ParseBearer(r); !errors.Is(err, ErrNoToken) {
		t.Error(err)
	}
	r.Header.Set("Authorization", "bearer abc")
	if got, err := ParseBearer(r); got != "abc" || err != nil {
		t.Error(got, err)
	}
}

func TestRevoked_RunsForCachedTokens(t *testing.T) {
	t.Parallel()
	revoked := map[string]bool{}
	g := newGuard(t, newIssuerStub(esSigner().jwk(nil)), newClock(), func(c *Config) {
		c.Revoked = func(c *Claims) bool { return revoked[c.SessionID] }
	})
	token := esSigner().validToken()
	requireAccepted(t, g, token)
	requireAccepted(t, g, token)
	revoked["sid-1"] = true
	requireRefused(t, g, token, ErrRevoked)
	requireRefused(t, g, esSigner().validToken(), ErrRevoked)
}

func TestClaims_UnmarshalsMembers(t *testing.T) {
	t.Parallel()
	payload := validPayload(map[string]any{"tenant": map[string]any{"id": "t1", "plan": "pro"}, "n": 7, "scope": ""})
	c := requireAccepted(t, newStandardGuard(t), esSigner().token(esSigner().header(), payload))
	var tenant struct{ ID, Plan string }
	if ok, err := c.Claim("tenant", &tenant); !ok || err != nil || tenant.Plan != "pro" {
		t.Error(ok, err, tenant)
	}
	var n int
	if ok, err := c.Claim("n", &n); !ok || err != nil || n != 7 {
		t.Error(ok, err, n)
	}
	if ok, err := c.Claim("absent", &n); ok || err != nil || n != 7 {
		t.Error(ok, err, n)
	}
	if ok, err := c.Claim("tenant", &n); !ok || err == nil {
		t.Error(ok, err)
	}
	if len(c.Scopes) != 0 || c.HasScope("") {
		t.Errorf("%q", c.Scopes)
	}
	if diff := cmp.Diff(payload, string(c.Payload())); diff != "" {
		t.Error(diff)
	}
	if ok, err := new(Claims).Claim("iss", &n); ok || err != nil {
		t.Error("zero Claims")
	}
	if !slices.Equal(c.Audience, []string{issuerURL}) {
		t.Error(c.Audience)
	}
}
