package password

import (
	"context"
	"errors"
	"time"
)

// Calibration configures Calibrate. All fields but Progress are
// required.
type Calibration struct {
	Target    time.Duration // the longest time for one hash
	MaxMemory int           // KiB, the most that one hash may use
	Now       func() time.Time
	Progress  func(Measurement) // is called with each row
}

// Measurement is one row of a calibration.
type Measurement struct {
	Params   Params
	Duration time.Duration
}

// memorySteps are tried in this order, in MiB.
var memorySteps = []uint32{19, 32, 46, 64, 96, 128, 192, 256, 384, 512}

// maxPasses bounds the search; no current machine reaches it.
const maxPasses = 10

// Calibrate measures this machine and proposes parameters: the most memory that meets the target in two
// passes, then as many passes as the target allows. The result is at least RecommendedParams; if those miss
// the target, the last row says by how much. It takes about ten times Target.
func Calibrate(ctx context.Context, c Calibration) (Params, []Measurement, error) {
	best := RecommendedParams()
	if c.Now == nil || c.Target <= 0 {
		return best, nil, errors.New("calibrate: no clock or no target")
	}
	var rows []Measurement
	// fits measures p and adopts it if it meets the target.
	fits := func(p Params) bool {
		if ctx.Err() != nil || int(p.Memory) > c.MaxMemory || p.Validate() != nil {
			return false
		}
		m := Measurement{Params: p, Duration: measure(p, c.Now)}
		rows = append(rows, m)
		if c.Progress != nil {
			c.Progress(m)
		}
		if m.Duration > c.Target {
			return false
		}
		best = p
		return true
	}
	met := false
	for _, mib := range memorySteps {
		p := best
		if p.Memory = mib << 10; !fits(p) {
			break
		}
		met = true
	}
	for p := best; met && p.Time < maxPasses; {
		p.Time++
		met = fits(p)
	}
	return best, rows, ctx.Err()
}

// measure returns the shorter of two runs: the first one also allocates the memory.
func measure(p Params, now func() time.Time) time.Duration {
	salt := make([]byte, p.SaltLength)
	var least time.Duration
	for i := range 2 {
		began := now()
		p.key("correct horse battery staple", salt)
		if ran := now().Sub(began); i == 0 || ran < least {
			least = ran
		}
	}
	return least
}
