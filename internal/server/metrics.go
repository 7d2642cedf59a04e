package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/web/router"
)

// openMetrics creates the registry and registers the metrics that belong to no single service.
func (s *Server) openMetrics() {
	s.Metrics = router.NewMetrics()
	s.Metrics.Hasher(s.Hasher)
	deliveries := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "watchword_outbox_deliveries_total", Help: "Attempts to deliver a message.",
	}, []string{"kind", "result"})
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "watchword_build_info", Help: "Always 1; the labels describe the running server.",
		ConstLabels: prometheus.Labels{"version": s.opts.Version, "database": s.DB.Dialect()},
	})
	build.Set(1)
	s.clockSkew = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "watchword_clock_skew_seconds", Help: "How many seconds the clock of this machine is ahead of the database's.",
	})
	s.Metrics.Registry.MustRegister(deliveries, build, s.clockSkew)
	s.delivered = func(kind auth.MessageKind, result string) {
		deliveries.WithLabelValues(string(kind), result).Inc()
	}
}

// measureCertificate registers the expiry of the certificate from files, which the operator
// renews.
func (s *Server) measureCertificate(expires func() time.Time) {
	s.Metrics.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "watchword_tls_certificate_expires_timestamp_seconds", Help: "Expiry of the certificate from files, in seconds since 1970.",
	}, func() float64 { return float64(expires().Unix()) }))
}
