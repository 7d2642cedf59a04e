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

// Metrics is the only registry of the process. Services get its methods as callbacks. It is safe for
// concurrent use. No label comes from a request, so requests cannot create series.
type Metrics struct {
	Registry *prometheus.Registry

	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	logins   *prometheus.CounterVec
	refresh  *prometheus.CounterVec
	grants   *prometheus.CounterVec
	race     prometheus.Counter
	reuse    prometheus.Counter
	limits   *prometheus.CounterVec
}

// NewMetrics returns a registry that also has the collectors of the Go runtime and of the process.
func NewMetrics() *Metrics {
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchword_http_requests_total", Help: "Requests served."}, []string{"route", "method", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "watchword_http_request_duration_seconds", Help: "Time from the header of a request to the end of its response.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}, []string{"route"}),
		logins:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchword_login_total", Help: "Attempts to sign in."}, []string{"result", "reason"}),
		refresh: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchword_refresh_total", Help: "Refresh tokens presented."}, []string{"verdict"}),
		grants:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchword_token_requests_total", Help: "Requests to the token endpoint."}, []string{"grant", "result"}),
		limits:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchword_rate_limited_total", Help: "Requests refused by a limit."}, []string{"limit"}),
	}
	reuse := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchword_refresh_reuse_total",
		Help: "Used refresh tokens presented again: race within the grace period, reuse after the successor was used."}, []string{"verdict"})
	m.race, m.reuse = reuse.WithLabelValues("race"), reuse.WithLabelValues("reuse")
	m.Registry.MustRegister(m.requests, m.duration, m.logins, m.refresh, m.grants, reuse, m.limits,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Login counts an attempt to sign in: watchword_login_total. Both labels come from small fixed sets,
// never from a request.
func (m *Metrics) Login(result, reason string) { m.logins.WithLabelValues(result, reason).Inc() }

// Refresh counts a refresh: watchword_refresh_total, and for the verdicts "race"
// and "reuse" also watchword_refresh_reuse_total.
func (m *Metrics) Refresh(verdict string) {
	m.refresh.WithLabelValues(verdict).Inc()
	switch verdict {
	case "race":
		m.race.Inc()
	case "reuse":
		m.reuse.Inc()
	}
}

// Grant counts a request to the token endpoint: watchword_token_requests_total. Both labels come from
// small fixed sets, never from a request.
func (m *Metrics) Grant(grant, result string) { m.grants.WithLabelValues(grant, result).Inc() }

func (m *Metrics) limited(name string) { m.limits.WithLabelValues(name).Inc() }

// Outbox registers the number of waiting messages and the age of the oldest; fn returns both at
// each scrape.
func (m *Metrics) Outbox(fn func() (depth int64, oldest time.Duration)) {
	m.Registry.MustRegister(&outboxCollector{fn: fn})
}

var (
	outboxDepth  = prometheus.NewDesc("watchword_outbox_depth", "Messages that wait for delivery.", nil, nil)
	outboxOldest = prometheus.NewDesc("watchword_outbox_oldest_seconds", "How long the oldest message has been waiting.", nil, nil)
)

// outboxCollector calls fn once for both metrics.
type outboxCollector struct {
	fn func() (int64, time.Duration)
}

func (c *outboxCollector) Describe(ch chan<- *prometheus.Desc) { ch <- outboxDepth; ch <- outboxOldest }

func (c *outboxCollector) Collect(ch chan<- prometheus.Metric) {
	depth, oldest := c.fn()
	ch <- prometheus.MustNewConstMetric(outboxDepth, prometheus.GaugeValue, float64(depth))
	ch <- prometheus.MustNewConstMetric(outboxOldest, prometheus.GaugeValue, oldest.Seconds())
}

// Hasher registers the metrics of the password hasher.
func (m *Metrics) Hasher(h *password.Hasher) {
	gauge := func(name, help string, fn func(password.Stats) int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(fn(h.Stats())) })
	}
	m.Registry.MustRegister(
		gauge("watchword_hash_queue_depth", "Passwords that wait for hashing.", func(s password.Stats) int { return s.Waiting }),
		gauge("watchword_hash_inflight", "Passwords being hashed.", func(s password.Stats) int { return s.InFlight }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "watchword_hash_rejected_total", Help: "Passwords not hashed because the queue was full or the wait too long."},
			func() float64 { s := h.Stats(); return float64(s.Rejected + s.TimedOut) }))
}

// routeStats caches the counters of one route.
type routeStats struct {
	m        *Metrics
	label    string
	method   string // of the route; HEAD is counted separately
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
		counter := m.requests.WithLabelValues(st.label, method, strconv.Itoa(status))
		c = &counter
		slot.Store(c)
	}
	(*c).Inc()
}

// methodLabel returns the method, or "other" for an unknown one: a request can have any.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
		http.MethodTrace, http.MethodConnect:
		return method
	}
	return "other"
}
