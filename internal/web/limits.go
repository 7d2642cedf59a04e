package web

import (
	"time"

	"github.com/watchword-auth/watchword/internal/limit"
)

// Rates are the limits that the door itself enforces, before any work is done.
// Each counts requests from one address (IPv6 by /64), except RefreshFamily. A zero
// rate means its default.
type Rates struct {
	Register limit.Rate // 20/1h
	Login    limit.Rate // 30/1m burst 60; only failures stay counted
	Verify   limit.Rate // 30/1m
	Resend   limit.Rate // 20/1h
	Forgot   limit.Rate // 20/1h
	Reset    limit.Rate // 20/10m
	Change   limit.Rate // 30/1m burst 60; only failures stay counted
	Refresh  limit.Rate // 600/1m
	// RefreshFamily counts refreshes within one family of refresh tokens: 30/1m.
	RefreshFamily limit.Rate
}

func (r Rates) withDefaults() Rates {
	def := func(to *limit.Rate, count int, per time.Duration, burst int) {
		if *to == (limit.Rate{}) {
			*to = limit.Rate{Count: count, Per: per, Burst: burst}
		}
	}
	def(&r.Register, 20, time.Hour, 0)
	def(&r.Login, 30, time.Minute, 60)
	def(&r.Verify, 30, time.Minute, 0)
	def(&r.Resend, 20, time.Hour, 0)
	def(&r.Forgot, 20, time.Hour, 0)
	def(&r.Reset, 20, 10*time.Minute, 0)
	def(&r.Change, 30, time.Minute, 60)
	def(&r.Refresh, 600, time.Minute, 0)
	def(&r.RefreshFamily, 30, time.Minute, 0)
	return r
}
