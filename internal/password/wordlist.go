package password

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	_ "embed"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
)

// Each file has several lists, separated by an empty line. A list is ordered by frequency, in lowercase, one
// word on each line. words/NOTICE names their sources and licences.
var (
	//go:embed words/passwords.txt.gz
	passwordsGz []byte
	//go:embed words/words.txt.gz
	wordsGz []byte
)

// wordTable maps a word to its rank. It is a sorted array of 64-bit entries rather than a map of strings, which
// takes one megabyte instead of ten: 43 bits of hash, one bit for a common password, 20 bits of rank. One
// lookup in 10^8 finds a word that is not there, which makes a password seem weaker than it is.
type wordTable struct {
	seed    maphash.Seed
	entries []uint64
}

const (
	rankBits  = 20
	rankMask  = 1<<rankBits - 1
	commonBit = 1 << rankBits
	hashMask  = ^uint64(1<<(rankBits+1) - 1)
)

// words is built when the first password is checked, in some milliseconds. A server without registrations does
// not load it.
var words = sync.OnceValue(func() *wordTable {
	t := &wordTable{seed: maphash.MakeSeed(), entries: make([]uint64, 0, 1<<17)}
	t.load(passwordsGz, commonBit)
	t.load(wordsGz, 0)
	// The better rank of a word in both lists comes first and stays, with the bit of the common passwords.
	slices.SortFunc(t.entries, func(a, b uint64) int {
		return cmp.Or(cmp.Compare(a&hashMask, b&hashMask), cmp.Compare(a&rankMask, b&rankMask))
	})
	kept := t.entries[:1]
	for _, e := range t.entries[1:] {
		last := &kept[len(kept)-1]
		if e&hashMask == *last&hashMask {
			*last |= e & commonBit
			continue
		}
		kept = append(kept, e)
	}
	t.entries = slices.Clip(kept)
	return t
})

func (t *wordTable) load(gz []byte, mark uint64) {
	r, err := gzip.NewReader(bytes.NewReader(gz))
	if err != nil {
		panic("password: embedded word list: " + err.Error())
	}
	lines := bufio.NewScanner(r)
	for rank := uint64(1); lines.Scan(); rank++ {
		if len(lines.Bytes()) == 0 {
			rank = 0
			continue
		}
		t.entries = append(t.entries, t.hash(lines.Bytes())|mark|min(rank, rankMask))
	}
	if err := lines.Err(); err != nil {
		panic("password: embedded word list: " + err.Error())
	}
}

func (t *wordTable) hash(word []byte) uint64 { return maphash.Bytes(t.seed, word) & hashMask }

// find returns the rank of a lowercase word, or zero, and reports whether it is a common password.
func (t *wordTable) find(word []byte) (rank int, common bool) {
	h := t.hash(word)
	i, _ := slices.BinarySearch(t.entries, h)
	if i == len(t.entries) || t.entries[i]&hashMask != h {
		return 0, false
	}
	return int(t.entries[i] & rankMask), t.entries[i]&commonBit != 0
}

// isCommon reports whether pw, in any case, is in the built-in list.
func isCommon(pw string) bool {
	_, common := words().find([]byte(strings.ToLower(pw)))
	return common
}
