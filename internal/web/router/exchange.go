package router

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/session"
)

// Exchange is one request and its response: the ResponseWriter of every handler, and what the
// router knows about the request. It belongs to the goroutine of the request.
type Exchange struct {
	http.ResponseWriter
	Cookies
	Request    *http.Request
	Route      *Route     // nil when no route matches
	ID         string     // the request ID in logs, audit events and references
	IP         netip.Addr // of the client, through the trusted proxies
	Tenant     auth.Tenant
	Actor      auth.Actor
	SignedIn   []session.SignedIn // the signed-in accounts of the browser, the current one first
	Signals    string             // what the page of the next redirect tells the browser about passkeys, as JSON
	ByCookie   bool               // the session cookie identified the actor
	Upload     []byte             // the file of a form that ReadUpload has read; nil for none
	Unverified bool               // the tenant could not be looked up: only its ID is set

	uncounted     bool // refused before any service was called, so its limit is refunded
	router        *Router
	began         time.Time
	charged       []limit.Bucket // to the IP address
	accountCharge []limit.Bucket // to the account

	large  int64 // what the body takes of the budget for large bodies
	status int   // zero until the header is written
	bytes  int64
	fault  error // the cause of a 5xx, for the log
}

// WriteHeader records the status.
func (ex *Exchange) WriteHeader(status int) {
	if ex.status == 0 && status >= 200 {
		ex.status = status
		if status == http.StatusNoContent {
			delete(ex.Header(), "Content-Type")
		}
	}
	ex.ResponseWriter.WriteHeader(status)
}

// Write counts the bytes of the body. It never fails: a disconnected client is not an error of the
// handler.
func (ex *Exchange) Write(b []byte) (int, error) {
	if ex.status == 0 {
		ex.status = http.StatusOK
	}
	n, _ := ex.ResponseWriter.Write(b)
	ex.bytes += int64(n)
	return len(b), nil
}

// Unwrap lets http.ResponseController reach the connection.
func (ex *Exchange) Unwrap() http.ResponseWriter { return ex.ResponseWriter }

// RequestActor returns the actor of the request with its IP address, User-Agent and request ID,
// for audit events.
func (ex *Exchange) RequestActor() auth.Actor {
	a := ex.Actor
	if a.Kind == "" {
		a.Kind = auth.ActorAnonymous
	}
	if ex.IP.IsValid() {
		a.IP = ex.IP.String()
	}
	a.UserAgent = auth.Clip(ex.Request.UserAgent(), maxUserAgent)
	a.RequestID = ex.ID
	a.Known = ex.CookieValue(cookieKnown)
	return a
}

// Dev reports whether this is a development server.
func (ex *Exchange) Dev() bool { return ex.router.dev() }

// EndpointURL returns the public URL of the request, without the query.
func (ex *Exchange) EndpointURL() string {
	return ex.Tenant.ID.Issuer(ex.router.cfg.Base) + LocalPath(ex.Request.URL)
}

// OfferNonce sends the nonce for the next DPoP proof (RFC 9449 §8.2) to a client that sent a
// proof, if nonces are required.
func (ex *Exchange) OfferNonce() {
	if len(ex.Request.Header["Dpop"]) > 0 {
		ex.SetNonce()
	}
}

// SetNonce sends the nonce for the next DPoP proof, if nonces are required.
func (ex *Exchange) SetNonce() {
	if n := ex.router.cfg.Nonce(ex.Tenant.ID); n != "" {
		ex.Header()["Dpop-Nonce"] = []string{n}
	}
}

const (
	maxUserAgent = 256
	maxRequestID = 64
)

// finish ends the exchange: it turns a panic into a response, counts the request and writes
// the access log. It is deferred, so that it runs on every path.
func (ex *Exchange) finish() {
	defer ex.release()
	if p := recover(); p != nil {
		ex.recoverPanic(p)
	}
	if ex.status == 0 {
		ex.status = http.StatusOK // net/http sends it when nothing was written
	}
	took := ex.router.now().Sub(ex.began)
	rt := ex.Route
	if rt == nil {
		rt = ex.router.noRoute
	}
	ex.router.cfg.Metrics.observe(rt, ex.Request.Method, ex.status, took)
	if ex.fault != nil {
		ex.logFault(rt)
	}
	if ex.router.cfg.AccessLog {
		ex.logAccess(rt, took)
	}
}

// release returns what the body took of the budget for large bodies.
func (ex *Exchange) release() {
	if ex.large != 0 {
		ex.router.largeBytes.Add(-ex.large)
		ex.large = 0
	}
}

// recoverPanic responds to a request whose handler panicked. Once a response has begun, only
// closing the connection shows that it is incomplete.
func (ex *Exchange) recoverPanic(p any) {
	ctx := ex.Request.Context()
	if p == http.ErrAbortHandler {
		panic(p)
	}
	if ctx.Err() != nil && ex.status != 0 {
		panic(http.ErrAbortHandler) // the client has disconnected
	}
	ex.router.log.LogAttrs(ctx, slog.LevelError, "panic",
		slog.String("request_id", ex.ID), slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
	if ex.status != 0 {
		panic(http.ErrAbortHandler)
	}
	ex.refuse(InternalProblem(ex.ID))
}

// logFault logs the cause, which the response does not show.
func (ex *Exchange) logFault(rt *Route) {
	level := slog.LevelError
	if ex.status != http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	ex.router.log.LogAttrs(ex.Request.Context(), level, "request failed", slog.String("request_id", ex.ID),
		slog.String("route", rt.label), slog.Int("status", ex.status), slog.String("error", ex.fault.Error()))
}

// logAccess writes the access log. It names the route and never the path or the query, which
// may hold secrets of links.
func (ex *Exchange) logAccess(rt *Route, took time.Duration) {
	r := ex.Request
	if !ex.router.log.Enabled(r.Context(), slog.LevelInfo) {
		return
	}
	attrs := [11]slog.Attr{
		slog.String("method", methodLabel(r.Method)),
		slog.String("route", rt.label),
		slog.Int("status", ex.status),
		slog.Int64("bytes", ex.bytes),
		slog.Float64("latency_ms", float64(took.Microseconds())/1000),
		slog.String("request_id", ex.ID),
		slog.String("ip", ex.IP.String()),
		slog.String("user_agent", auth.Clip(r.UserAgent(), maxUserAgent)),
	}
	n := 8
	if ex.Tenant.ID != "" {
		attrs[n] = slog.String("tenant", string(ex.Tenant.ID))
		n++
	}
	if id := ex.Actor.ID; id != "" {
		attrs[n] = slog.String("account", id)
		n++
	}
	ex.router.log.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs[:n]...)
}
