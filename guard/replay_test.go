package guard

import (
	"strconv"
	"testing"
	"time"
)

// requireInsert fails the test unless the result of insert is want.
func requireInsert(t *testing.T, s *replayCache, by string, p Proof, now time.Time, want bool) {
	t.Helper()
	if s.insert(holderOf(&Claims{Subject: by, ClientID: "app"}), p, now) != want {
		t.Fatalf("proof %s of %s with iat %v, sent at %v: accepted is %v", p.JTI, by, p.IssuedAt, now, !want)
	}
}

// One holder fills the cache with proofs by many keys that are a minute ahead. Proofs of
// other holders are accepted, with a clock that is behind, right or ahead.
func TestRepair_S16_OneHolderShutsOutNobody(t *testing.T) {
	t.Parallel()
	s := newReplayCache(1000, DefaultProofWindow+time.Second)
	for i := range 5000 {
		now := start.Add(time.Duration(i) * time.Millisecond)
		s.insert(holderOf(&Claims{Subject: "flood", ClientID: "app"}),
			Proof{JKT: strconv.Itoa(i % 97), JTI: strconv.Itoa(i), IssuedAt: now.Add(proofClockSkew)}, now)
		if len(s.proofs) > 1000 {
			t.Fatalf("%d proofs cached", len(s.proofs))
		}
		if i%500 != 0 {
			continue
		}
		for _, ahead := range []time.Duration{-2 * time.Second, 0, 30 * time.Second, 58 * time.Second} {
			p := Proof{JKT: "honest", JTI: strconv.Itoa(i) + ahead.String(), IssuedAt: now.Add(ahead)}
			requireInsert(t, s, "alice", p, now, true)
			requireInsert(t, s, "alice", p, now, false)
		}
	}
}

// An accepted proof is never accepted again, in a flood by one holder and by as many
// holders as the cache has entries.
func TestRepair_S16_NothingTwice(t *testing.T) {
	t.Parallel()
	for name, holders := range map[string]int{"one holder": 1, "ten": 10, "each its own": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newReplayCache(64, DefaultProofWindow+time.Second)
			type sentProof struct {
				by string
				p  Proof
			}
			var accepted []sentProof
			for i := range 400 {
				now := start.Add(time.Duration(i) * time.Second / 4)
				sent := sentProof{strconv.Itoa(i % holders), Proof{JKT: "k", JTI: strconv.Itoa(i), IssuedAt: now.Add(time.Duration(i%90-30) * time.Second)}}
				if s.insert(holderOf(&Claims{Subject: sent.by, ClientID: "app"}), sent.p, now) {
					accepted = append(accepted, sent)
				}
				for _, sent := range accepted {
					if now.Sub(sent.p.IssuedAt) <= DefaultProofWindow {
						requireInsert(t, s, sent.by, sent.p, now, false)
					}
				}
				if s.horizon > now.Unix() {
					t.Fatalf("the horizon is ahead of now by %d s", s.horizon-now.Unix())
				}
				if len(s.proofs) > 64 || len(s.holders) > 400 {
					t.Fatalf("%d proofs of %d holders cached", len(s.proofs), len(s.holders))
				}
			}
			if len(accepted) < 60 {
				t.Errorf("only %d of 400 accepted", len(accepted))
			}
		})
	}
}
