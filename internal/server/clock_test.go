package server

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// TestRepair_H10_ClocksThatDifferAreNoticed: a node whose clock differs from that of the database reports it
// in the log and in a metric.
func TestRepair_H10_ClocksThatDifferAreNoticed(t *testing.T) {
	t.Parallel()
	for name, ahead := range map[string]time.Duration{"agrees": 0, "ahead": time.Hour, "behind": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			s := &Server{
				DB: storetest.Open(t, store.Config{URL: storetest.Postgres(t), Keyring: storetest.Keyring(t),
					Now: func() time.Time { return time.Now().Add(ahead) }}),
				log: slog.New(slog.NewTextHandler(&log, nil)), clockSkew: prometheus.NewGauge(prometheus.GaugeOpts{Name: "skew"}),
			}

			if err := s.compareClocks(t.Context()); err != nil {
				t.Fatal(err)
			}

			metrics := prometheus.NewRegistry()
			metrics.MustRegister(s.clockSkew)
			shown, err := metrics.Gather()
			if err != nil {
				t.Fatal(err)
			}
			skew := time.Duration(shown[0].GetMetric()[0].GetGauge().GetValue() * float64(time.Second))
			if off := (skew - ahead).Abs(); off > store.ClockTolerance {
				t.Errorf("ahead by %s, but the metric says %s", ahead, skew)
			}
			if warned := strings.Contains(log.String(), "differs from the database's"); warned != (ahead != 0) {
				t.Errorf("logged %q", log.String())
			}
		})
	}
}

// SQLite uses the clock of the machine.
func TestRepair_H10_OneClock(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, store.Config{URL: storetest.SQLite(t), Keyring: storetest.Keyring(t), Now: storetest.NewClock().Now})
	if skew, err := db.ClockSkew(t.Context()); skew != 0 || err != nil {
		t.Errorf("%s, %v", skew, err)
	}
}
