package router

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/watchword-auth/watchword/internal/password"
)

// Metrics is the one registry of the process. Services are handed its methods as
// callbacks; it is safe for concurrent use. No label comes from a request, so
// requests cannot create series.
type Metrics struct {
	Registry *prometheus.Registry

	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	logins   *prometheus.CounterVec
	refresh  *prometheus.CounterVec
	grants   *prometheus.CounterVec
	race     prometheus.Counter
	theft    prometheus.Counter
	limits   *prometheus.CounterVec
}

// NewMetrics makes the registry with the collectors of the Go runtime and of the
// process in it.
func NewMetrics() *Metrics {
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchword_http_requests_total", Help: "Requests answered."}, []string{"route", "method", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "watchword_http_request_duration_seconds", Help: "Time from the head of a request to the end of its answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}, []string{"route"}),
		logins:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchword_login_total", Help: "Sign-ins tried."}, []string{"result", "reason"}),
		refresh: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchword_refresh_total", Help: "Refresh tokens shown."}, []string{"verdict"}),
		grants:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchword_token_requests_total", Help: "Requests to the token endpoint."}, []string{"grant", "result"}),
		limits:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchword_rate_limited_total", Help: "Requests refused by a limit."}, []string{"limit"}),
	}
	reuse := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchword_refresh_reuse_total",
		Help: "Used refresh tokens presented again, by verdict: race, retry, late or reuse."}, []string{"verdict"})
	m.race, m.theft = reuse.WithLabelValues("race"), reuse.WithLabelValues("theft")
	m.Registry.MustRegister(m.requests, m.duration, m.logins, m.refresh, m.grants, reuse, m.limits,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Login counts a sign-in: watchword_login_total. Both words come from small fixed
// sets, never from a request.
func (m *Metrics) Login(result, reason string) { m.logins.WithLabelValues(result, reason).Inc() }

// Refresh counts a refresh: watchword_refresh_total, and for the verdicts "race"
// and "reuse" also watchword_refresh_reuse_total, which distinguishes races from thefts.
func (m *Metrics) Refresh(verdict string) {
	m.refresh.WithLabelValues(verdict).Inc()
	switch verdict {
	case "race":
		m.race.Inc()
	case "reuse":
		m.theft.Inc()
	}
}

// Grant counts a request to the token endpoint: watchword_token_requests_total. Both
// words come from small fixed sets, never from a request.
func (m *Metrics) Grant(grant, result string) { m.grants.WithLabelValues(grant, result).Inc() }

func (m *Metrics) limited(name string) { m.limits.WithLabelValues(name).Inc() }

// Outbox registers the number of waiting messages and the age of the oldest, which fn
// returns at each scrape.
func (m *Metrics) Outbox(fn func() (depth int64, oldest time.Duration)) {
	m.Registry.MustRegister(&outboxCollector{fn: fn})
}

var (
	outboxDepth  = prometheus.NewDesc("watchword_outbox_depth", "Messages that wait to be delivered.", nil, nil)
	outboxOldest = prometheus.NewDesc("watchword_outbox_oldest_seconds", "How long the oldest message has been waiting.", nil, nil)
)

// outboxCollector calls fn once for both numbers.
type outboxCollector struct {
	fn func() (int64, time.Duration)
}

func (c *outboxCollector) Describe(ch chan<- *prometheus.Desc) { ch <- outboxDepth; ch <- outboxOldest }

func (c *outboxCollector) Collect(ch chan<- prometheus.Metric) {
	depth, oldest := c.fn()
	ch <- prometheus.MustNewConstMetric(outboxDepth, prometheus.GaugeValue, float64(depth))
	ch <- prometheus.MustNewConstMetric(outboxOldest, prometheus.GaugeValue, oldest.Seconds())
}

// Hasher registers the queue of the password hasher.
func (m *Metrics) Hasher(h *password.Hasher) {
	gauge := func(name, help string, fn func(password.Stats) int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(fn(h.Stats())) })
	}
	m.Registry.MustRegister(
		gauge("watchword_hash_queue_depth", "Passwords that wait to be hashed.", func(s password.Stats) int { return s.Waiting }),
		gauge("watchword_hash_inflight", "Passwords being hashed.", func(s password.Stats) int { return s.InFlight }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "watchword_hash_rejected_total", Help: "Passwords not hashed because the line was full or the wait too long."},
			func() float64 { s := h.Stats(); return float64(s.Rejected + s.TimedOut) }))
}

// routeStats are the counters of one route, looked up once each.
type routeStats struct {
	m        *Metrics
	label    string
	method   string // of the table; HEAD is counted apart
	duration prometheus.Observer
	byStatus [600]atomic.Pointer[prometheus.Counter]
}

func (m *Metrics) route(label, method string) *routeStats {
	return &routeStats{m: m, label: label, method: method, duration: m.duration.WithLabelValues(label)}
}

func (m *Metrics) observe(rt *Route, method string, status int, took time.Duration) {
	st := rt.stats
	st.duration.Observe(took.Seconds())
	if method != st.method || status < 0 || status >= len(st.byStatus) {
		m.requests.WithLabelValues(st.label, methodLabel(method), strconv.Itoa(status)).Inc()
		return
	}
	slot := &st.byStatus[status]
	c := slot.Load()
	if c == nil {
		made := m.requests.WithLabelValues(st.label, method, strconv.Itoa(status))
		c = &made
		slot.Store(c)
	}
	(*c).Inc()
}

// methodLabel bounds the methods that become labels: a request can have any.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
		http.MethodTrace, http.MethodConnect:
		return method
	}
	return "other"
}
