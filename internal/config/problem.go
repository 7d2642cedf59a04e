package config

import (
	"errors"
	"strings"
)

// Problem is one mistake in the configuration. It contains no secret.
type Problem struct {
	Key   string // the setting, or the unknown name
	Value string // the input, quoted; hidden if it is a secret, empty if there was none
	From  string // the source of the input, such as "watchword.yaml"; empty for a default
	Msg   string // what is wrong
	Fix   string // what to do
}

// Error returns one line.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Key)
	if p.Value != "" {
		b.WriteString(" = " + p.Value)
	}
	if p.From != "" {
		b.WriteString(" (" + p.From + ")")
	}
	b.WriteString(": " + p.Msg)
	if p.Fix != "" {
		b.WriteString("; " + p.Fix)
	}
	return b.String()
}

// Problems returns the problems in an error of Load or Validate.
func Problems(err error) []*Problem {
	var all []*Problem
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		for _, e := range joined.Unwrap() {
			all = append(all, Problems(e)...)
		}
		return all
	}
	var p *Problem
	if errors.As(err, &p) {
		all = append(all, p)
	}
	return all
}

// problems collects problems.
type problems []*Problem

func (ps *problems) add(p Problem) { *ps = append(*ps, &p) }

func (ps problems) err() error {
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errors.Join(errs...)
}

// nearest returns the most likely candidate for a mistyped name, or "". A name that only lacks
// its section, or is longer than the setting, is near.
func nearest(name string, candidates []string) string {
	name = strings.ToLower(name)
	best, least := "", len(name)/3+2
	for _, c := range candidates {
		lower := strings.ToLower(c)
		d := distance(name, lower)
		if strings.HasSuffix(lower, "."+name) || strings.HasSuffix(lower, "_"+name) ||
			strings.HasPrefix(name, lower+".") {
			d = min(d, 1)
		}
		if d < least {
			best, least = c, d
		}
	}
	return best
}

// distance returns the edit distance: letters inserted, removed, replaced or swapped with their
// neighbour.
func distance(a, b string) int {
	if len(a) > 100 {
		return len(a)
	}
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(next[j-1]+1, row[j]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
