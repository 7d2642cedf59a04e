package router

import (
	"cmp"
	"net/http"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
)

// Limit is the limit of a route in the route table. It counts requests by the client's IP address.
// A route without a limit has Unlimited; the zero value panics at start.
type Limit struct {
	Name         string // of the rate and of the metric; the first part of the key
	Rate         string // the name of the rate in the configuration, if it differs
	FailuresOnly bool   // a success is refunded
	Status       int    // with FailuresOnly: the only status that is a failure, unless zero

	perAccount *Limit // a second limit, counted by account
	OwnSession bool   // per account: counts only the caller's session
	KeepFailed bool   // per account: failed requests count too
}

// Unlimited is the limit of a route whose requests are not counted.
var Unlimited = Limit{Name: "unlimited"}

func (s *Router) bucket(l Limit, key string) limit.Bucket {
	return limit.Bucket{Key: l.Name + "|" + key, Rate: s.rateOf(l)}
}

func (s *Router) rateOf(l Limit) limit.Rate { return s.cfg.Rates[cmp.Or(l.Rate, l.Name)] }

// And returns l with a second limit, counted by the caller's account.
func (l Limit) And(perAccount Limit) Limit {
	l.perAccount = &perAccount
	return l
}

// Counts reports whether requests of the route are counted, so that one can be refused with rate_limited.
func (l Limit) Counts() bool { return l.Name != Unlimited.Name || l.perAccount != nil }

// charge takes one token for the IP address, or refuses with rate_limited.
func (ex *Exchange) charge(l Limit) error {
	s := ex.router
	buckets := limit.AddressBuckets(l.Name, ex.IP, s.rateOf(l))
	_, err := limit.TakeAll(ex.Request.Context(), s.cfg.Limiter, buckets...)
	if err == nil {
		ex.charged = buckets
	}
	return ex.countRefusal(l, err)
}

// ChargeSize takes one more token of the route's limit for every 2 KiB of a request beyond the first,
// since about as much is stored.
func (ex *Exchange) ChargeSize(size int) error {
	l, n := ex.Route.Limit, size/limit.TokenBytes
	if n == 0 {
		return nil
	}
	s := ex.router
	_, err := limit.Take(ex.Request.Context(), s.cfg.Limiter, s.bucket(l, limit.AddressKey(ex.IP)), n)
	return ex.countRefusal(l, err)
}

// Take takes one token for a key other than the IP address, or refuses with rate_limited.
func (ex *Exchange) Take(l Limit, key string) error {
	s := ex.router
	_, err := limit.Take(ex.Request.Context(), s.cfg.Limiter, s.bucket(l, key), 1)
	return ex.countRefusal(l, err)
}

// chargeAccount takes one token for the caller's account, or refuses with rate_limited.
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

// countRefusal counts err in the metric of the limit if it is a rate_limited error, and returns it.
func (ex *Exchange) countRefusal(l Limit, err error) error {
	if auth.KindOf(err) == auth.KindThrottled {
		ex.router.cfg.Metrics.limited(l.Name)
	}
	return err
}

// refundUncounted refunds a request that does not count: one that was refused before any service was
// called, one that failed with 5xx, and, with FailuresOnly, one that succeeded.
func (ex *Exchange) refundUncounted(l Limit) {
	if ex.status >= http.StatusBadRequest {
		ex.refund(ex.accountCharge) // only a success counts
	}
	failed := ex.status >= http.StatusBadRequest
	if l.Status != 0 {
		failed = ex.status == l.Status || ex.status == http.StatusTooManyRequests
	}
	if ex.uncounted || ex.status >= http.StatusInternalServerError || l.FailuresOnly && !failed {
		ex.refund(ex.charged)
	}
}

func (ex *Exchange) refund(buckets []limit.Bucket) {
	if len(buckets) > 0 {
		limit.RefundAll(ex.Request.Context(), ex.router.cfg.Limiter, ex.router.log, buckets...)
	}
}

// Refund returns the token of Take.
func (ex *Exchange) Refund(l Limit, key string) {
	ex.refund([]limit.Bucket{ex.router.bucket(l, key)})
}
