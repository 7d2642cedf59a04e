package web

import (
	"cmp"
	"net/http"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
)

// rateLimit says in the route table what counts the calls of a route, by the address of the
// client. A route without a limit says unlimited; the zero value panics at start.
type rateLimit struct {
	name         string // of the rate and of the metric, and the first part of the key
	rate         string // the name of the rate in the configuration, when it is another
	failuresOnly bool   // a success is given back
	status       int    // with failuresOnly: the one status that is a failure, when not zero

	perAccount *rateLimit // counts what the account does as well
	ownSession bool       // per account: other sessions do not count
	keepFailed bool       // per account: failed calls count too
}

// unlimited is the limit of a route whose calls nothing counts.
var unlimited = rateLimit{name: "unlimited"}

func (s *router) bucket(l rateLimit, key string) limit.Bucket {
	return limit.Bucket{Key: l.name + "|" + key, Rate: s.rateOf(l)}
}

func (s *router) rateOf(l rateLimit) limit.Rate { return s.cfg.Rates[cmp.Or(l.rate, l.name)] }

// and adds a limit of what the account of the caller does.
func (l rateLimit) and(perAccount rateLimit) rateLimit {
	l.perAccount = &perAccount
	return l
}

// charge takes one token for the address of the request, or refuses with rate_limited.
func (ex *exchange) charge(l rateLimit) error {
	s := ex.router
	buckets := limit.AddressBuckets(l.name, ex.ip, s.rateOf(l))
	_, err := limit.TakeAll(ex.request.Context(), s.cfg.Limiter, buckets...)
	if err == nil {
		ex.charged = buckets
	}
	return ex.countRefusal(l, err)
}

// chargeSize takes one more token of the route's limit for every 2 KiB of a request beyond the first, because what
// it leaves in the database is about as long.
func (ex *exchange) chargeSize(size int) error {
	l, n := ex.route.limit, size/limit.TokenBytes
	if n == 0 {
		return nil
	}
	s := ex.router
	_, err := limit.Take(ex.request.Context(), s.cfg.Limiter, s.bucket(l, limit.AddressKey(ex.ip)), n)
	return ex.countRefusal(l, err)
}

// take takes one token for a key other than the address, or refuses with rate_limited.
func (ex *exchange) take(l rateLimit, what string) error {
	s := ex.router
	_, err := limit.Take(ex.request.Context(), s.cfg.Limiter, s.bucket(l, what), 1)
	return ex.countRefusal(l, err)
}

// chargeAccount takes one token for what the account of the caller does, or refuses with
// rate_limited.
func (ex *exchange) chargeAccount(l rateLimit) error {
	s := ex.router
	a := limit.Attempt{Rule: l.name, Account: string(ex.tenant.ID) + "|" + ex.actor.ID, Session: string(ex.actor.Session)}
	buckets := a.GuessBuckets(s.rateOf(l))
	if l.ownSession {
		buckets = buckets[:1]
	}
	_, err := limit.TakeAll(ex.request.Context(), s.cfg.Limiter, buckets...)
	if err == nil && !l.keepFailed {
		ex.accountCharge = buckets
	}
	return ex.countRefusal(l, err)
}

// countRefusal counts err among the refusals of the limit, if it is one.
func (ex *exchange) countRefusal(l rateLimit, err error) error {
	if auth.KindOf(err) == auth.KindThrottled {
		ex.router.cfg.Metrics.limited(l.name)
	}
	return err
}

// refundUncounted refunds the charge of a request that does not count: one that was refused before any
// service was called, one that failed with 5xx, and, with failuresOnly, one that succeeded.
func (ex *exchange) refundUncounted(l rateLimit) {
	if ex.status >= http.StatusBadRequest {
		ex.giveBack(ex.accountCharge) // only what works counts
	}
	failed := ex.status >= http.StatusBadRequest
	if l.status != 0 {
		failed = ex.status == l.status || ex.status == http.StatusTooManyRequests
	}
	if ex.untried || ex.status >= http.StatusInternalServerError || l.failuresOnly && !failed {
		ex.giveBack(ex.charged)
	}
}

func (ex *exchange) giveBack(buckets []limit.Bucket) {
	if len(buckets) > 0 {
		limit.RefundAll(ex.request.Context(), ex.router.cfg.Limiter, ex.router.log, buckets...)
	}
}

// refund returns the token of take.
func (ex *exchange) refund(l rateLimit, what string) {
	ex.giveBack([]limit.Bucket{ex.router.bucket(l, what)})
}
