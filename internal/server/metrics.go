package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/web"
)

// measure makes the registry and puts into it what no single service knows.
func (s *Server) measure() {
	s.Metrics = web.NewMetrics()
	s.Metrics.Hasher(s.Hasher)
	deliveries := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "watchword_outbox_deliveries_total", Help: "Tries to deliver a message.",
	}, []string{"kind", "result"})
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "watchword_build_info", Help: "Always 1; what runs is in the labels.",
		ConstLabels: prometheus.Labels{"version": s.opts.Version, "database": s.DB.Name()},
	})
	build.Set(1)
	s.Metrics.Registry.MustRegister(deliveries, build)
	s.delivered = func(kind auth.MessageKind, result string) {
		deliveries.WithLabelValues(string(kind), result).Inc()
	}
}
