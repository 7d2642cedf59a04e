package web

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestAttack_OP_08_HealthAndMetrics(t *testing.T) {
	t.Parallel()
	h := newFixture(t, func(c *Config) { c.Pprof = true })
	h.cfg.Metrics.Hasher(h.hasher)
	h.cfg.Metrics.Outbox(func() (int64, time.Duration) { return 7, 3 * time.Second })
	tk := h.signedIn("alice@example.com")
	h.login("alice@example.com", "wrong")
	h.post("/api/v1/refresh", `{"refresh_token":"`+tk.RefreshToken+`"}`)
	h.post("/api/v1/refresh", `{"refresh_token":"`+tk.RefreshToken+`"}`)
	h.do(request("HEAD", "/livez", ""))
	h.do(request("BREW", "/coffee", ""))
	manage := h.Management()
	for _, path := range []string{"/livez", "/readyz"} {
		if r := h.get(path); r.StatusCode != 200 {
			t.Errorf("public %s: %d", path, r.StatusCode)
		}
		if r := serve(manage, request("GET", path, "")); r.StatusCode != 200 {
			t.Errorf("management %s: %d", path, r.StatusCode)
		}
	}
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/cmdline"} {
		if r := h.get(path); r.StatusCode != 404 {
			t.Errorf("public %s: %d", path, r.StatusCode)
		}
		if r := serve(manage, request("GET", path, "")); r.StatusCode != 200 {
			t.Errorf("management %s: %d", path, r.StatusCode)
		}
	}
	if r := serve(manage, request("POST", "/api/v1/login", `{}`)); r.StatusCode != 404 {
		t.Errorf("the management listener answers the API: %d", r.StatusCode)
	}
	metrics := string(serve(manage, request("GET", "/metrics", "")).body)
	for _, want := range []string{
		`watchword_http_requests_total{method="POST",route="/api/v1/login",status="200"} 1`,
		`watchword_http_requests_total{method="POST",route="/api/v1/login",status="401"} 1`,
		`watchword_http_requests_total{method="HEAD",route="/livez",status="200"} 1`,
		`watchword_http_requests_total{method="other",route="unmatched",status="404"} 1`,
		`watchword_http_request_duration_seconds_count{route="/api/v1/login"} 2`,
		`watchword_login_total{reason="",result="success"} 1`,
		`watchword_login_total{reason="wrong_password",result="failure"} 1`,
		`watchword_refresh_total{verdict="rotated"} 1`,
		`watchword_refresh_total{verdict="race"} 1`,
		`watchword_refresh_reuse_total{verdict="race"} 1`,
		`watchword_refresh_reuse_total{verdict="reuse"} 0`,
		`watchword_hash_queue_depth 0`, `watchword_hash_inflight 0`, `watchword_hash_rejected_total 0`,
		`watchword_outbox_depth 7`, `watchword_outbox_oldest_seconds 3`,
		`go_goroutines`, `process_resident_memory_bytes`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if strings.Contains(metrics, "alice") || strings.Contains(metrics, "coffee") || strings.Contains(metrics, "BREW") {
		t.Error("a label comes from a request")
	}
	// Without the setting there are no profiles.
	plain := newFixture(t)
	if r := serve(plain.Management(), request("GET", "/debug/pprof/", "")); r.StatusCode != 404 {
		t.Errorf("profiles without the setting: %d", r.StatusCode)
	}
}

func TestReadinessFollowsTheDatabase(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	h.requireReply(h.get("/readyz"), 200, "")
	h.db.Close()
	h.requireReply(h.get("/readyz"), 200, "") // cached for a second
	h.advance(time.Second)
	r := h.requireReply(h.get("/readyz"), 503, "unavailable")
	if r.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	h.requireReply(h.get("/livez"), 200, "")
	// FL-05: published documents stay available.
	h.requireReply(h.get("/.well-known/openid-configuration"), 200, "")
}

func TestReadinessAsksOnceASecond(t *testing.T) {
	t.Parallel()
	var rd readiness
	var pings atomic.Int64
	down := errors.New("down")
	now := time.Unix(1_000_000, 0)
	ping := func(err error) error {
		return rd.check(t.Context(), now, func(ctx context.Context) error { pings.Add(1); return err })
	}
	for range 100 {
		if ping(down) != down {
			t.Fatal("ready without a database")
		}
	}
	now = now.Add(time.Second)
	if ping(nil) != nil || pings.Load() != 2 {
		t.Errorf("%d pings, want 2", pings.Load())
	}
	now = now.Add(-time.Hour) // the clock was set back: the cached result is not used
	if ping(down) != down {
		t.Error("a result from the future was used")
	}
}
