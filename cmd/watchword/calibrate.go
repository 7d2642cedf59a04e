package main

import (
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/internal/password"
)

type calibrateCmd struct {
	Target time.Duration `default:"50ms" help:"Target duration of one hash on one core."`
	Memory int           `default:"65536" help:"Maximum memory of one hash, in KiB."`
}

type measurement struct {
	Memory      uint32  `json:"memory_kib"`
	Time        uint32  `json:"time"`
	Parallelism uint8   `json:"parallelism"`
	Millis      float64 `json:"ms"`
}

// Run measures Argon2id on this machine and suggests parameters.
func (c calibrateCmd) Run(e *env) error {
	if !e.common.JSON {
		fmt.Fprintf(e.Out, "Measuring Argon2id, target %s per hash:\n\n", c.Target)
	}
	best, measured, err := password.Calibrate(e.ctx, password.Calibration{
		Target: c.Target, MaxMemory: c.Memory, Now: time.Now,
		Progress: func(m password.Measurement) {
			if !e.common.JSON {
				fmt.Fprintf(e.Out, "  %6d KiB  t=%d  p=%d  %8s\n", m.Params.Memory, m.Params.Time, m.Params.Parallelism, m.Duration.Round(100*time.Microsecond))
			}
		},
	})
	if err != nil {
		return err
	}
	if e.common.JSON {
		rows := make([]measurement, 0, len(measured))
		for _, m := range measured {
			rows = append(rows, measurement{m.Params.Memory, m.Params.Time, m.Params.Parallelism, float64(m.Duration.Microseconds()) / 1e3})
		}
		return e.printJSON(map[string]any{"memory_kib": best.Memory, "time": best.Time, "parallelism": best.Parallelism, "measured": rows})
	}
	_, err = fmt.Fprintf(e.Out, `
Suggested settings for watchword.yaml. Existing hashes are upgraded at the next sign-in.

  password:
    memory: %dKiB
    time: %d
    parallelism: %d
`, best.Memory, best.Time, best.Parallelism)
	return err
}
