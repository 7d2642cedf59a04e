package timer_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchword-auth/watchword/internal/timer"
)

func TestSystemTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s timer.Source
		begun := s.Now()

		if err := s.Sleep(t.Context(), time.Hour); err != nil || s.Now().Sub(begun) != time.Hour {
			t.Errorf("Sleep: %v after %v", err, s.Now().Sub(begun))
		}
		c, stop := s.After(time.Second)
		<-c
		if stop() {
			t.Error("a timer that has fired was stopped")
		}
		stopped := s.AfterFunc(time.Second, func() { t.Error("a stopped timer fired") })
		if !stopped() {
			t.Error("a waiting timer was not stopped")
		}
		time.Sleep(2 * time.Second)
	})
}

func TestSleepEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	err := timer.Source{}.Sleep(ctx, time.Hour)

	if !errors.Is(err, context.Canceled) {
		t.Errorf("Sleep: %v", err)
	}
	if err := (timer.Source{}).Sleep(ctx, 0); err != nil {
		t.Errorf("Sleep of nothing: %v", err)
	}
}

func TestInjectedTimers(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	var waits []time.Duration
	s := timer.Source{
		Clock: func() time.Time { return now },
		Start: func(d time.Duration, fn func()) func() bool {
			waits = append(waits, d)
			now = now.Add(d)
			fn()
			return func() bool { return false }
		},
	}

	if err := s.Sleep(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}

	if !s.Now().Equal(time.Unix(4600, 0)) || len(waits) != 1 || waits[0] != time.Hour {
		t.Errorf("now %v, waits %v", s.Now(), waits)
	}
}
