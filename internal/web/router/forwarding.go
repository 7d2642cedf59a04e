package router

import (
	"net/http"
	"sync/atomic"
)

// forwarding records which warnings about X-Forwarded-For are logged. Each is logged once in the
// life of a process, since any request can cause it.
type forwarding struct{ missing, untrusted atomic.Bool }

// warnForwarding warns of a proxy that is only half configured: it is in proxy.trusted and sends no
// header, or sends the header and is not in proxy.trusted. Either way its users share the rate
// limits of one IP address.
func (s *Router) warnForwarding(r *http.Request) {
	sent := len(r.Header["X-Forwarded-For"]) > 0
	switch {
	case sent && !s.forwarding.untrusted.Load():
		if !s.fromProxy(r) && !s.forwarding.untrusted.Swap(true) {
			s.log.Warn("X-Forwarded-For is ignored because its sender is not in proxy.trusted; if the sender is your proxy, add its address", "peer", r.RemoteAddr)
		}
	case !sent && len(s.cfg.Trusted) > 0 && !s.forwarding.missing.Load():
		if s.fromProxy(r) && !isProbe(r) && !s.forwarding.missing.Swap(true) {
			s.log.Warn("a proxy in proxy.trusted sends no X-Forwarded-For, so the rate limits count its users as one address", "peer", r.RemoteAddr)
		}
	}
}

// isProbe reports whether the request is a load balancer's health check.
func isProbe(r *http.Request) bool { return r.URL.Path == "/livez" || r.URL.Path == "/readyz" }
