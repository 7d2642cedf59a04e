//go:build faults

package fault

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Enabled reports whether this binary has fault points.
const Enabled = true

type point struct {
	action string
	nth    int // 0: every pass
	passed int
}

var points = sync.OnceValue(func() map[string]*point {
	m := map[string]*point{}
	for entry := range strings.SplitSeq(os.Getenv("WATCHWORD_FAULT_POINTS"), ",") {
		name, action, ok := strings.Cut(strings.TrimSpace(entry), "=")
		if !ok {
			continue
		}
		action, nth, _ := strings.Cut(action, "@")
		n, _ := strconv.Atoi(nth)
		m[name] = &point{action: action, nth: n}
	}
	return m
})

var mu sync.Mutex // guards point.passed

// Point carries out the action that the environment configures for the named fault point: it kills
// the process, waits, or returns an error.
func Point(name string) error {
	p := points()[name]
	if p == nil {
		return nil
	}
	mu.Lock()
	p.passed++
	hit := p.nth == 0 || p.passed == p.nth
	mu.Unlock()
	if !hit {
		return nil
	}
	switch kind, arg, _ := strings.Cut(p.action, ":"); kind {
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "sleep":
		d, _ := time.ParseDuration(arg)
		time.Sleep(d)
	case "error":
		return errors.New("fault injected at " + name)
	}
	return nil
}

// Now returns the time of the moved clock.
func Now() time.Time {
	v := os.Getenv("WATCHWORD_FAULT_CLOCK")
	if strings.Contains(v, "/") {
		b, _ := os.ReadFile(v)
		v = strings.TrimSpace(string(b))
	}
	d, _ := time.ParseDuration(v)
	return time.Now().Add(d)
}
