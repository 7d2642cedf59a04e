package password

import (
	"math"
	"strings"
	"unicode"
)

// thisCentury is the typical year in passwords; years close to it count as one of yearSpace.
const (
	thisCentury = 2025
	yearSpace   = 20
)

// sequencePieces finds runs such as "abcdef", "9753" and "zyx": at least three
// characters with one small step between neighbours.
func sequencePieces(pw []rune) []piece {
	var pieces []piece
	for from := 0; from+2 < len(pw); {
		step := pw[from+1] - pw[from]
		to := from + 2
		for to < len(pw) && pw[to]-pw[to-1] == step {
			to++
		}
		if step != 0 && step >= -5 && step <= 5 && to-from >= 3 {
			pieces = append(pieces, piece{from, to, sequenceStarts(pw[from], step) * float64(to-from)})
		}
		from = to - 1
	}
	return pieces
}

func sequenceStarts(first, step rune) float64 {
	starts := 26.0
	switch {
	case strings.ContainsRune("aAzZ019", first):
		starts = 4
	case unicode.IsDigit(first):
		starts = 10
	}
	if step < 0 {
		starts *= 2
	}
	return starts
}

// repeatPieces finds a part that is repeated several times in a row. The part itself is estimated without
// repeats.
func repeatPieces(pw []rune, known map[string]int) []piece {
	var pieces []piece
	for from := 0; from < len(pw); {
		period, to := longestRepeat(pw, from)
		if period == 0 {
			from++
			continue
		}
		base := guesses(pw[from:from+period], known, false)
		pieces = append(pieces, piece{from, to, base * float64((to-from)/period)})
		from = to
	}
	return pieces
}

// longestRepeat returns the shortest part that covers the most when it is repeated from there on, and the end
// of the repetition; zero if nothing is repeated.
func longestRepeat(pw []rune, from int) (period, to int) {
	for p := 1; from+2*p <= len(pw); p++ {
		end := from + p
		for end < len(pw) && pw[end] == pw[end-p] {
			end++
		}
		end -= (end - from) % p
		if end-from >= max(2*p, 3) && end > to {
			period, to = p, end
		}
	}
	return period, to
}

// keys are the keys of an American keyboard, unshifted and shifted, with the position of each row's first
// key in quarters of a key.
var keys = []struct {
	left           int
	plain, shifted string
}{
	{0, "`1234567890-=", "~!@#$%^&*()_+"},
	{6, `qwertyuiop[]\`, `QWERTYUIOP{}|`},
	{7, "asdfghjkl;'", `ASDFGHJKL:"`},
	{9, "zxcvbnm,./", "ZXCVBNM<>?"},
}

const (
	keyCount      = 47
	keyNeighbours = 4.6 // on average
)

type key struct {
	row, x  int // quarters of a key
	shifted bool
}

var keyOf = func() map[rune]key {
	m := make(map[rune]key)
	for row, r := range keys {
		for i, c := range r.plain {
			m[c] = key{row, r.left + 4*i, false}
		}
		for i, c := range r.shifted {
			m[c] = key{row, r.left + 4*i, true}
		}
	}
	return m
}()

// direction returns the side from which b touches a; zero if it does not.
func (a key) direction(b key) int {
	dy, dx := b.row-a.row, b.x-a.x
	switch {
	case dy == 0 && (dx == 4 || dx == -4):
		return dx
	case dy == 1 && dx > -4 && dx < 4:
		return 10 + min(max(dx, -1), 1)
	case dy == -1 && dx > -4 && dx < 4:
		return 20 + min(max(dx, -1), 1)
	}
	return 0
}

// keyboardPieces finds walks over neighbouring keys, such as "qwerty" and
// "1qaz2wsx".
func keyboardPieces(pw []rune) []piece {
	var pieces []piece
	for from := 0; from < len(pw)-2; {
		at, ok := keyOf[pw[from]]
		to, turns, last, shifted := from+1, 0, 0, 0
		if at.shifted {
			shifted++
		}
		for ok && to < len(pw) {
			next, known := keyOf[pw[to]]
			d := at.direction(next)
			if !known || d == 0 {
				break
			}
			if d != last {
				turns++
			}
			if next.shifted {
				shifted++
			}
			at, last, to = next, d, to+1
		}
		if to-from >= 3 {
			pieces = append(pieces, piece{from, to, walkGuesses(to-from, turns, shifted)})
		}
		from = max(to-1, from+1)
	}
	return pieces
}

// walkGuesses counts the walks of at most n keys with at most so many turns.
func walkGuesses(n, turns, shifted int) float64 {
	g := 0.0
	for length := 2; length <= n; length++ {
		for t := 1; t <= min(turns, length-1); t++ {
			g += binomial(length-1, t-1) * keyCount * math.Pow(keyNeighbours, float64(t))
		}
	}
	switch {
	case shifted == 0:
		return g
	case shifted == n:
		return 2 * g
	}
	return g * waysUpTo(shifted, n-shifted)
}

// datePieces finds years, and dates of six or eight digits or with separators.
func datePieces(pw []rune) []piece {
	var pieces []piece
	for from := range pw {
		for to := from + 4; to <= min(len(pw), from+10); to++ {
			if g := dateGuesses(pw[from:to]); g > 0 {
				pieces = append(pieces, piece{from, to, g})
			}
		}
	}
	return pieces
}

// dateGuesses returns zero if the text is not a date.
func dateGuesses(text []rune) float64 {
	var parts [3][]rune
	part := 0
	for i, r := range text {
		switch {
		case r >= '0' && r <= '9':
			parts[part] = append(parts[part], r)
		case strings.ContainsRune("-/._ \\", r) && i > 0 && part < 2:
			part++
		default:
			return 0
		}
	}
	switch {
	case part == 2:
		return 4 * dayGuesses(parts[0], parts[1], parts[2])
	case part == 1:
		return 0
	}
	d := parts[0]
	switch len(d) {
	case 4:
		if y := parseDigits(d); y >= 1900 && y < 2050 {
			return yearGuesses(y)
		}
	case 6:
		return dayGuesses(d[:2], d[2:4], d[4:])
	case 8:
		return max(dayGuesses(d[:2], d[2:4], d[4:]), dayGuesses(d[:4], d[4:6], d[6:]))
	}
	return 0
}

// dayGuesses accepts day, month and year in any usual order.
func dayGuesses(a, b, c []rune) float64 {
	for _, order := range [][3][]rune{{a, b, c}, {b, a, c}, {c, b, a}} {
		d, m, y := parseDigits(order[0]), parseDigits(order[1]), parseDigits(order[2])
		if len(order[0]) > 2 || len(order[1]) > 2 || d < 1 || d > 31 || m < 1 || m > 12 {
			continue
		}
		switch {
		case len(order[2]) == 2 && y < 50:
			y += 2000
		case len(order[2]) == 2:
			y += 1900
		}
		if y >= 1000 && y < 2050 {
			return 365 * yearGuesses(y)
		}
	}
	return 0
}

func yearGuesses(y int) float64 { return math.Max(math.Abs(float64(y-thisCentury)), yearSpace) }

// parseDigits returns the number of up to ten decimal digits, or zero.
func parseDigits(d []rune) int {
	n := 0
	for _, r := range d {
		n = n*10 + int(r-'0')
	}
	return n
}
