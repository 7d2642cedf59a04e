package token_test

import (
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
	"github.com/watchword-auth/watchword/internal/token"
)

// bench runs fn on each configured database.
func bench(b *testing.B, fn func(b *testing.B, h *fixture)) {
	b.Run("sqlite", func(b *testing.B) {
		fn(b, newFixture(b, storetest.SQLiteConfig(b)))
	})
	if os.Getenv("WATCHWORD_TEST_POSTGRES") != "" {
		b.Run("postgres", func(b *testing.B) {
			fn(b, newFixture(b, store.Config{URL: storetest.Postgres(b), Keyring: storetest.Keyring(b), Connections: 8}))
		})
	}
}

// cpu reports the processor time of this process for each operation, which other processes do
// not change.
func cpu(b *testing.B) func() {
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	return func() { b.ReportMetric(float64((used()-before).Nanoseconds())/1000/float64(b.N), "cpu-µs/op") }
}

// BenchmarkRefresh rotates chains of tokens, one for each concurrent client.
func BenchmarkRefresh(b *testing.B) {
	bench(b, func(b *testing.B, h *fixture) {
		for _, clients := range []int{1, 64} {
			b.Run(strconv.Itoa(clients), func(b *testing.B) {
				var left atomic.Int64
				chains := make([]string, clients)
				for i := range chains {
					chains[i] = h.signIn().RefreshToken
				}
				left.Store(int64(b.N))
				b.ReportAllocs()
				b.ResetTimer()
				defer cpu(b)()
				together(clients, func(i int) {
					for left.Add(-1) >= 0 {
						ts, err := h.refresh(b.Context(), chains[i])
						if err != nil {
							b.Error(err)
							return
						}
						chains[i] = ts.RefreshToken
					}
				})
			})
		}
	})
}

// BenchmarkVerify measures the verification in each request to the server's own API.
func BenchmarkVerify(b *testing.B) {
	bench(b, func(b *testing.B, h *fixture) {
		ts := h.signIn()
		b.ReportAllocs()
		defer cpu(b)()
		for b.Loop() {
			if err := h.verify(ts.AccessToken); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkMachine issues a token of a machine, which is little more than a signature.
func BenchmarkMachine(b *testing.B) {
	bench(b, func(b *testing.B, h *fixture) {
		b.ReportAllocs()
		defer cpu(b)()
		for b.Loop() {
			var d token.Draft
			err := h.db.Read(b.Context(), auth.DefaultTenant, func(tx *store.Tx) (err error) {
				d, err = h.tokens.Start(tx, auth.Grant{Client: other, Scope: auth.Scope{"orders:read"}})
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
			if _, err := h.tokens.Finish(b.Context(), d); err != nil {
				b.Fatal(err)
			}
		}
	})
}
