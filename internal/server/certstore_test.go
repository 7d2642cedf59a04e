package server

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
	"github.com/watchword-auth/watchword/internal/timer"
)

func TestCertStore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		ctx := t.Context()
		c := newCertStore(ctx, storetest.Open(t, cfg), timer.Source{})
		for _, key := range []string{"ca/users/a@b.test/a.json", "ca/users/a@b.test/a.key", "ca/users/c@d.test/c.key", "ca/users.txt"} {
			if err := c.Store(ctx, key, []byte(key)); err != nil {
				t.Fatal(err)
			}
		}
		if v, err := c.Load(ctx, "ca/users.txt"); string(v) != "ca/users.txt" || err != nil {
			t.Errorf("loaded %q, %v", v, err)
		}
		list := func(key string, recursive bool, want ...string) {
			t.Helper()
			if got, err := c.List(ctx, key, recursive); err != nil || !cmp.Equal(got, want) {
				t.Errorf("list %s: %v, %v", key, got, err)
			}
		}
		list("ca/users", false, "ca/users/a@b.test", "ca/users/c@d.test")
		list("ca/users", true, "ca/users/a@b.test/a.json", "ca/users/a@b.test/a.key", "ca/users/c@d.test/c.key")
		if info, err := c.Stat(ctx, "ca/users/a@b.test"); err != nil || info.IsTerminal || info.Modified.IsZero() {
			t.Errorf("folder: %+v, %v", info, err)
		}
		if info, err := c.Stat(ctx, "ca/users.txt"); err != nil || !info.IsTerminal || info.Size != 12 {
			t.Errorf("value: %+v, %v", info, err)
		}
		if err := errors.Join(c.Delete(ctx, "ca/users/a@b.test"), c.Delete(ctx, "none")); err != nil {
			t.Error(err)
		}
		list("ca/users", false, "ca/users/c@d.test")
		if c.Exists(ctx, "ca/users/a@b.test") || !c.Exists(ctx, "ca/users") || c.Exists(ctx, "ca/user") {
			t.Error("Exists is wrong")
		}
		for what, f := range map[string]func() error{
			"load": func() error { _, err := c.Load(ctx, "ca/users"); return err },
			"list": func() error { _, err := c.List(ctx, "ca/users.txt", true); return err },
			"stat": func() error { _, err := c.Stat(ctx, "none"); return err },
		} {
			if err := f(); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s of nothing: %v", what, err)
			}
		}
	})
}

func TestCertStoreLock(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		db := storetest.Open(t, cfg)
		a, b := newCertStore(t.Context(), db, timer.Source{}), newCertStore(t.Context(), db, timer.Source{})
		if err := a.Lock(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		for _, c := range []*certStore{a, b} { // not twice by one node either
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			if err := c.Lock(ctx, "x"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("locked twice: %v", err)
			}
			cancel()
		}
		got := make(chan error)
		go func() { got <- b.Lock(t.Context(), "x") }()
		if err := a.Unlock(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		if err := <-got; err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(b.Unlock(t.Context(), "x"), b.Unlock(t.Context(), "x")); err != nil {
			t.Error(err)
		}
	})
}
