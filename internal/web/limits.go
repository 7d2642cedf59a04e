package web

import (
	"context"
	"net/http"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
)

// Rates are the limits that the door itself enforces, before any work is done.
// Each counts requests from one address (limit.ByAddress), except RefreshFamily. All are
// required: a zero rate refuses everything. The defaults are the configuration's.
type Rates struct {
	Register  limit.Rate
	Login     limit.Rate // only failures stay counted
	Verify    limit.Rate
	Resend    limit.Rate
	Forgot    limit.Rate
	Reset     limit.Rate
	Change    limit.Rate // only failures stay counted
	Refresh   limit.Rate
	Client    limit.Rate // only failed client authentications stay counted
	Authorize limit.Rate
	Enrol     limit.Rate // clients that register themselves
	// These three count what one account does with itself in one session; in all sessions
	// three times as much.
	Self         limit.Rate // changes
	SelfPassword limit.Rate // passwords changed
	SelfExport   limit.Rate // exports
	// RefreshFamily counts refreshes within one family of refresh tokens.
	RefreshFamily limit.Rate
}

// counted is the word in the route table for what limits a route. Its zero value
// counts nothing.
type counted struct {
	name     string // of the metric and in front of the key
	rate     func(*Rates) limit.Rate
	failures bool // success gives the token back
	only     int  // with failures: the one status that is a failure, when not zero
	session  bool // of what an account does: other sessions do not count
	tries    bool // of what an account does: what fails counts too
}

// The limits of the table, each by the address of the client.
var (
	uncounted      = counted{}
	countRegister  = counted{name: "register.ip", rate: func(r *Rates) limit.Rate { return r.Register }}
	countLogin     = counted{name: "login.ip", rate: func(r *Rates) limit.Rate { return r.Login }, failures: true}
	countVerify    = counted{name: "verify.ip", rate: func(r *Rates) limit.Rate { return r.Verify }}
	countResend    = counted{name: "resend.ip", rate: func(r *Rates) limit.Rate { return r.Resend }}
	countForgot    = counted{name: "forgot.ip", rate: func(r *Rates) limit.Rate { return r.Forgot }}
	countReset     = counted{name: "reset.ip", rate: func(r *Rates) limit.Rate { return r.Reset }}
	countChange    = counted{name: "change.ip", rate: func(r *Rates) limit.Rate { return r.Change }, failures: true}
	countRefresh   = counted{name: "refresh.ip", rate: func(r *Rates) limit.Rate { return r.Refresh }}
	countClient    = counted{name: "client.ip", rate: func(r *Rates) limit.Rate { return r.Client }, failures: true, only: http.StatusUnauthorized}
	countAuthorize = counted{name: "authorize.ip", rate: func(r *Rates) limit.Rate { return r.Authorize }}
	countEnrol     = counted{name: "client_register.ip", rate: func(r *Rates) limit.Rate { return r.Enrol }}
	countSelf      = counted{name: "self.change", rate: func(r *Rates) limit.Rate { return r.Self }}
	countPassword  = counted{name: "self.password", rate: func(r *Rates) limit.Rate { return r.SelfPassword }}
	countExport    = counted{name: "self.export", rate: func(r *Rates) limit.Rate { return r.SelfExport }, tries: true}
	// countEnd counts one session alone: no other one may keep an owner from ending it.
	countEnd    = counted{name: "self.end", rate: func(r *Rates) limit.Rate { return r.Self }, session: true}
	countFamily = counted{name: "refresh.credential", rate: func(r *Rates) limit.Rate { return r.RefreshFamily }}
)

// charge takes one token for the address of the request, or refuses with rate_limited.
func (ex *exchange) charge(c counted) error {
	s := ex.server
	buckets := limit.ByAddress(c.name, ex.ip, c.rate(&s.cfg.Rates))
	d, err := s.cfg.Limiter.TakeAll(ex.request.Context(), buckets)
	if d.OK {
		ex.charged = buckets
	}
	return ex.admitted(c, d, err)
}

// chargeSize takes one more token for every 2 KiB of a request beyond the first, because what
// it leaves in the database is about as long.
func (ex *exchange) chargeSize(c counted, size int) error {
	n := size / limit.TokenBytes
	if n == 0 {
		return nil
	}
	s := ex.server
	d, err := s.cfg.Limiter.Take(ex.request.Context(), c.name+"|"+limit.Key(ex.ip), c.rate(&s.cfg.Rates), n)
	return ex.admitted(c, d, err)
}

// take takes one token for what is counted other than by address, or refuses with
// rate_limited.
func (ex *exchange) take(c counted, what string) error {
	s := ex.server
	d, err := s.cfg.Limiter.Take(ex.request.Context(), c.name+"|"+what, c.rate(&s.cfg.Rates), 1)
	return ex.admitted(c, d, err)
}

// chargeSelf takes a token for what an account does with itself, or refuses with rate_limited.
func (ex *exchange) chargeSelf(c counted) error {
	s := ex.server
	a := limit.Attempt{Rule: c.name, Account: string(ex.tenant.ID) + "|" + ex.actor.ID, Session: string(ex.actor.Session)}
	buckets := a.Guesses(c.rate(&s.cfg.Rates))
	if c.session {
		buckets = buckets[:1]
	}
	d, err := s.cfg.Limiter.TakeAll(ex.request.Context(), buckets)
	if d.OK && !c.tries {
		ex.chargedSelf = buckets
	}
	return ex.admitted(c, d, err)
}

// admitted makes a refusal of the answer of the limiter, unless it is a yes.
func (ex *exchange) admitted(c counted, d limit.Decision, err error) error {
	if err != nil {
		ex.fault = err // the decision that comes with it refuses
	}
	if d.OK {
		return nil
	}
	ex.server.cfg.Metrics.limited(c.name)
	return auth.Throttled(d.RetryAfter)
}

// settle gives the token of charge back for a request that is not to count: one that was
// refused before anything was tried, one that we failed, and, where failures alone are
// counted, one that was none. The request is answered by now, so a limiter that fails costs
// nobody anything.
func (ex *exchange) settle(c counted) {
	if ex.status >= http.StatusBadRequest {
		ex.giveBack(ex.chargedSelf) // only what works counts
	}
	failed := ex.status >= http.StatusBadRequest
	if c.only != 0 {
		failed = ex.status == c.only || ex.status == http.StatusTooManyRequests
	}
	if ex.untried || ex.status >= http.StatusInternalServerError || c.failures && !failed {
		ex.giveBack(ex.charged)
	}
}

func (ex *exchange) giveBack(buckets []limit.Bucket) {
	if len(buckets) > 0 {
		_ = ex.server.cfg.Limiter.RefundAll(context.WithoutCancel(ex.request.Context()), buckets)
	}
}

// refund gives one token of take back. At worst a limit stays a little stricter.
func (ex *exchange) refund(c counted, what string) {
	s := ex.server
	_ = s.cfg.Limiter.Refund(context.WithoutCancel(ex.request.Context()), c.name+"|"+what, c.rate(&s.cfg.Rates), 1)
}
