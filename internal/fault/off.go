//go:build !faults

package fault

import "time"

// Enabled reports whether this binary has fault points.
const Enabled = false

// Point does nothing in a release build.
func Point(string) error { return nil }

// Now is time.Now in a release build.
func Now() time.Time { return time.Now() }
