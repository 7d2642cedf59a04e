package password

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// A failure takes equally long, whatever kind of hash was compared and however busy the
// machine is.
func TestRepair_S11_FailuresAnswerAtOneTime(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	kinds := map[string]time.Duration{"old": 93 * ms, "current": 293 * ms, "bcrypt": 315 * ms, "md5": 294 * ms}
	var c costs
	for name, took := range kinds {
		if rest := c.failureDelay(name, took); len(c.durations) < 2 && rest != 0 {
			t.Errorf("one kind waits %v", rest)
		}
		c = c.withKind(name, digest{}, took)
	}
	for _, load := range []float64{0.97, 1, 1.04, 2.1, 3.6} {
		answers := map[time.Duration]bool{}
		for name, took := range kinds {
			ran := time.Duration(load * float64(took))
			answers[ran+c.failureDelay(name, ran)] = true
			if got := ran + c.failureDelay(name, ran); got < time.Duration(load*float64(315*ms)) {
				t.Errorf("load %v: %s answers after %v, before the slowest is done", load, name, got)
			}
		}
		if len(answers) != 1 {
			t.Errorf("load %v: failures answer at %v", load, answers)
		}
	}
	// Noise of a few per cent does not show.
	for _, noise := range []float64{0.95, 1.05} {
		ran := time.Duration(noise * float64(kinds["old"]))
		if got := ran + c.failureDelay("old", ran); got != c.step() {
			t.Errorf("%v instead of %v", got, c.step())
		}
	}
}

func TestRepair_S11_KindsOfHashes(t *testing.T) {
	t.Parallel()
	for encoded, want := range map[string]string{
		"$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$a2V5":         "$argon2id$v=19$m=19456,t=2,p=1$",
		"argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdA$a2V5":  "argon2$argon2id$v=19$m=102400,t=2,p=8$",
		"$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIU": "$2b$12$",
		"bcrypt_sha256$$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9":    "bcrypt_sha256$$2b$12$",
		"$bcrypt-sha256$v=2,t=2b,r=12$salt$key":              "$bcrypt-sha256$v=2,t=2b,r=12$",
		"pbkdf2:sha256:600000$salt$key":                      "pbkdf2:sha256:600000$",
		"pbkdf2_sha256$870000$salt$key":                      "pbkdf2_sha256$870000$",
		"$pbkdf2-sha512$25000$salt$key":                      "$pbkdf2-sha512$25000$",
		"scrypt:32768:8:1$salt$key":                          "scrypt:32768:8:1$",
		"scrypt$salt$16384$8$1$key":                          "scrypt$",
		"$scrypt$ln=16,r=8,p=1$salt$key":                     "$scrypt$ln=16,r=8,p=1$",
		"md5$salt$key":                                       "md5$",
		"$6$salt$key":                                        "$6$",
		"$6$rounds=656000$salt$key":                          "$6$rounds=656000$",
		"$P$BsaltsaltKey":                                    "$P$B",
		"flask-security:shop$pbkdf2_sha512$25000$salt$key":   "flask-security:shop$pbkdf2_sha512$25000$",
		"": "", "no hash": "", "$": "",
	} {
		if got := hashKind(encoded); got != want {
			t.Errorf("%s is of %q, want %q", encoded, got, want)
		}
	}
}

// After the cost was raised: no account, an account with an old hash and one with a new
// one answer no sooner than the step; the right password need not wait.
func TestRepair_S11_AfterTheCostWasRaised(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	old, h := newHasher(t, nil), newHasher(t, func(c *Config) { c.Params = Params{Memory: 4096, Time: 3, Parallelism: 1} })
	stored := map[string]string{}
	for name, by := range map[string]*Hasher{"old": old, "new": h} {
		var err error
		if stored[name], err = by.Hash(ctx, "violet-harbour-52"); err != nil {
			t.Fatal(err)
		}
		if _, err := h.MeasureKind(ctx, stored[name]); err != nil {
			t.Fatal(err)
		}
	}
	step := h.costs.Load().step()
	if len(h.costs.Load().durations) != 2 || step == 0 {
		t.Fatalf("measured %+v", h.costs.Load())
	}
	fails := map[string]func() (Result, error){
		"none": func() (Result, error) { return h.VerifyNone(ctx, "wrong") },
		"old":  func() (Result, error) { return h.Verify(ctx, stored["old"], "wrong") },
		"new":  func() (Result, error) { return h.Verify(ctx, stored["new"], "wrong") },
		"right, and refused": func() (Result, error) {
			r, err := h.Verify(ctx, stored["old"], "violet-harbour-52")
			if err != nil || !r.OK || r.failureDelay <= 0 {
				t.Errorf("the right password: %+v, %v", r, err)
			}
			return Result{}, h.DelayFailure(ctx, r)
		},
	}
	for name, fail := range fails {
		began := time.Now()
		if r, err := fail(); err != nil || r.OK {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if took := time.Since(began); took < step {
			t.Errorf("%s answered after %v, before %v", name, took, step)
		}
	}
}

// The walk finds SHA-crypt with and without rounds, wherever the salts sort.
func TestRepair_S11_WalkFindsSHACryptWithRounds(t *testing.T) {
	t.Parallel()
	const rounds, more = "$6$rounds=1000$salt$", "$6$rounds=1001$salt$"
	for name, stored := range map[string][]string{
		"without rounds first": {"$6$aaaa$", "$6$bbbb$", rounds, more},
		"with rounds first":    {rounds, more, "$6$zzzz$"},
		"both around":          {"$5$aaaa$", "$6$aaaa$", rounds, more, "$6$zzzz$"},
	} {
		h := newHasher(t, nil)
		want := []string{hashKind(h.none.encoded)}
		for i, prefix := range stored {
			key := 86
			if prefix[1] == '5' {
				key = 43
			}
			stored[i] += strings.Repeat("a", key)
			want = append(want, hashKind(stored[i]))
		}
		next := ""
		for range 10 {
			i := slices.IndexFunc(stored, func(s string) bool { return s > next })
			if i < 0 {
				break
			}
			var err error
			if next, err = h.MeasureKind(t.Context(), stored[i]); err != nil {
				t.Fatal(err)
			}
		}
		for _, class := range want {
			if h.costs.Load().durations[class] == 0 {
				t.Errorf("%s: %s was not found", name, class)
			}
		}
	}
}
