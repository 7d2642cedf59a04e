package password

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// cheap are parameters that make a hash cost microseconds.
var cheap = Params{Memory: 64, Time: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}

func newHasher(t testing.TB, change func(*Config)) *Hasher {
	t.Helper()
	cfg := Config{Params: cheap, MaxMemory: 128 << 10, QueueLimit: 256, MaxWait: time.Minute, Now: time.Now}
	if change != nil {
		change(&cfg)
	}
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func mustHash(t testing.TB, h *Hasher, pw string) string {
	t.Helper()
	encoded, err := h.Hash(t.Context(), pw)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func verify(t testing.TB, h *Hasher, encoded, pw string) Result {
	t.Helper()
	r, err := h.Verify(t.Context(), encoded, pw)
	if err != nil {
		t.Fatalf("Verify(%q, %q): %v", encoded, pw, err)
	}
	return r
}

func TestRecommendedHashIsPHC(t *testing.T) {
	t.Parallel()
	h := newHasher(t, func(c *Config) { c.Params = RecommendedParams() })
	encoded := mustHash(t, h, "correct horse battery staple")
	if !strings.HasPrefix(encoded, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash %q does not record its parameters", encoded)
	}
	if got := verify(t, h, encoded, "correct horse battery staple"); got != (Result{OK: true}) {
		t.Errorf("Verify = %+v, want OK without Rehash", got)
	}
	if got := verify(t, h, encoded, "correct horse battery stapl"); got != (Result{}) {
		t.Errorf("Verify of a wrong password = %+v", got)
	}
}

func TestAttack_PW_01_NoTwoLongPasswordsMatch(t *testing.T) {
	t.Parallel()
	h := newHasher(t, func(c *Config) { c.FlaskSalts = map[string]string{"": "pepper"} })
	same := strings.Repeat("x", 72)
	pairs := [][2]string{
		{same, same + "y"},
		{same + "y", same + "z"},
		{strings.Repeat("x", 63) + "1", strings.Repeat("x", 63) + "2"},
		{strings.Repeat("x", 127) + "1", strings.Repeat("x", 127) + "2"},
	}
	for _, p := range pairs {
		encoded := mustHash(t, h, p[0])
		if !verify(t, h, encoded, p[0]).OK {
			t.Errorf("%d bytes do not match themselves", len(p[0]))
		}
		if verify(t, h, encoded, p[1]).OK {
			t.Errorf("%q matches the hash of %q", p[1], p[0])
		}
	}

	// Made by bcrypt of 72 times "x", which is all it reads of a longer one.
	const bcrypt72 = "$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i"
	if !verify(t, h, bcrypt72, same).OK {
		t.Error("72 bytes do not match their bcrypt hash")
	}
	if verify(t, h, bcrypt72, same+"y").OK {
		t.Error("73 bytes match the bcrypt hash of their first 72")
	}
}

// Under each of these schemes the primitive itself confuses a password with
// another one that contains NUL bytes.
func TestAttack_PW_01_NULIsNotPadding(t *testing.T) {
	t.Parallel()
	h := newHasher(t, nil)
	for _, v := range foreignVectors(t) {
		if v.Password != "correct horse battery staple" || v.FlaskSalt != "" {
			continue
		}
		for _, other := range []string{v.Password + "\x00", v.Password + "\x00\x00", v.Password + "\x00" + v.Password} {
			if verify(t, h, v.Hash, other).OK {
				t.Errorf("%s: %q matches the hash of %q", v.Scheme, other, v.Password)
			}
		}
	}
}

func TestAttack_PW_02_OverlongIsRefusedBeforeHashing(t *testing.T) {
	t.Parallel()
	h := newHasher(t, nil)
	for name, pw := range map[string]string{
		"1 MB":                   strings.Repeat("a", 1<<20),
		"129 characters":         strings.Repeat("a", 129),
		"1025 bytes":             strings.Repeat("a", 1025),
		"129 four-byte ones":     strings.Repeat("🔑", 129),
		"1 MB that is not UTF-8": strings.Repeat("\xff", 1<<20),
	} {
		if _, err := h.Hash(t.Context(), pw); !errors.Is(err, ErrTooLong) {
			t.Errorf("%s: Hash: %v, want ErrTooLong", name, err)
		}
		if _, err := h.Verify(t.Context(), "$argon2id$", pw); !errors.Is(err, ErrTooLong) {
			t.Errorf("%s: Verify: %v, want ErrTooLong", name, err)
		}
		if _, err := h.VerifyNone(t.Context(), pw); !errors.Is(err, ErrTooLong) {
			t.Errorf("%s: VerifyNone: %v, want ErrTooLong", name, err)
		}
	}
	if done := h.Stats().Done; done != 0 {
		t.Errorf("%d hashes were computed", done)
	}
	for _, pw := range []string{strings.Repeat("a", 64), strings.Repeat("a", 128), strings.Repeat("🔑", 128)} {
		if !verify(t, h, mustHash(t, h, pw), pw).OK {
			t.Errorf("%d bytes do not match themselves", len(pw))
		}
	}
	if _, err := h.Hash(t.Context(), "bad\xff"); !errors.Is(err, ErrNotText) {
		t.Errorf("Hash of invalid UTF-8: %v, want ErrNotText", err)
	}
}

func TestAttack_PW_03_StoredExactlyNormalisedOnce(t *testing.T) {
	t.Parallel()
	h := newHasher(t, nil)
	for _, tt := range []struct {
		name, set, typed string
		ok               bool
	}{
		{"same", "pass word", "pass word", true},
		{"leading space trimmed", " pass word", "pass word", false},
		{"trailing space trimmed", "pass word ", "pass word", false},
		{"space added", "pass word", "pass word ", false},
		{"NUL kept", "pass\x00word", "pass\x00word", true},
		{"NUL dropped", "pass\x00word", "password", false},
		{"cut at NUL", "pass\x00word", "pass", false},
		{"emoji", "🔑🗝️🔐🔓🔏", "🔑🗝️🔐🔓🔏", true},
		{"emoji without variation selector", "🔑🗝️🔐🔓🔏", "🔑🗝🔐🔓🔏", false},
		{"set as NFC, typed as NFD", "Caf\u00e9 Ol\u00e9", "Cafe\u0301 Ole\u0301", true},
		{"set as NFD, typed as NFC", "Cafe\u0301 Ole\u0301", "Caf\u00e9 Ol\u00e9", true},
		{"accent dropped", "Caf\u00e9 Ol\u00e9", "Cafe Ole", false},
		{"no-break space", "pass\u00a0word", "pass word", true},
		{"ideographic space", "pass\u3000word", "pass word", true},
		{"tab is no space", "pass\tword", "pass word", false},
		{"other case", "Password", "password", false},
		{"full width stays", "\uff30assword", "Password", false},
	} {
		if got := verify(t, h, mustHash(t, h, tt.set), tt.typed).OK; got != tt.ok {
			t.Errorf("%s: set %q, typed %q: OK = %v, want %v", tt.name, tt.set, tt.typed, got, tt.ok)
		}
	}
}

func TestNormalizeTwiceIsOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		once, err := Normalize(rapid.String().Draw(t, "pw"))
		if err != nil {
			return
		}
		twice, err := Normalize(once)
		if err != nil || twice != once {
			t.Fatalf("Normalize(%q) = %q, %v", once, twice, err)
		}
	})
}

