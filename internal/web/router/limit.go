package router

import (
	"cmp"
	"net/http"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
)

// Limit says in the route table what counts the calls of a route, by the address of the
// client. A route without a limit says unlimited; the zero value panics at start.
type Limit struct {
	Name         string // of the rate and of the metric, and the first part of the key
	Rate         string // the name of the rate in the configuration, when it is another
	FailuresOnly bool   // a success is given back
	Status       int    // with failuresOnly: the one status that is a failure, when not zero

	perAccount *Limit // counts what the account does as well
	OwnSession bool   // per account: other sessions do not count
	KeepFailed bool   // per account: failed calls count too
}

// Unlimited is the limit of a route whose calls nothing counts.
var Unlimited = Limit{Name: "unlimited"}

func (s *Router) bucket(l Limit, key string) limit.Bucket {
	return limit.Bucket{Key: l.Name + "|" + key, Rate: s.rateOf(l)}
}

func (s *Router) rateOf(l Limit) limit.Rate { return s.cfg.Rates[cmp.Or(l.Rate, l.Name)] }

// And adds a limit of what the account of the caller does.
func (l Limit) And(perAccount Limit) Limit {
	l.perAccount = &perAccount
	return l
}

// charge takes one token for the address of the request, or refuses with rate_limited.
func (ex *Exchange) charge(l Limit) error {
	s := ex.router
	buckets := limit.AddressBuckets(l.Name, ex.IP, s.rateOf(l))
	_, err := limit.TakeAll(ex.Request.Context(), s.cfg.Limiter, buckets...)
	if err == nil {
		ex.charged = buckets
	}
	return ex.countRefusal(l, err)
}

// ChargeSize takes one more token of the route's limit for every 2 KiB of a request beyond the first, because what
// it leaves in the database is about as long.
func (ex *Exchange) ChargeSize(size int) error {
	l, n := ex.Route.Limit, size/limit.TokenBytes
	if n == 0 {
		return nil
	}
	s := ex.router
	_, err := limit.Take(ex.Request.Context(), s.cfg.Limiter, s.bucket(l, limit.AddressKey(ex.IP)), n)
	return ex.countRefusal(l, err)
}

// Take takes one token for a key other than the address, or refuses with rate_limited.
func (ex *Exchange) Take(l Limit, what string) error {
	s := ex.router
	_, err := limit.Take(ex.Request.Context(), s.cfg.Limiter, s.bucket(l, what), 1)
	return ex.countRefusal(l, err)
}

// chargeAccount takes one token for what the account of the caller does, or refuses with
// rate_limited.
func (ex *Exchange) chargeAccount(l Limit) error {
	s := ex.router
	a := limit.Attempt{Rule: l.Name, Account: string(ex.Tenant.ID) + "|" + ex.Actor.ID, Session: string(ex.Actor.Session)}
	buckets := a.GuessBuckets(s.rateOf(l))
	if l.OwnSession {
		buckets = buckets[:1]
	}
	_, err := limit.TakeAll(ex.Request.Context(), s.cfg.Limiter, buckets...)
	if err == nil && !l.KeepFailed {
		ex.accountCharge = buckets
	}
	return ex.countRefusal(l, err)
}

// countRefusal counts err among the refusals of the limit, if it is one.
func (ex *Exchange) countRefusal(l Limit, err error) error {
	if auth.KindOf(err) == auth.KindThrottled {
		ex.router.cfg.Metrics.limited(l.Name)
	}
	return err
}

// refundUncounted refunds the charge of a request that does not count: one that was refused before any
// service was called, one that failed with 5xx, and, with failuresOnly, one that succeeded.
func (ex *Exchange) refundUncounted(l Limit) {
	if ex.status >= http.StatusBadRequest {
		ex.giveBack(ex.accountCharge) // only what works counts
	}
	failed := ex.status >= http.StatusBadRequest
	if l.Status != 0 {
		failed = ex.status == l.Status || ex.status == http.StatusTooManyRequests
	}
	if ex.untried || ex.status >= http.StatusInternalServerError || l.FailuresOnly && !failed {
		ex.giveBack(ex.charged)
	}
}

func (ex *Exchange) giveBack(buckets []limit.Bucket) {
	if len(buckets) > 0 {
		limit.RefundAll(ex.Request.Context(), ex.router.cfg.Limiter, ex.router.log, buckets...)
	}
}

// Refund returns the token of take.
func (ex *Exchange) Refund(l Limit, what string) {
	ex.giveBack([]limit.Bucket{ex.router.bucket(l, what)})
}
