package secret_test

import (
	"bytes"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/watchword-auth/watchword/internal/secret"
)

// The random bytes of tokens, identifiers, seals and pauses come from one source, which
// a simulation can replace.
func TestOneSourceOfRandomness(t *testing.T) {
	ring, err := secret.NewKeyring(bytes.Repeat([]byte{1, 2}, 16))
	if err != nil {
		t.Fatal(err)
	}
	draw := func() string {
		cryptotest.SetGlobalRandom(t, 7)
		id := secret.NewID(time.Now()) // of which the second half is random
		return secret.New("x_").Reveal() + id[24:] + secret.Encode(ring.Seal("c", []byte("p"))) + secret.Jitter(time.Hour).String()
	}

	if first, second := draw(), draw(); first != second {
		t.Errorf("%s\n%s", first, second)
	}
}

func TestJitterIsBelowItsBound(t *testing.T) {
	t.Parallel()
	for range 1000 {
		if d := secret.Jitter(10); d < 0 || d >= 10 {
			t.Fatalf("Jitter(10) is %d", d)
		}
	}
	if d := secret.Jitter(0); d != 0 {
		t.Errorf("Jitter(0) is %d", d)
	}
}
