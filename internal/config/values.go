package config

import (
	"errors"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes. Its text forms are a number, or a number with KB, MB, GB, TB
// (powers of 1000) or KiB, MiB, GiB, TiB (powers of 1024).
type Size int64

var sizeUnits = []struct {
	suffix string
	bytes  int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// ParseSize reads the text form of a Size.
func ParseSize(text string) (Size, error) {
	number, unit := text, int64(1)
	for _, u := range sizeUnits {
		if n, ok := strings.CutSuffix(text, u.suffix); ok {
			number, unit = strings.TrimSuffix(n, " "), u.bytes
			break
		}
	}
	n, err := parseDigits(number)
	if err != nil || n > math.MaxInt64/unit {
		return 0, errors.New("is not a size")
	}
	return Size(n * unit), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSize(string(text))
	return err
}

// String returns the form that ParseSize reads, in the largest unit that divides it.
func (s Size) String() string {
	for i := 3; i >= 0; i-- {
		if u := sizeUnits[i]; s > 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// ParseDuration reads a duration in Go's format, extended by days: "15m", "36h",
// "30d", "1d12h". It is never negative.
func ParseDuration(text string) (time.Duration, error) {
	invalid := errors.New("is not a duration")
	var days time.Duration
	rest := text
	if d, r, ok := strings.Cut(text, "d"); ok {
		n, err := parseDigits(d)
		if err != nil || n > int64(math.MaxInt64/(24*time.Hour)) {
			return 0, invalid
		}
		days, rest = time.Duration(n)*24*time.Hour, r
		if rest == "" {
			return days, nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || rest[0] == '-' || rest[0] == '+' || days > math.MaxInt64-d {
		return 0, invalid
	}
	return days + d, nil
}

// formatDuration writes what ParseDuration reads, without empty parts.
func formatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	if d == 0 {
		return "0s"
	}
	var s string
	if d > day && d%time.Second == 0 {
		s, d = strconv.FormatInt(int64(d/day), 10)+"d", d%day
		if d == 0 {
			return s
		}
	}
	t := d.String()
	if strings.HasSuffix(t, "m0s") {
		t = strings.TrimSuffix(t, "0s")
	}
	if strings.HasSuffix(t, "h0m") {
		t = strings.TrimSuffix(t, "0m")
	}
	return s + t
}

// Rate is a rate limit: Count every Per, at most Burst at once (Count if zero). It has
// the fields of limit.Rate and converts to it.
type Rate struct {
	Count int
	Per   time.Duration
	Burst int
}

// maxRatePer is the longest period of a rate that limiters support.
const maxRatePer = 365 * 24 * time.Hour

// ParseRate reads "COUNT/PERIOD" or "COUNT/PERIOD burst N". Zero is not a rate.
func ParseRate(text string) (Rate, error) {
	invalid := errors.New("is not a rate")
	f := strings.Fields(text)
	if len(f) != 1 && (len(f) != 3 || f[1] != "burst") {
		return Rate{}, invalid
	}
	count, per, ok := strings.Cut(f[0], "/")
	if !ok {
		return Rate{}, invalid
	}
	n, err := parseDigits(count)
	if err != nil || n < 1 || n > math.MaxInt32 {
		return Rate{}, invalid
	}
	r := Rate{Count: int(n)}
	if r.Per, err = ParseDuration(per); err != nil || int64(r.Per) < n || r.Per > maxRatePer {
		return Rate{}, invalid
	}
	if len(f) == 3 {
		b, err := parseDigits(f[2])
		if err != nil || b < 1 || b > math.MaxInt32 {
			return Rate{}, invalid
		}
		r.Burst = int(b)
	}
	// The time in which a full burst is refilled is at most ten years.
	if time.Duration(max(r.Burst, r.Count)) > 10*maxRatePer/(r.Per/time.Duration(r.Count)+1) {
		return Rate{}, invalid
	}
	return r, nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Rate) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRate(string(text))
	return err
}

// String returns the form that ParseRate reads.
func (r Rate) String() string {
	s := strconv.Itoa(r.Count) + "/" + formatDuration(r.Per)
	if r.Burst > 0 {
		s += " burst " + strconv.Itoa(r.Burst)
	}
	return s
}

// List is a list of words. Its text form separates them by commas.
type List []string

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *List) UnmarshalText(text []byte) error {
	*l = nil
	for word := range strings.SplitSeq(string(text), ",") {
		if word = strings.TrimSpace(word); word != "" {
			*l = append(*l, word)
		}
	}
	return nil
}

// String returns the text form.
func (l List) String() string { return strings.Join(l, ", ") }

// Prefixes is a list of networks. Its text form separates them by commas; an address is a network
// of its own.
type Prefixes []netip.Prefix

// UnmarshalText implements encoding.TextUnmarshaler. It refuses networks that contain every
// address: to trust them is to trust everyone.
func (p *Prefixes) UnmarshalText(text []byte) error {
	var words List
	_ = words.UnmarshalText(text)
	*p = nil
	for _, w := range words {
		prefix, err := parsePrefix(w)
		if err != nil {
			return errors.New("has an entry that is not a network")
		}
		if prefix.Bits() == 0 {
			return errors.New("has an entry that contains every address, so anyone could claim any address")
		}
		*p = append(*p, prefix)
	}
	return nil
}

func parsePrefix(w string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(w)
	if err != nil {
		addr, err := netip.ParseAddr(w)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, errors.New("not a network")
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	if prefix.Addr().Is4In6() {
		// Peers are compared as plain IPv4, which such a network never contains.
		return netip.Prefix{}, errors.New("IPv4 mapped into IPv6")
	}
	return prefix.Masked(), nil
}

// String returns the text form.
func (p Prefixes) String() string {
	words := make(List, len(p))
	for i := range p {
		words[i] = p[i].String()
	}
	return words.String()
}

// parseDigits accepts digits only, no sign, no underscore.
func parseDigits(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err
}
