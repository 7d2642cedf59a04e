package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/netutil"
)

// manageConnections bounds the connections of the management listener.
const manageConnections = 256

// Run serves until ctx is done, then drains: /readyz responds 503, no connection is accepted, and
// requests and deliveries under way may finish within shutdown.timeout. It returns nil after
// that, and an error when a listener cannot be opened or fails. ready is called once with the
// addresses of both open listeners. Run is called once and closes the server.
func (s *Server) Run(ctx context.Context, ready func(addr, manageAddr string)) error {
	defer s.Close()
	if err := s.measurePasswordKinds(ctx); err != nil {
		s.log.Warn("the kinds of stored password hashes could not be measured; until then the time of a failed sign-in may reveal the kind", "error", err)
	}
	l, err := s.listen(ctx)
	if err != nil {
		return err
	}
	// Background work ends when ctx does, or when a listener fails.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel() // before wg.Wait
	wg.Go(func() { s.Outbox.Run(ctx) })
	if l.manageCerts != nil {
		wg.Go(func() { l.manageCerts(ctx) })
	}
	failed := make(chan error, 2)
	serve := func(srv *http.Server, ln net.Listener) {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serve %s: %w", ln.Addr(), err)
		}
	}
	go serve(l.public, l.publicLn)
	go serve(l.manage, l.manageLn)
	if ready != nil {
		ready(l.publicLn.Addr().String(), l.manageLn.Addr().String())
	}
	select {
	case err = <-failed:
		cancel()
	case <-ctx.Done():
	}
	s.drain(l)
	return err
}

// listeners are the open listeners of Run and their servers.
type listeners struct {
	public, manage     *http.Server
	publicLn, manageLn net.Listener
	manageCerts        func(context.Context) // renews certificates; may be nil
}

func (s *Server) listen(ctx context.Context) (*listeners, error) {
	l := &listeners{
		public: s.httpServer(lastChunked(s.withReadiness(s.Web.Public()))),
		manage: s.httpServer(s.withReadiness(s.Web.Management())),
	}
	l.manage.WriteTimeout = 5 * time.Minute // profiles are recorded during the response
	ln, err := listenOn(ctx, s.opts.Public, s.cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("open the public listener (listen): %w", err)
	}
	conf, manageCerts, err := s.tls(ctx, ln.Addr())
	if err != nil {
		ln.Close()
		return nil, err
	}
	l.manageCerts = manageCerts
	l.publicLn = netutil.LimitListener(ln, s.cfg.HTTP.MaxConnections)
	if conf != nil {
		l.public.TLSConfig = conf
		l.publicLn = tls.NewListener(l.publicLn, conf)
	} else {
		l.publicLn = strictListener{l.publicLn}
	}
	ln, err = listenOn(ctx, s.opts.Manage, s.cfg.Manage)
	if err != nil {
		l.publicLn.Close()
		return nil, fmt.Errorf("open the management listener (manage): %w", err)
	}
	l.manageLn = netutil.LimitListener(ln, manageConnections)
	return l, nil
}

func listenOn(ctx context.Context, given net.Listener, addr string) (net.Listener, error) {
	if given != nil {
		return given, nil
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("another program listens on %s; stop it, or choose another address", addr)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("this user may not listen on %s; ports below 1024 need CAP_NET_BIND_SERVICE", addr)
	}
	return ln, err
}

// httpServer returns a server with the configured bounds. It uses HTTP/2 where TLS has negotiated
// it.
func (s *Server) httpServer(h http.Handler) *http.Server {
	c := s.cfg.HTTP
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: c.ReadHeaderTimeout,
		ReadTimeout:       c.ReadTimeout,
		WriteTimeout:      c.WriteTimeout,
		IdleTimeout:       c.IdleTimeout,
		MaxHeaderBytes:    int(c.Header),
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 100},
		ErrorLog:          log.New(errorLog{s.log}, "", 0),
	}
}

// errorLog logs messages of net/http: panics as errors, others, such as failed handshakes, for
// debugging.
type errorLog struct{ log *slog.Logger }

func (e errorLog) Write(line []byte) (int, error) {
	level := slog.LevelDebug
	if bytes.Contains(line, []byte("panic")) {
		level = slog.LevelError
	}
	e.log.Log(context.Background(), level, "http server", "message", string(bytes.TrimSpace(line)))
	return len(line), nil
}

// drain shuts both servers down, the management server last, so that probes see that the node is
// draining.
func (s *Server) drain(l *listeners) {
	s.draining.Store(true)
	s.log.Info("draining", "timeout", s.cfg.Shutdown.Timeout.String())
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Shutdown.Timeout)
	defer cancel()
	if err := l.public.Shutdown(ctx); err != nil {
		s.log.Warn("requests were aborted at the end of shutdown.timeout")
		l.public.Close()
	}
	l.manage.Close()
	s.log.Info("drained")
}

// withReadiness responds to /readyz with 503 while the server drains. h serves all other requests.
func (s *Server) withReadiness(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.draining.Load() && r.URL.Path == "/readyz" {
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, `{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"this node is shutting down","code":"draining"}`+"\n")
			return
		}
		h.ServeHTTP(w, r)
	})
}