func TestAttack_OP_06_SamePasswordDifferentHashes(t *testing.T) {
	t.Parallel()
	h := newHasher(t, nil)
	a, b := mustHash(t, h, "correct horse"), mustHash(t, h, "correct horse")
	if a == b {
		t.Errorf("two hashes of one password are both %q", a)
	}
	if !verify(t, h, a, "correct horse").OK || !verify(t, h, b, "correct horse").OK {
		t.Error("one of two hashes does not verify")
	}
}

func TestAttack_OP_06_ChangedParametersAskForRehash(t *testing.T) {
	t.Parallel()
	old := newHasher(t, nil)
	encoded := mustHash(t, old, "correct horse")
	for name, change := range map[string]func(*Params){
		"memory":      func(p *Params) { p.Memory = 128 },
		"time":        func(p *Params) { p.Time = 2 },
		"parallelism": func(p *Params) { p.Parallelism = 2 },
		"salt":        func(p *Params) { p.SaltLength = 24 },
		"key":         func(p *Params) { p.KeyLength = 24 },
	} {
		h := newHasher(t, func(c *Config) { change(&c.Params) })
		if got := verify(t, h, encoded, "correct horse"); got != (Result{OK: true, Rehash: true}) {
			t.Errorf("%s raised: Verify = %+v, want OK and Rehash", name, got)
		}
		if got := verify(t, h, encoded, "wrong horse"); got != (Result{}) {
			t.Errorf("%s raised: Verify of a wrong password = %+v", name, got)
		}
		if got := verify(t, h, mustHash(t, h, "correct horse"), "correct horse"); got != (Result{OK: true}) {
			t.Errorf("%s raised and hashed again: Verify = %+v, want OK without Rehash", name, got)
		}
	}
}

func TestVerifyNoneRunsOneHashAndIsNeverOK(t *testing.T) {
	t.Parallel()
	h := newHasher(t, nil)
	r, err := h.VerifyNone(t.Context(), "correct horse")
	if err != nil || r != (Result{}) {
		t.Errorf("VerifyNone = %+v, %v", r, err)
	}
	if done := h.Stats().Done; done != 1 {
		t.Errorf("VerifyNone ran %d hashes, want 1", done)
	}
	// The work is that of a current hash because it is a current hash.
	if h.none.argon2id != h.Params() || h.none.kib != int(h.Params().Memory) {
		t.Errorf("an unknown account is compared under %v, want %v", h.none.argon2id, h.Params())
	}
}

