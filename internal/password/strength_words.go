package password

import (
	"slices"
	"unicode"
	"unicode/utf8"
)

const (
	minWord = 3
	maxWord = 24
)

// leet maps a digit or sign to the letter that it replaces. The second letter, if any, is an alternative.
var leet = map[rune][2]rune{
	'4': {'a', 'a'}, '@': {'a', 'a'}, '8': {'b', 'b'}, '(': {'c', 'c'}, '{': {'c', 'c'}, '[': {'c', 'c'}, '<': {'c', 'c'},
	'3': {'e', 'e'}, '6': {'g', 'g'}, '9': {'g', 'g'}, '1': {'i', 'l'}, '!': {'i', 'l'}, '|': {'i', 'l'}, '0': {'o', 'o'},
	'$': {'s', 's'}, '5': {'s', 's'}, '+': {'t', 't'}, '7': {'t', 'l'}, '%': {'x', 'x'}, '2': {'z', 'z'},
}

// spelling is a reading of a whole password: lowercase, with one choice of letters for digits, or backwards.
// Offsets are of bytes, by rune.
type spelling struct {
	text    []byte
	offsets []int
}

func newSpelling(pw []rune, read func(i int) rune) spelling {
	s := spelling{offsets: make([]int, 0, len(pw)+1)}
	for i := range pw {
		s.offsets = append(s.offsets, len(s.text))
		s.text = utf8.AppendRune(s.text, read(i))
	}
	s.offsets = append(s.offsets, len(s.text))
	return s
}

func (s spelling) word(from, to int) []byte { return s.text[s.offsets[from]:s.offsets[to]] }

// wordPieces finds dictionary words, common passwords and context words in any case, with digits for letters,
// or backwards. It tries only four fixed readings, so the work does not depend on the number of possible
// substitutions.
func wordPieces(pw []rune, known map[string]int) []piece {
	n := len(pw)
	lower := make([]rune, n)
	for i, r := range pw {
		lower[i] = unicode.ToLower(r)
	}
	leetRead := func(variant int) func(int) rune {
		return func(i int) rune {
			if l, ok := leet[lower[i]]; ok {
				return l[variant]
			}
			return lower[i]
		}
	}
	plain := newSpelling(pw, func(i int) rune { return lower[i] })
	backwards := newSpelling(pw, func(i int) rune { return lower[n-1-i] })
	leets := []spelling{newSpelling(pw, leetRead(0)), newSpelling(pw, leetRead(1))}

	var pieces []piece
	for from := range n {
		for to := from + minWord; to <= min(n, from+maxWord); to++ {
			found := func(word []byte, factor float64) {
				if rank := rankOf(word, known); rank > 0 {
					pieces = append(pieces, piece{from, to, float64(rank) * factor * caseGuesses(pw[from:to])})
				}
			}
			found(plain.word(from, to), 1)
			found(backwards.word(n-to, n-from), 2)
			if factor := leetGuesses(lower[from:to]); factor > 1 {
				found(leets[0].word(from, to), factor)
				found(leets[1].word(from, to), factor)
			}
		}
	}
	return pieces
}

func rankOf(word []byte, known map[string]int) int {
	rank, _ := words().find(word)
	if k := known[string(word)]; k > 0 && (rank == 0 || k < rank) {
		return k
	}
	return rank
}

// caseGuesses counts the ways to capitalise a word like this one.
func caseGuesses(word []rune) float64 {
	upper, lower := 0, 0
	for _, r := range word {
		switch {
		case unicode.IsUpper(r):
			upper++
		case unicode.IsLower(r):
			lower++
		}
	}
	switch {
	case upper == 0:
		return 1
	case lower == 0, upper == 1 && (unicode.IsUpper(word[0]) || unicode.IsUpper(word[len(word)-1])):
		return 2
	}
	return waysUpTo(upper, lower)
}

// leetGuesses counts the ways to substitute as many signs as in this word; one means none.
func leetGuesses(word []rune) float64 {
	var signs []rune
	for _, r := range word {
		if _, ok := leet[r]; ok && !slices.Contains(signs, r) {
			signs = append(signs, r)
		}
	}
	ways := 1.0
	for range signs {
		ways *= 2
	}
	return ways
}

// waysUpTo counts the ways to pick at most min(a, b) of a+b places.
func waysUpTo(a, b int) float64 {
	ways := 0.0
	for i := 1; i <= min(a, b); i++ {
		ways += binomial(a+b, i)
	}
	return ways
}
