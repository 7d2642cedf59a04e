package password

import (
	"context"
	"maps"
	"strings"
	"time"
)

// The duration of a failed comparison must not reveal the kind of the hash. Otherwise an account with an old
// or imported hash could be distinguished from no account. So every failure takes as long as one of the
// slowest kind in use. MeasureKind measures the stored kinds; the rest of the time is waited outside of the
// gate.

// hashKind returns the prefix of a stored hash that determines its scheme and cost.
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
	case strings.HasPrefix(encoded, "scrypt$"): // Django puts the salt before the cost
		return "scrypt$"
	}
	key := max(strings.LastIndexByte(encoded, '$'), 0)
	return encoded[:strings.LastIndexByte(encoded[:key], '$')+1]
}

// costs holds the costs of the kinds in use. It is immutable once it is published.
type costs struct {
	durations    map[string]time.Duration // one comparison of each kind on an idle machine
	slowest      time.Duration
	kib, threads int // the maximum of all kinds, so that all wait alike at the gate
}

// withKind returns the costs with one more kind.
func (c costs) withKind(name string, d digest, took time.Duration) costs {
	c.durations = maps.Clone(c.durations)
	if c.durations == nil {
		c.durations = map[string]time.Duration{}
	}
	c.durations[name] = took
	c.slowest, c.kib, c.threads = max(c.slowest, took), max(c.kib, d.kib), max(c.threads, d.threads)
	return c
}

// step is the unit to which failures are rounded up, so that small differences do not show.
func (c costs) step() time.Duration { return c.slowest + c.slowest/4 }

// failureDelay returns how much longer a failed comparison must take after it ran for the given time. On a
// busy machine everything takes longer, so it uses the kind's share of the slowest kind and not its time.
func (c costs) failureDelay(name string, ran time.Duration) time.Duration {
	if len(c.durations) < 2 || c.slowest <= 0 || ran <= 0 {
		return 0
	}
	all := ran
	if own := c.durations[name]; own > 0 {
		all = time.Duration(float64(ran) * float64(c.slowest) / float64(own))
	}
	step := c.step()
	return (all+step-1)/step*step - ran
}

// MeasureKind measures the kind of a stored hash, if it is new. It returns where hashes of other kinds begin
// in byte order. A hash that cannot be used has no kind: it costs as much as no account.
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
	if _, ok := known.durations[name]; ok {
		return next, nil
	}
	c := *known
	if len(c.durations) == 0 { // the current kind is measured when there is another
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

// skipKind returns where hashes of other kinds begin. The prefix of SHA-crypt without rounds is a prefix of
// the one with rounds, which sorts between its salts.
func skipKind(name, encoded string) string {
	if strings.HasSuffix(name, "$5$") || strings.HasSuffix(name, "$6$") {
		if rounds := name + "rounds="; encoded < rounds {
			return rounds
		}
	}
	return name + "\xff"
}

// measure returns the shorter of two comparisons inside the gate.
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

// DelayFailure waits as long as a failed comparison would have taken. It is for a right password that is
// refused like a wrong one.
func (h *Hasher) DelayFailure(ctx context.Context, r Result) error {
	return h.timers.Sleep(ctx, r.failureDelay)
}
