package router

import (
	"net/http"
	"sync/atomic"
)

// forwarding remembers what has been logged about X-Forwarded-For: each fault once in
// the life of a process, since anyone who sends requests can cause it.
type forwarding struct{ missing, untrusted atomic.Bool }

// noticeForwarding warns of a proxy that is set up by half: named in proxy.trusted and
// without the header, or with the header and not named. Either way its users share the
// rate limits of one address.
func (s *Router) noticeForwarding(r *http.Request) {
	sent := len(r.Header["X-Forwarded-For"]) > 0
	switch {
	case sent && !s.forwarding.untrusted.Load():
		if !s.fromProxy(r) && !s.forwarding.untrusted.Swap(true) {
			s.log.Warn("X-Forwarded-For is ignored: its sender is not in proxy.trusted; if that is your proxy, name its address there", "peer", r.RemoteAddr)
		}
	case !sent && len(s.cfg.Trusted) > 0 && !s.forwarding.missing.Load():
		if s.fromProxy(r) && !isProbe(r) && !s.forwarding.missing.Swap(true) {
			s.log.Warn("a proxy in proxy.trusted sends no X-Forwarded-For: its users are counted as one address", "peer", r.RemoteAddr)
		}
	}
}

// isProbe reports whether a balancer asks for itself and not for a user.
func isProbe(r *http.Request) bool { return r.URL.Path == "/livez" || r.URL.Path == "/readyz" }
