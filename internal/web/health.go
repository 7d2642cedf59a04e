package web

import (
	"context"
	"io"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/web/router"
)

var typeText = []string{"text/plain; charset=utf-8"} // shared, never written to

// livez reports that the process serves requests. It needs no database: restarting the process
// would not repair one.
func (s *Server) livez(ex *router.Exchange, _ *http.Request) error {
	return writeText(ex, "ok\n")
}

// readyz reports whether requests can be served, which needs the database.
func (s *Server) readyz(ex *router.Exchange, r *http.Request) error {
	if err := s.ready.check(r.Context(), s.cfg.Now(), s.cfg.DB.Ping); err != nil {
		return auth.Unavailable(err, time.Second)
	}
	return writeText(ex, "ok\n")
}

func writeText(ex *router.Exchange, s string) error {
	ex.Header()["Content-Type"] = typeText
	io.WriteString(ex, s)
	return nil
}

// readiness caches the last result for a second, so that frequent probes cost the database
// nothing.
type readiness struct {
	mu    sync.Mutex // guards the rest; held during the ping, so that one probe at a time pings
	at    time.Time
	last  error
	known bool
}

const (
	readyFor  = time.Second
	readyWait = 2 * time.Second
)

func (rd *readiness) check(ctx context.Context, now time.Time, ping func(context.Context) error) error {
	rd.mu.Lock()
	defer rd.mu.Unlock()
	if age := now.Sub(rd.at); rd.known && age >= 0 && age < readyFor {
		return rd.last
	}
	// A probe that disconnects must not spoil the result for other probes.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyWait)
	defer cancel()
	rd.last, rd.at, rd.known = ping(ctx), now, true
	return rd.last
}

// Management serves the operator's network: /livez, /readyz, /metrics and, when
// configured, /debug/pprof/. It requires no credentials.
func (s *Server) Management() http.Handler { return s.management }

func (s *Server) newManagement() (*router.Router, error) {
	cfg := s.cfg.Config
	cfg.AccessLog, cfg.NoCORS = false, true // probes and scrapes would fill the log
	m, err := router.New(cfg, s.dialects.unmatched)
	if err != nil {
		return nil, err
	}
	m.Route("GET /livez", s.dialects.internal, anyone, unlimited, s.livez)
	m.Route("GET /readyz", s.dialects.internal, anyone, unlimited, s.readyz)
	metrics := promhttp.HandlerFor(s.cfg.Metrics.Registry, promhttp.HandlerOpts{})
	m.Route("GET /metrics", s.dialects.internal, anyone, unlimited, fromHTTP(metrics.ServeHTTP))
	if s.cfg.Pprof {
		m.Route("GET /debug/pprof/", s.dialects.internal, anyone, unlimited, fromHTTP(pprof.Index))
		m.Route("GET /debug/pprof/cmdline", s.dialects.internal, anyone, unlimited, fromHTTP(pprof.Cmdline))
		m.Route("GET /debug/pprof/profile", s.dialects.internal, anyone, unlimited, fromHTTP(pprof.Profile))
		m.Route("GET /debug/pprof/symbol", s.dialects.internal, anyone, unlimited, fromHTTP(pprof.Symbol))
		m.Route("GET /debug/pprof/trace", s.dialects.internal, anyone, unlimited, fromHTTP(pprof.Trace))
	}
	return m, nil
}

// fromHTTP converts a handler of net/http.
func fromHTTP(h http.HandlerFunc) router.Handler {
	return func(ex *router.Exchange, r *http.Request) error {
		h(ex, r)
		return nil
	}
}