func TestUnusableHashCostsAComparison(t *testing.T) {
	t.Parallel()
	h := newHasher(t, nil)
	for encoded, want := range map[string]error{
		"":                          ErrUnknownHash,
		"plaintext":                 ErrUnknownHash,
		"!unusable":                 ErrUnknownHash,
		"$argon2id$v=19$m=64":       ErrMalformedHash,
		"flask-security$$2b$04$abc": ErrMalformedHash,
		"$argon2id$v=19$m=999999999,t=1,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5a2V5": ErrCostlyHash,
	} {
		before := h.Stats().Done
		r, err := h.Verify(t.Context(), encoded, "correct horse")
		if !errors.Is(err, want) || r.OK {
			t.Errorf("Verify(%q) = %+v, %v, want %v", encoded, r, err, want)
		}
		if ran := h.Stats().Done - before; ran != 1 {
			t.Errorf("Verify(%q) ran %d comparisons, want 1", encoded, ran)
		}
	}
}

func TestErrorsKeepSecrets(t *testing.T) {
	t.Parallel()
	h := newHasher(t, nil)
	const secret = "SECRETSALT"
	for _, k := range kinds {
		for _, encoded := range []string{k.prefix + secret, k.prefix + "1$" + secret + "$" + secret, FlaskSecurity("x", k.prefix+secret)} {
			if _, err := h.Identify(encoded); err == nil || strings.Contains(err.Error(), secret) {
				t.Errorf("Identify(%q): error %v, want one that quotes nothing", encoded, err)
			}
		}
	}
}

func TestNewReportsEveryMistake(t *testing.T) {
	t.Parallel()
	_, err := New(Config{
		Params:    Params{Memory: 1 << 20, Time: 9, Parallelism: 99, SaltLength: 4},
		MaxMemory: 1024, MaxConcurrent: -1, MaxWait: -1,
	})
	if err == nil {
		t.Fatal("New accepted it")
	}
	for _, want := range []string{"parallelism", "more work", "salt length", "budget", "concurrency", "longest wait", "no clock"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not mention %q:\n%v", want, err)
		}
	}
}

func TestParamsWeak(t *testing.T) {
	t.Parallel()
	if RecommendedParams().Weak() {
		t.Error("the recommended parameters are weak")
	}
	for _, p := range []Params{cheap, {Memory: 19 << 10, Time: 1}, {Memory: 7 << 10, Time: 4}, {Memory: 6 << 10, Time: 100}} {
		if !p.Weak() {
			t.Errorf("%v is not weak", p)
		}
	}
}

func TestHooksHearDurations(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	var ran, waited []time.Duration
	h := newHasher(t, func(c *Config) {
		c.Now = func() time.Time { now = now.Add(time.Millisecond); return now }
		c.Observe = func(d time.Duration) { ran = append(ran, d) }
		c.ObserveWait = func(d time.Duration) { waited = append(waited, d) }
	})
	verify(t, h, mustHash(t, h, "correct horse"), "correct horse")
	want := []time.Duration{time.Millisecond, time.Millisecond}
	if d := cmp.Diff(want, ran) + cmp.Diff(want, waited); d != "" {
		t.Error(d)
	}
}

func TestCalibrate(t *testing.T) {
	t.Parallel()
	// A clock in which the nth run takes n milliseconds; each size has two runs.
	newClock := func() func() time.Time {
		now, calls := time.Unix(0, 0), 0
		return func() time.Time {
			if calls++; calls%2 == 0 {
				now = now.Add(time.Duration(calls/2) * time.Millisecond)
			}
			return now
		}
	}
	var heard []Measurement
	best, rows, err := Calibrate(t.Context(), Calibration{
		Target: 5 * time.Millisecond, MaxMemory: 40 << 10, Now: newClock(),
		Progress: func(m Measurement) { heard = append(heard, m) },
	})
	if err != nil {
		t.Fatal(err)
	}
	want := RecommendedParams()
	want.Memory, want.Time = 32<<10, 3
	if best != want {
		t.Errorf("proposed %v, want %v", best, want)
	}
	if len(rows) != 4 || !cmp.Equal(rows, heard) {
		t.Errorf("rows %v, heard %v", rows, heard)
	}

	best, rows, err = Calibrate(t.Context(), Calibration{Target: 1, MaxMemory: 1 << 20, Now: newClock()})
	if err != nil || best != RecommendedParams() || len(rows) != 1 {
		t.Errorf("too slow a machine: %v, %v, %v, want the default and one row", best, rows, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Calibrate(ctx, Calibration{Target: 1, MaxMemory: 1 << 20, Now: newClock()}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func BenchmarkHash(b *testing.B) {
	h := newHasher(b, func(c *Config) { c.Params = RecommendedParams() })
	b.ReportAllocs()
	for b.Loop() {
		mustHash(b, h, "correct horse battery staple")
	}
}
