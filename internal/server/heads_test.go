package server

import (
	"math/rand/v2"
	"strings"
	"testing"
)

const (
	validGet  = "GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: " + "0123456789012345678901234567890123456789012345678901234567890123456789" + "\r\n\r\n"
	validPost = "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nbody\n\n a: b"
)

// TestAttack_HT_04_heads parses valid and invalid heads in pieces of every size: the result must not depend on
// the pieces.
func TestAttack_HT_04_heads(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in   string
		good int // -1: all
	}{
		"one":                   {validGet, -1},
		"pipelined":             {validGet + validPost + validGet, -1},
		"empty line before":     {"\r\n" + validGet, -1},
		"body that looks bad":   {validPost + validPost, -1},
		"chunked ends it":       {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\n\n\n x\n", -1},
		"bare LF, request line": {"GET / HTTP/1.1\nHost: x\r\n\r\n", len("GET / HTTP/1.1")},
		"bare LF, field":        {"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", len("GET / HTTP/1.1\r\nHost: x")},
		"bare LF, end":          {"GET / HTTP/1.1\r\nHost: x\r\n\n", len("GET / HTTP/1.1\r\nHost: x\r\n")},
		"folded":                {"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", len("GET / HTTP/1.1\r\nA: b\r\n c\r")},
		"folded by a tab":       {"GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n", len("GET / HTTP/1.1\r\nA: b\r\n\tc\r")},
		"length and coding":     {"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", len("POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r")},
		"coding and length":     {"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\nCONTENT-LENGTH: 3\r\n\r\n", len("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\nCONTENT-LENGTH: 3\r")},
		"two lengths":           {"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", len("POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r")},
		"two codings":           {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", len("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r")},
		"signed length":         {"POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\n", len("POST / HTTP/1.1\r\nContent-Length: +3\r")},
		"list of lengths":       {"POST / HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\n", len("POST / HTTP/1.1\r\nContent-Length: 3, 3\r")},
		"endless length":        {"POST / HTTP/1.1\r\nContent-Length: " + strings.Repeat("0", 80) + "3\r\n\r\n", len("POST / HTTP/1.1\r\nContent-Length: \r") + 81},
		"after a good one":      {validPost + "GET / HTTP/1.1\n\n", len(validPost) + len("GET / HTTP/1.1")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := c.good
			if want < 0 {
				want = len(c.in)
			}
			for size := range 40 {
				if got := countValid([]byte(c.in), func() int { return size + 1 }); got != want {
					t.Fatalf("in pieces of %d: %d bytes are valid, want %d", size+1, got, want)
				}
			}
			if got := countValid([]byte(c.in), func() int { return 1 << 16 }); got != want {
				t.Fatalf("at once: %d bytes are valid, want %d", got, want)
			}
		})
	}
}

// countValid returns how many bytes of the stream are valid.
func countValid(in []byte, size func() int) int {
	var h headReader
	good := 0
	for len(in) > 0 {
		n := min(size(), len(in))
		g := h.read(in[:n])
		good += g
		if g < n {
			break
		}
		in = in[n:]
	}
	return good
}

// FuzzHeads: the result does not depend on the pieces.
func FuzzHeads(f *testing.F) {
	f.Add([]byte(validGet+validPost), uint64(1))
	f.Add([]byte("POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"), uint64(2))
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		whole, pieces := countValid(in, func() int { return len(in) }), countValid(in, func() int { return 1 + r.IntN(20) })
		if whole != pieces {
			t.Fatalf("%q: %d bytes at once, %d in pieces", in, whole, pieces)
		}
	})
}

func BenchmarkHeads(b *testing.B) {
	var h headReader
	in := []byte(validGet + validPost)
	for b.Loop() {
		if h.read(in) != len(in) {
			b.Fatal("not good")
		}
	}
}
