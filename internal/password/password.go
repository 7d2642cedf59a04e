// Package password hashes and verifies passwords, and checks new ones against a policy.
//
// A Hasher makes Argon2id hashes in PHC form and verifies them, together with hashes imported from Flask,
// Django, passlib and PHP. All hashing goes through one gate with a memory budget and a bounded queue, so that
// load beyond it gets BusyError instead of exhausting memory.
//
// A Policy checks new passwords: length, block list, context words, strength and, where a tenant asks for
// it, composition. Every refusal is a Reason.
//
// The package knows no accounts, no database and no HTTP. Callers pass passwords exactly as typed, and the
// package normalises them (see Normalize), so no caller can forget to.
//
// Timing: a wrong password, an unknown account (VerifyNone) and an unreadable hash take as long as the
// slowest kind of hash that MeasureKind has measured, whatever their own kind. A right password takes the
// time of its own hash.
package password

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/timer"
)

// Config configures a Hasher. Params, MaxMemory, MaxWait and Now are required.
type Config struct {
	// Params are the cost of new hashes.
	Params Params
	// MaxMemory is the memory in KiB that all running hashes share, and the
	// most that one imported hash may ask for.
	MaxMemory int
	// MaxConcurrent bounds the running hashes further; zero means GOMAXPROCS.
	MaxConcurrent int
	// QueueLimit is how many callers may wait.
	QueueLimit int
	// MaxWait is how long a caller waits at most.
	MaxWait time.Duration
	// FlaskSalts holds the SECURITY_PASSWORD_SALT of imported Flask-Security applications by the
	// name in their hashes: "flask-security$…" is the name "", "flask-security:shop$…" is "shop".
	FlaskSalts map[string]string
	// Now is the clock that measures hashing time.
	Now func() time.Time
	// Timers bound how long a caller waits, and make failures equally slow.
	Timers timer.Source
	// Observe, if set, is called with the duration of each hash or comparison.
	Observe func(d time.Duration)
	// ObserveWait, if set, is called with the wait of each admitted caller.
	ObserveWait func(d time.Duration)
}

// Hasher hashes and verifies passwords. It is safe for concurrent use.
type Hasher struct {
	params      Params
	limits      limits
	gate        *gate
	none        digest
	costs       atomic.Pointer[costs]
	measuring   sync.Mutex // held while a kind is measured
	now         func() time.Time
	timers      timer.Source
	observe     func(time.Duration)
	observeWait func(time.Duration)
}

// Result is the result of a verification.
type Result struct {
	// OK reports whether the password is right.
	OK bool
	// Rehash reports whether the password is right but its stored hash does not have the current kind and cost. The
	// caller should store a new one.
	Rehash bool

	failureDelay time.Duration // the delay of a failure
}

// New returns a Hasher, or every mistake of the configuration joined.
func New(cfg Config) (*Hasher, error) {
	cfg.Params = cfg.Params.withLengths()
	if cfg.MaxConcurrent == 0 {
		cfg.MaxConcurrent = runtime.GOMAXPROCS(0)
	}
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("password hashing: %w", err)
	}
	h := &Hasher{
		params:      cfg.Params,
		limits:      limits{kib: cfg.MaxMemory, flaskSalts: maps.Clone(cfg.FlaskSalts)},
		gate:        newGate(cfg),
		now:         cfg.Now,
		timers:      cfg.Timers,
		observe:     cfg.Observe,
		observeWait: cfg.ObserveWait,
	}
	// A hash of random bytes in the encoding of a real one, so that comparing with it is the same work.
	encoded := h.params.encode(secret.Bytes(int(h.params.SaltLength)), secret.Bytes(int(h.params.KeyLength)))
	none, err := parse(encoded, h.limits)
	none.encoded = encoded
	if err != nil {
		return nil, fmt.Errorf("password hashing: current parameters: %w", err)
	}
	h.none = none
	h.costs.Store(&costs{})
	return h, nil
}

func (c Config) check() error {
	errs := []error{c.Params.Validate()}
	if c.MaxMemory < int(c.Params.Memory) {
		errs = append(errs, fmt.Errorf("memory budget of %d KiB is less than one hash needs (%d KiB)", c.MaxMemory, c.Params.Memory))
	}
	if c.MaxConcurrent < 0 {
		errs = append(errs, fmt.Errorf("concurrency %d is negative", c.MaxConcurrent))
	}
	if c.MaxWait <= 0 {
		errs = append(errs, fmt.Errorf("longest wait %v is not positive", c.MaxWait))
	}
	if c.Now == nil {
		errs = append(errs, errors.New("no clock"))
	}
	return errors.Join(errs...)
}

