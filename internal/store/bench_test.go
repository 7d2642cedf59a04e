package store_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// BenchmarkWrite compares durable writes of 64 callers with and without group
// commit.
func BenchmarkWrite(b *testing.B) {
	for _, single := range []bool{false, true} {
		b.Run(fmt.Sprintf("single=%v", single), func(b *testing.B) {
			cfg := testConfig(b, storetest.SQLite(b))
			cfg.DisableGroupCommit = single
			db := open(b, cfg)
			var n atomic.Int64
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := write(b.Context(), db, func(tx *store.Tx) error {
						return tx.InsertSingleUse(newLink(fmt.Sprint(n.Add(1)), tx.Now))
					}); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkRead measures a transaction that reads one row.
func BenchmarkRead(b *testing.B) {
	db := open(b, testConfig(b, storetest.SQLite(b)))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := db.Read(b.Context(), auth.DefaultTenant, func(tx *store.Tx) error { _, err := tx.CurrentTenant(); return err }); err != nil {
				b.Error(err)
			}
		}
	})
}
