package main

import (
	"math"
	"testing"
	"time"
)

func ms(v ...float64) []time.Duration {
	out := make([]time.Duration, len(v))
	for i, x := range v {
		out[i] = time.Duration(x * float64(time.Millisecond))
	}
	return out
}

func TestMannWhitney(t *testing.T) {
	t.Parallel()
	same := ms(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)
	if p := mannWhitney(same, same); math.Abs(p-1) > 1e-9 {
		t.Errorf("a sample against itself: p = %v", p)
	}
	var later []time.Duration
	for _, v := range same {
		later = append(later, v+15*time.Millisecond)
	}
	if p := mannWhitney(same, later); p > 1e-5 {
		t.Errorf("clearly later: p = %v", p)
	}
	// U = 3: z = (3 - 12.5) / sqrt(5*5*11/12) = -1.984, two-sided p = 0.0472.
	if p := mannWhitney(ms(1, 2, 3, 5, 7), ms(4, 6, 8, 9, 10)); math.Abs(p-0.0472) > 0.0001 {
		t.Errorf("worked example: p = %v", p)
	}
	if p := mannWhitney(ms(1, 1, 1), ms(1, 1, 1)); p != 1 {
		t.Errorf("nothing but ties: p = %v", p)
	}
}