// Params returns the parameters of new hashes, with defaults filled in.
func (h *Hasher) Params() Params { return h.params }

// Hash returns a fresh Argon2id hash of pw in PHC form. It fails with
// ErrTooLong or ErrNotText before any work, with *BusyError when the gate is
// full, and with ctx's error when ctx ends while waiting.
func (h *Hasher) Hash(ctx context.Context, pw string) (string, error) {
	normal, err := Normalize(pw)
	if err != nil {
		return "", err
	}
	var encoded string
	_, err = h.runInGate(ctx, h.none, func() {
		salt := secret.Bytes(int(h.params.SaltLength))
		encoded = h.params.encode(salt, h.params.key(normal, salt))
	})
	return encoded, err
}

// Verify compares pw with a stored hash of any supported kind. Its errors are those of Hash. A hash that
// cannot be used gives ErrUnknownHash, ErrMalformedHash, ErrCostlyHash or ErrNoSalt after the work of a
// comparison, so that it cannot be distinguished from a wrong password.
func (h *Hasher) Verify(ctx context.Context, encoded, pw string) (Result, error) {
	if _, err := Normalize(pw); err != nil {
		return Result{}, err
	}
	d, unusable := parse(encoded, h.limits)
	d.encoded = encoded
	if unusable != nil {
		d = h.none
	}
	r, err := h.compare(ctx, d, pw)
	if err != nil {
		return Result{}, err
	}
	if unusable != nil {
		return Result{}, unusable
	}
	r.Rehash = r.OK && d.argon2id != h.params
	return r, nil
}

// VerifyNone does the work of a failed Verify, for an account that does not exist or has no password. It is
// never OK.
func (h *Hasher) VerifyNone(ctx context.Context, pw string) (Result, error) {
	if _, err := Normalize(pw); err != nil {
		return Result{}, err
	}
	_, err := h.compare(ctx, h.none, pw)
	return Result{}, err
}

// Identify returns the name of the scheme of a stored hash and, if Verify could not use it, the reason. It
// does no hashing, so an importer can survey a database with it.
func (h *Hasher) Identify(encoded string) (scheme string, err error) {
	d, err := parse(encoded, h.limits)
	return d.scheme, err
}

// Stats returns the state of the gate.
func (h *Hasher) Stats() Stats { return h.gate.stats() }

// compare compares the password. Every failure takes equally long.
func (h *Hasher) compare(ctx context.Context, d digest, pw string) (Result, error) {
	ok, ran, err := h.compareInGate(ctx, d, pw)
	if err != nil {
		return Result{}, err
	}
	rest := h.costs.Load().failureDelay(hashKind(d.encoded), ran)
	if ok {
		return Result{OK: true, failureDelay: rest}, nil
	}
	return Result{}, h.timers.Sleep(ctx, rest)
}

// compareInGate compares the password inside the gate and returns the duration.
func (h *Hasher) compareInGate(ctx context.Context, d digest, pw string) (ok bool, ran time.Duration, err error) {
	ran, err = h.runInGate(ctx, d, func() {
		for _, form := range d.forms(pw) {
			if ok = d.match(form); ok {
				return
			}
		}
		if d.fast {
			// A plain salted digest takes microseconds, which would reveal the imported accounts: add the cost of the
			// other hashes.
			h.none.match(pw)
		}
	})
	return ok, ran, err
}

// runInGate runs fn inside the gate and returns its duration.
func (h *Hasher) runInGate(ctx context.Context, d digest, fn func()) (ran time.Duration, err error) {
	arrived := h.now()
	kib, threads := d.kib, d.threads
	if d.fast {
		kib, threads = h.none.kib, h.none.threads
	}
	if c := h.costs.Load(); len(c.durations) > 0 {
		kib, threads = c.kib, c.threads
	}
	leave, err := h.gate.enter(ctx, kib, threads)
	if err != nil {
		return 0, err
	}
	began := h.now()
	defer func() {
		ran = h.now().Sub(began)
		leave(ran)
		if h.observe != nil {
			h.observe(ran)
		}
		if h.observeWait != nil {
			h.observeWait(began.Sub(arrived))
		}
	}()
	fn()
	return 0, nil
}
