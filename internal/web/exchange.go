package web

import (
	"context"
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

// exchange is one request and its answer: the ResponseWriter of every handler,
// together with what was found out about the request on the way in. It belongs to
// the goroutine of the request.
type exchange struct {
	http.ResponseWriter
	request    *http.Request
	router     *router
	began      time.Time
	id         string     // names the request in the log, in audit lines and in references
	ip         netip.Addr // of the client, through the trusted proxies
	route      *route     // nil until the mux has found one
	tenant     auth.Tenant
	unverified bool // the database could not be asked for the tenant: only its ID is there
	actor      auth.Actor
	people     []session.SignedIn // who is signed in in the browser of a page, the current one first
	cookie     bool               // the actor proved himself with the session cookie

	charged       []limit.Bucket // where its address was counted
	accountCharge []limit.Bucket // where its account was counted
	untried       bool           // it was refused before anything was tried

	large  int64 // what its body took of the budget for large ones
	status int   // zero until the header is written
	bytes  int64
	fault  error // what the log has to know of a 5xx
}

// WriteHeader notes the status.
func (ex *exchange) WriteHeader(status int) {
	if ex.status == 0 && status >= 200 {
		ex.status = status
		if status == http.StatusNoContent {
			delete(ex.Header(), "Content-Type")
		}
	}
	ex.ResponseWriter.WriteHeader(status)
}

// Write counts the body. It never fails: a client that has gone away is nobody's
// fault, and there is nobody to tell.
func (ex *exchange) Write(b []byte) (int, error) {
	if ex.status == 0 {
		ex.status = http.StatusOK
	}
	n, _ := ex.ResponseWriter.Write(b)
	ex.bytes += int64(n)
	return len(b), nil
}

// Unwrap lets http.ResponseController reach the connection.
func (ex *exchange) Unwrap() http.ResponseWriter { return ex.ResponseWriter }

// exchangeKey finds the exchange in the context of an API call: the one value we
// keep there, for the handlers that are not given a ResponseWriter.
type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

// by is the actor of the request: who proved himself, or nobody, and from where.
func (ex *exchange) by() auth.Actor {
	a := ex.actor
	if a.Kind == "" {
		a.Kind = auth.ActorAnonymous
	}
	if ex.ip.IsValid() {
		a.IP = ex.ip.String()
	}
	a.UserAgent = auth.Clip(ex.request.UserAgent(), maxUserAgent)
	a.RequestID = ex.id
	a.Known = ex.cookieValue(jarKnown)
	return a
}

// endpointURL is the URL of the request as its sender knows it, without the query.
func (ex *exchange) endpointURL() string {
	return ex.tenant.ID.Issuer(ex.router.cfg.Base) + localPath(ex.request.URL)
}

// offerNonce sends the nonce for the next DPoP proof (RFC 9449 §8.2) to a client that sent
// a proof, where nonces are required.
func (ex *exchange) offerNonce() {
	if len(ex.request.Header["Dpop"]) > 0 {
		ex.setNonce()
	}
}

func (ex *exchange) setNonce() {
	if n := ex.router.cfg.Nonce(ex.tenant.ID); n != "" {
		ex.Header()["Dpop-Nonce"] = []string{n}
	}
}

const (
	maxUserAgent = 256
	maxRequestID = 64
)

// finish ends the exchange: it turns a panic into an answer and writes the line of
// the access log and the counts. It is deferred, so that it sees every way out.
func (ex *exchange) finish() {
	defer ex.release()
	if p := recover(); p != nil {
		ex.panicked(p)
	}
	if ex.status == 0 {
		ex.status = http.StatusOK // net/http sends it when nothing was written
	}
	took := ex.router.now().Sub(ex.began)
	rt := ex.route
	if rt == nil {
		rt = ex.router.noRoute
	}
	ex.router.cfg.Metrics.observe(rt, ex.request.Method, ex.status, took)
	if ex.fault != nil {
		ex.logFault(rt)
	}
	if ex.router.cfg.AccessLog {
		ex.logAccess(rt, took)
	}
}

// release gives back what the body took.
func (ex *exchange) release() {
	if ex.large != 0 {
		ex.router.large.Add(-ex.large)
		ex.large = 0
	}
}

// panicked answers a request whose handler panicked. When the answer has begun,
// only the end of the connection can tell the client that it is not whole.
func (ex *exchange) panicked(p any) {
	ctx := ex.request.Context()
	if p == http.ErrAbortHandler {
		panic(p)
	}
	if ctx.Err() != nil && ex.status != 0 {
		panic(http.ErrAbortHandler) // the client has gone; nobody is left to answer
	}
	ex.router.log.LogAttrs(ctx, slog.LevelError, "panic",
		slog.String("request_id", ex.id), slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
	if ex.status != 0 {
		panic(http.ErrAbortHandler)
	}
	ex.refuse(internalProblem(ex.id))
}

// logFault writes what the client was not told.
func (ex *exchange) logFault(rt *route) {
	level := slog.LevelError
	if ex.status != http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	ex.router.log.LogAttrs(ex.request.Context(), level, "request failed", slog.String("request_id", ex.id),
		slog.String("route", rt.label), slog.Int("status", ex.status), slog.String("error", ex.fault.Error()))
}

// logAccess writes the line of the request. It names the route and never the path
// or the query, where links carry their secrets.
func (ex *exchange) logAccess(rt *route, took time.Duration) {
	r := ex.request
	if !ex.router.log.Enabled(r.Context(), slog.LevelInfo) {
		return
	}
	attrs := [11]slog.Attr{
		slog.String("method", methodLabel(r.Method)),
		slog.String("route", rt.label),
		slog.Int("status", ex.status),
		slog.Int64("bytes", ex.bytes),
		slog.Float64("latency_ms", float64(took.Microseconds())/1000),
		slog.String("request_id", ex.id),
		slog.String("ip", ex.ip.String()),
		slog.String("user_agent", auth.Clip(r.UserAgent(), maxUserAgent)),
	}
	n := 8
	if ex.tenant.ID != "" {
		attrs[n] = slog.String("tenant", string(ex.tenant.ID))
		n++
	}
	if id := ex.actor.ID; id != "" {
		attrs[n] = slog.String("account", id)
		n++
	}
	ex.router.log.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs[:n]...)
}
