package router

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/password"
)

// newTestRouter returns a router without routes.
func newTestRouter(t *testing.T) *Router {
	t.Helper()
	rt, err := New(Config{Base: "https://auth.example.test", Now: time.Now, Metrics: NewMetrics(), Log: slog.New(slog.DiscardHandler)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return rt
}

// Every kind of error has a status, and only internal errors are hidden.
func TestEveryKindHasAStatus(t *testing.T) {
	t.Parallel()
	rt := newTestRouter(t)
	want := map[auth.Kind]int{
		auth.KindInternal: 500, auth.KindInvalid: 400, auth.KindUnauthenticated: 401, auth.KindForbidden: 403,
		auth.KindNotFound: 404, auth.KindConflict: 409, auth.KindThrottled: 429, auth.KindUnavailable: 503,
	}
	if len(statuses) != len(want) {
		t.Fatalf("%d kinds in the table, %d in the test", len(statuses), len(want))
	}
	for kind, status := range want {
		ex := &Exchange{router: rt, Request: httptest.NewRequest("GET", "/", nil)}
		p := ex.Explain(fmt.Errorf("do: %w", auth.Refuse(kind, "some_code", "some text")))
		if p.Status != status {
			t.Errorf("kind %d: %d, want %d", kind, p.Status, status)
		}
		if (status == 500) == (p.Code == "some_code") {
			t.Errorf("kind %d: code %q", kind, p.Code)
		}
		if (status == 429 || status == 503) != (p.RetryAfter > 0) {
			t.Errorf("kind %d: retry after %v", kind, p.RetryAfter)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ex := &Exchange{router: rt, Request: httptest.NewRequest("GET", "/", nil).WithContext(ctx)}
	if p := ex.Explain(errors.New("query: context canceled")); p.Status != 503 || p.fault != nil {
		t.Errorf("a client that has disconnected: %d, logged %v", p.Status, p.fault)
	}
}

// FL-15: a full queue of the hashing gate is 503 with Retry-After.
func TestExplain_BusyHashingIsUnavailable(t *testing.T) {
	t.Parallel()
	ex := &Exchange{router: newTestRouter(t), Request: httptest.NewRequest("POST", "/", nil)}
	p := ex.Explain(password.Refusal("password", &password.BusyError{RetryAfter: 3 * time.Second}))
	head := http.Header{}
	p.SetHeaders(head)
	if p.Status != 503 || head.Get("Retry-After") != "3" || p.Code != "unavailable" {
		t.Errorf("%d %q, Retry-After %q", p.Status, p.Code, head.Get("Retry-After"))
	}
}
