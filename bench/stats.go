package main

import (
	"math"
	"slices"
	"time"
)

// mannWhitney returns the two-sided p-value of the hypothesis that a and b come from one distribution (normal
// approximation with tie correction; fine from 20 samples each).
func mannWhitney(a, b []time.Duration) float64 {
	type sample struct {
		v   time.Duration
		ofA bool
	}
	var all []sample
	for _, v := range a {
		all = append(all, sample{v, true})
	}
	for _, v := range b {
		all = append(all, sample{v, false})
	}
	slices.SortFunc(all, func(x, y sample) int { return int(x.v - y.v) })
	rankA, ties := 0.0, 0.0
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].v == all[i].v {
			j++
		}
		rank, t := float64(i+j+1)/2, float64(j-i)
		ties += t*t*t - t
		for ; i < j; i++ {
			if all[i].ofA {
				rankA += rank
			}
		}
	}
	n1, n2 := float64(len(a)), float64(len(b))
	n := n1 + n2
	u := rankA - n1*(n1+1)/2
	sigma := math.Sqrt(n1 * n2 / 12 * (n + 1 - ties/(n*(n-1))))
	if sigma == 0 {
		return 1
	}
	return math.Erfc(math.Abs(u-n1*n2/2) / sigma / math.Sqrt2)
}

func median(d []time.Duration) time.Duration {
	return sorted(d)[len(d)/2]
}

func sorted(d []time.Duration) []time.Duration { return slices.Sorted(slices.Values(d)) }
