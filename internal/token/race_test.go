package token_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

const workers = 64

// together runs fn in n goroutines that a barrier releases at once.
func together(n int, fn func(i int)) {
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			fn(i)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
}

func rounds(short, long int) int {
	if testing.Short() {
		return short
	}
	return long
}

// TestAttack_RT_02 lets 64 workers on two nodes use one token at the same time.
func TestAttack_RT_02_ParallelRefresh(t *testing.T) {
	t.Run("grace", func(t *testing.T) {
		each(t, func(t *testing.T, h *fixture) {
			nodes := []*node{h.node, h.join()}
			ts := h.signIn()
			for round := range rounds(5, 50) {
				got := make([]string, workers)
				together(workers, func(i int) {
					out, err := nodes[i%2].refresh(t.Context(), ts.RefreshToken)
					if err != nil {
						t.Errorf("round %d: %v", round, err)
					}
					got[i] = out.RefreshToken
				})
				for _, g := range got {
					if g != got[0] {
						t.Fatalf("round %d: two different successors", round)
					}
				}
				if f := h.family(got[0]); f.Generation != int64(round)+1 {
					t.Fatalf("round %d: generation %d", round, f.Generation)
				}
				ts.RefreshToken = got[0]
			}
			for i, n := range nodes {
				if n.verdicts["reuse"]+n.verdicts["invalid"] > 0 {
					t.Errorf("node %d: %v", i, n.verdicts)
				}
			}
			h.requireRefresh(ts.RefreshToken)
		})
	})
	t.Run("no grace", func(t *testing.T) {
		t.Parallel()
		storetest.Each(t, func(t *testing.T, cfg store.Config) {
			h := newFixture(t, cfg)
			h.grace = 0
			nodes := []*node{h.join(), h.join()}
			for round := range rounds(5, 50) {
				ts := h.signIn()
				got := make([]string, workers)
				codes := make([]string, workers)
				together(workers, func(i int) {
					out, err := nodes[i%2].refresh(t.Context(), ts.RefreshToken)
					got[i], codes[i] = out.RefreshToken, codeOf(err)
				})
				won := 0
				for i := range workers {
					switch codes[i] {
					case "":
						won++
						h.requireRefused(got[i], "refresh_token_reused") // the family has ended
					case "refresh_token_reused":
					default:
						t.Errorf("round %d: refused with %q", round, codes[i])
					}
				}
				if won > 1 {
					t.Fatalf("round %d: %d workers got a successor", round, won)
				}
			}
			if n := len(h.events(auth.EventRefreshReused)); n != rounds(5, 50) {
				t.Errorf("%d audit lines for %d families", n, rounds(5, 50))
			}
		})
	})
}

// The model of a refresh family for porcupine: the results of one server that executes one
// operation at a time.
type (
	familyState struct {
		generation int64
		dead       bool
	}
	use     struct{ generation int64 } // of the token presented
	outcome struct {
		generation int64 // of the successor, if code is empty
		code       string
	}
)

func familyModel(grace bool) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return familyState{} },
		Step: func(state, input, output any) (bool, any) {
			s, in, out := state.(familyState), input.(use), output.(outcome)
			switch {
			case s.dead:
				return out.code == "refresh_token_reused", s
			case in.generation == s.generation:
				s.generation++
				return out == outcome{generation: s.generation}, s
			case grace && in.generation == s.generation-1:
				return out == outcome{generation: s.generation}, s
			default:
				s.dead = true
				return out.code == "refresh_token_reused", s
			}
		},
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v → %+v", in, out) },
	}
}

// history records the results of two nodes.
type history struct {
	mu    sync.Mutex
	begin time.Time
	ops   []porcupine.Operation
	known map[string]int64 // generation of each token seen
}

// use lets a node refresh and records call and return. A second token of one generation is a
// branch, and gets a number that no model accepts.
func (hi *history) use(ctx context.Context, t *testing.T, client int, n *node, raw string, generation int64) {
	call := time.Since(hi.begin).Nanoseconds()
	ts, err := n.refresh(ctx, raw)
	back := time.Since(hi.begin).Nanoseconds()
	out := outcome{code: codeOf(err)}
	hi.mu.Lock()
	defer hi.mu.Unlock()
	if err == nil {
		out.generation = generation + 1
		for token, g := range hi.known {
			if (g == out.generation) != (token == ts.RefreshToken) {
				out.generation = -1
			}
		}
		hi.known[ts.RefreshToken] = out.generation
	} else if out.code != "refresh_token_reused" {
		t.Errorf("refused with %v", err)
	}
	hi.ops = append(hi.ops, porcupine.Operation{ClientId: client, Input: use{generation}, Call: call, Output: out, Return: back})
}

// TestFault_FL_10 lets two nodes use the same token at the same instant, and its
// successor and predecessor right after, and checks with a model whether one server could
// have returned these results.
func TestFault_FL_10_TwoNodesOneToken(t *testing.T) {
	for grace, many := range map[time.Duration]int{grace: 1000, 0: 200} {
		t.Run("grace "+grace.String(), func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, cfg store.Config) {
				h := newFixture(t, cfg)
				h.grace = grace
				nodes := []*node{h.join(), h.join()}
				for round := range rounds(50, many) {
					first := h.signIn().RefreshToken
					hi := &history{begin: time.Now(), known: map[string]int64{first: 0}}
					together(2, func(i int) { hi.use(t.Context(), t, i, nodes[i], first, 0) })
					for token, g := range hi.known {
						if g == 1 {
							together(2, func(i int) { hi.use(t.Context(), t, i, nodes[i], token, 1) })
							break
						}
					}
					hi.use(t.Context(), t, 2, nodes[round%2], first, 0)
					if !porcupine.CheckOperations(familyModel(grace > 0), hi.ops) {
						t.Fatalf("round %d: no single server could return these results: %+v", round, hi.ops)
					}
				}
			})
		})
	}
}

// TestRefresh_ManyFamiliesAtOnce checks that concurrent refreshes of different families are
// independent.
func TestRefresh_ManyFamiliesAtOnce(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		nodes := []*node{h.node, h.join()}
		tokens := make([]string, 16)
		for i := range tokens {
			tokens[i] = h.signIn().RefreshToken
		}
		together(len(tokens), func(i int) {
			for range rounds(5, 20) {
				ts, err := nodes[i%2].refresh(t.Context(), tokens[i])
				if err != nil {
					t.Errorf("family %d: %v", i, err)
					return
				}
				tokens[i] = ts.RefreshToken
			}
		})
		for i, raw := range tokens {
			if f := h.family(raw); f.Generation != int64(rounds(5, 20)) || !f.RevokedAt.IsZero() {
				t.Errorf("family %d: %+v", i, f)
			}
		}
		want := map[string]int{"rotated": 8 * rounds(5, 20)}
		if d := cmp.Diff(want, nodes[1].verdicts); d != "" {
			t.Errorf("verdicts (-want +got):\n%s", d)
		}
	})
}
