package password

import (
	"context"
	"maps"
	"strings"
	"time"
)

// A failed comparison must not tell by its time what kind of hash it was compared
// with: an account with an old or an imported hash could be distinguished from no account. So
// every failure takes as long as one of the slowest kind in use. MeasureKind knows the kinds
// that are stored; what is left of the time is waited outside of the gate.

// hashKind is the beginning of a stored hash that says its scheme and its cost.
func hashKind(encoded string) string {
	if rest, ok := strings.CutPrefix(encoded, flaskPrefix); ok {
		if name, inner, ok := strings.Cut(rest, "$"); ok {
			return flaskPrefix + name + "$" + hashKind(inner)
		}
	}
	switch {
	case strings.HasPrefix(encoded, "$2") && len(encoded) > 7:
		return encoded[:7]
	case strings.HasPrefix(encoded, "bcrypt"):
		return encoded[:strings.LastIndexByte(encoded, '$')+1]
	case (strings.HasPrefix(encoded, "$5$") || strings.HasPrefix(encoded, "$6$")) && !strings.HasPrefix(encoded[3:], "rounds="):
		return encoded[:3]
	case strings.HasPrefix(encoded, "$P$") && len(encoded) > 4, strings.HasPrefix(encoded, "$H$") && len(encoded) > 4:
		return encoded[:4]
	case strings.HasPrefix(encoded, "scrypt$"): // of Django, whose salt precedes the cost
		return "scrypt$"
	}
	key := max(strings.LastIndexByte(encoded, '$'), 0)
	return encoded[:strings.LastIndexByte(encoded[:key], '$')+1]
}

// costs are what the kinds in use cost. It is never changed once it is published.
type costs struct {
	took         map[string]time.Duration // one comparison of each class, alone on the machine
	slowest      time.Duration
	kib, threads int // the most that one of them needs: all wait alike at the gate
}

// with adds a class.
func (c costs) withKind(name string, d digest, took time.Duration) costs {
	c.took = maps.Clone(c.took)
	if c.took == nil {
		c.took = map[string]time.Duration{}
	}
	c.took[name] = took
	c.slowest, c.kib, c.threads = max(c.slowest, took), max(c.kib, d.kib), max(c.threads, d.threads)
	return c
}

// step is what failures are rounded up to, so that small differences do not show.
func (c costs) step() time.Duration { return c.slowest + c.slowest/4 }

// rest is how long a comparison that ran for so long has still to wait if it fails. On
// a busy machine everything takes longer, so the kind's own share of the slowest counts
// and not its time.
func (c costs) failureDelay(name string, ran time.Duration) time.Duration {
	if len(c.took) < 2 || c.slowest <= 0 || ran <= 0 {
		return 0
	}
	all := ran
	if own := c.took[name]; own > 0 {
		all = time.Duration(float64(ran) * float64(c.slowest) / float64(own))
	}
	step := c.step()
	return (all+step-1)/step*step - ran
}

// MeasureKind takes note of the kind of a stored hash and measures it if it is a new one. It
// returns where hashes of other kinds go on in the order of their bytes. A hash that
// cannot be used is of no kind: it costs what no account costs.
func (h *Hasher) MeasureKind(ctx context.Context, encoded string) (next string, err error) {
	name := hashKind(encoded)
	if name == "" {
		return encoded, nil
	}
	next = skipKind(name, encoded)
	d, unusable := parse(encoded, h.limits)
	if unusable != nil {
		return next, nil
	}
	h.measuring.Lock()
	defer h.measuring.Unlock()
	known := h.costs.Load()
	if _, ok := known.took[name]; ok {
		return next, nil
	}
	c := *known
	if len(c.took) == 0 { // the current kind is measured when there is another
		own := hashKind(h.none.encoded)
		if name == own {
			return next, nil
		}
		took, err := h.measure(ctx, h.none)
		if err != nil {
			return next, err
		}
		c = c.withKind(own, h.none, took)
	}
	took, err := h.measure(ctx, d)
	if err != nil {
		return next, err
	}
	c = c.withKind(name, d, took)
	h.costs.Store(&c)
	return next, nil
}

// skipKind is where hashes of other classes go on. The class of SHA-crypt without rounds is a
// prefix of those with rounds, whose place is between its salts.
func skipKind(name, encoded string) string {
	if strings.HasSuffix(name, "$5$") || strings.HasSuffix(name, "$6$") {
		if rounds := name + "rounds="; encoded < rounds {
			return rounds
		}
	}
	return name + "\xff"
}

// measure is the shorter of two comparisons, inside the gate.
func (h *Hasher) measure(ctx context.Context, d digest) (time.Duration, error) {
	var best time.Duration
	for range 2 {
		_, ran, err := h.compareInGate(ctx, d, "not the password of any account")
		if err != nil {
			return 0, err
		}
		if best == 0 || ran < best {
			best = ran
		}
	}
	return best, nil
}

// DelayFailure waits as long as a failure would have taken. It is for a right password that
// is refused like a wrong one.
func (h *Hasher) DelayFailure(ctx context.Context, r Result) error {
	return h.timers.Sleep(ctx, r.failureDelay)
}
