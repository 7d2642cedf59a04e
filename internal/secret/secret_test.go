package secret

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

func TestAttack_OP_07_random(t *testing.T) {
	t.Parallel()
	const n = 1_000_000
	seen := make(map[string]struct{}, n)
	var counts [64]int
	alphabet := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for range n {
		s := New("").Reveal()
		if _, dup := seen[s]; dup {
			t.Fatal("a secret was returned twice")
		}
		seen[s] = struct{}{}
		for i := range 8 { // whole sextets only: the last character has four bits
			counts[strings.IndexByte(alphabet, s[i])]++
		}
	}
	expected := float64(n) * 8 / 64
	chi := 0.0
	for _, c := range counts {
		chi += math.Pow(float64(c)-expected, 2) / expected
	}
	if chi > 140 { // 63 degrees of freedom: p < 1e-7
		t.Errorf("chi-square %.1f: the alphabet is not uniform", chi)
	}
}

func TestNewIDRisesAndIsUnique(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_700_000_000_000)
	last := ""
	for i := range 20_000 {
		if i == 10_000 {
			now = now.Add(-time.Hour) // the clock goes back
		}
		id := NewID(now)
		if id <= last {
			t.Fatalf("id %d: %s does not follow %s", i, id, last)
		}
		last = id
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	s := New("wwr_")
	for _, verb := range []string{"%s", "%v", "%+v", "%#v", "%q"} {
		if out := fmt.Sprintf(verb, s); strings.Contains(out, s.Reveal()) {
			t.Errorf("%s prints the secret", verb)
		}
	}
}

func TestValid(t *testing.T) {
	t.Parallel()
	good := New("wwl_").Reveal()
	if !Valid("wwl_", good) {
		t.Fatal("refuses its own")
	}
	for _, bad := range []string{"", "wwl_", good[:len(good)-1], good + "A", good + "=", "wwr_" + good[4:], good[:10] + "\n" + good[11:], good[:len(good)-1] + "B"} {
		if bad != good && Valid("wwl_", bad) && bad[len(bad)-1] != good[len(good)-1] {
			if _, err := Decode(bad[4:]); err != nil {
				t.Errorf("accepts %q", bad)
			}
		}
	}
	if Valid("wwl_", good[:10]+"\n"+good[11:]) || Valid("wwl_", good+"=") || Valid("wwl_", good[:46]) {
		t.Error("accepts an altered secret")
	}
}

func TestSealing(t *testing.T) {
	t.Parallel()
	oldKey, newKey := Bytes(32), Bytes(32)
	before, err := NewKeyring(oldKey)
	if err != nil {
		t.Fatal(err)
	}
	sealed := before.Seal("key t1/k1", []byte("private"))
	during, _ := NewKeyring(newKey, oldKey)
	after, _ := NewKeyring(newKey)

	if got, err := during.Open("key t1/k1", sealed); err != nil || !bytes.Equal(got, []byte("private")) {
		t.Errorf("the changing ring does not open old values: %v", err)
	}
	if during.Current(sealed) {
		t.Error("an old value counts as current")
	}
	if _, err := after.Open("key t1/k1", sealed); err == nil {
		t.Error("opens without the key")
	}
	if _, err := before.Open("key t2/k1", sealed); err == nil {
		t.Error("opens under another context")
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := before.Open("key t1/k1", bad); err == nil {
			t.Errorf("opens with byte %d altered", i)
		}
	}
}

func FuzzKeyringOpen(f *testing.F) {
	ring, _ := NewKeyring(bytes.Repeat([]byte{1, 2}, 16))
	f.Add(ring.Seal("c", []byte("x")))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		plain, err := ring.Open("other", b)
		if err == nil {
			t.Errorf("opened %x to %x", b, plain)
		}
	})
}
