package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/web"
)

// openMetrics makes the registry and puts into it what no single service knows.
func (s *Server) openMetrics() {
	s.Metrics = web.NewMetrics()
	s.Metrics.Hasher(s.Hasher)
	deliveries := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "watchword_outbox_deliveries_total", Help: "Tries to deliver a message.",
	}, []string{"kind", "result"})
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "watchword_build_info", Help: "Always 1; what runs is in the labels.",
		ConstLabels: prometheus.Labels{"version": s.opts.Version, "database": s.DB.Dialect()},
	})
	build.Set(1)
	s.clockSkew = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "watchword_clock_skew_seconds", Help: "How far the clock of this machine is ahead of the database's.",
	})
	s.Metrics.Registry.MustRegister(deliveries, build, s.clockSkew)
	s.delivered = func(kind auth.MessageKind, result string) {
		deliveries.WithLabelValues(string(kind), result).Inc()
	}
}

// measureCertificate shows when the certificate in use ends: nobody but the
// operator renews one from files.
func (s *Server) measureCertificate(ends func() time.Time) {
	s.Metrics.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "watchword_tls_certificate_expires_timestamp_seconds", Help: "When the certificate from files ends, in seconds since 1970.",
	}, func() float64 { return float64(ends().Unix()) }))
}
