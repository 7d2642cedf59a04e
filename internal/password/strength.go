package password

import (
	"math"
	"slices"
)

// The estimator follows zxcvbn (D. Wheeler, "zxcvbn: Low-Budget Password Strength Estimation", USENIX
// Security 2016). It finds the guessable pieces of a password, then the division into pieces that costs an
// attacker the fewest guesses. It is written here because the work must be bounded for every input, and
// because word tables must not be built at program start.

// strengthRunes is the length that is estimated. A longer password is strong enough, and the search is
// quadratic.
const strengthRunes = 72

// maxPieces bounds the pieces of one cut. Each further piece multiplies the
// guesses by pieceCost, so four are beyond the best score already.
const (
	maxPieces = 4
	pieceCost = 1e4
)

// piece is a guessable part pw[from:to) of a password.
type piece struct {
	from, to int
	guesses  float64
}

// strength estimates how hard a normalised password is to guess for an attacker who knows the words of
// context: 0 under 10^3 guesses, 1 under 10^6, 2 under 10^8, 3 under 10^10, 4 otherwise. It takes about a
// millisecond at most.
func strength(normal string, context []string) int {
	runes := []rune(normal)
	runes = runes[:min(len(runes), strengthRunes)]
	known := make(map[string]int, len(context))
	for i, w := range context {
		known[w] = i + 1
	}
	g := guesses(runes, known, true)
	for score, limit := range []float64{1e3, 1e6, 1e8, 1e10} {
		// zxcvbn's margin: exactly 10^8 brute-force guesses are eight random characters, which must count as just
		// below.
		if g < limit+5 {
			return score
		}
	}
	return 4
}

// guesses returns the number of guesses of the cheapest division of pw.
func guesses(pw []rune, known map[string]int, repeats bool) float64 {
	if len(pw) == 0 {
		return 1
	}
	pieces := slices.Concat(wordPieces(pw, known), sequencePieces(pw), keyboardPieces(pw), datePieces(pw))
	if repeats {
		pieces = append(pieces, repeatPieces(pw, known)...)
	}
	for i, p := range pieces {
		pieces[i].guesses = max(p.guesses, leastGuesses(p.to-p.from, len(pw)))
	}
	return cheapestCut(pw, pieces)
}

// leastGuesses is the minimum of guesses for a piece that is not the whole password.
func leastGuesses(n, whole int) float64 {
	switch {
	case n == whole:
		return 1
	case n == 1:
		return 10
	}
	return 50
}

// cheapestCut returns the least l!·product + pieceCost^(l-1) over all divisions into l pieces, with the rest
// filled by brute force. The pieces may come in any order, and an attacker tries simpler structures first.
func cheapestCut(pw []rune, pieces []piece) float64 {
	n := len(pw)
	slices.SortFunc(pieces, func(a, b piece) int { return a.to - b.to })
	// product[k][l] is the least product of l pieces that cover pw[:k).
	product := make([][maxPieces + 1]float64, n+1)
	for k := range product {
		for l := range product[k] {
			product[k][l] = math.Inf(1)
		}
	}
	product[0][0] = 1
	for k, next := 1, 0; k <= n; k++ {
		use := func(p piece) {
			for l := 1; l <= maxPieces; l++ {
				product[k][l] = min(product[k][l], product[p.from][l-1]*p.guesses)
			}
		}
		for ; next < len(pieces) && pieces[next].to == k; next++ {
			use(pieces[next])
		}
		for from := range k {
			use(piece{from, k, bruteForce(k-from, n)})
		}
	}
	best, orders, structures := math.Inf(1), 1.0, 1.0
	for l := 1; l <= maxPieces; l++ {
		orders *= float64(l)
		best = min(best, orders*product[n][l]+structures)
		structures *= pieceCost
	}
	return best
}

// bruteForce counts ten possibilities for each character. That is low on purpose: a found pattern must win
// over brute force unless it is really worse.
func bruteForce(n, whole int) float64 {
	return max(math.Pow(10, float64(n)), leastGuesses(n, whole)+1)
}

// binomial returns the binomial coefficient.
func binomial(n, k int) float64 {
	if k < 0 || k > n {
		return 0
	}
	c := 1.0
	for i := 1; i <= k; i++ {
		c = c * float64(n-k+i) / float64(i)
	}
	return c
}
