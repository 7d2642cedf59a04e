package server

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/timer"
)

// certStore is the storage of certmagic in the database: certificates with their keys, the
// account at the authority, and pending challenges. So every node has every certificate, any node
// can respond to a challenge, and only one node at a time orders a certificate. All values are
// sealed under the master key.
type certStore struct {
	timers timer.Source
	db     *store.DB
	ctx    context.Context // of the running server; leases end with it
	mu     sync.Mutex
	held   map[string]lease // owned by mu: by name of the lock
}

// lease is a lock that expires when its node has died.
type lease struct {
	holder string
	stop   context.CancelFunc // ends its renewal
}

const (
	certRoot     = "acme/"     // prefix of all names
	leaseTime    = time.Minute // how long a dead node blocks the others
	leaseRenewal = leaseTime / 4
	leasePoll    = time.Second
)

func newCertStore(ctx context.Context, db *store.DB, timers timer.Source) *certStore {
	return &certStore{db: db, timers: timers, ctx: ctx, held: map[string]lease{}}
}

// Lock waits until it holds the lock, even while the database is unavailable.
func (c *certStore) Lock(ctx context.Context, name string) error {
	holder := secret.Encode(secret.Bytes(16))
	for !c.lease(ctx, name, holder) {
		if err := c.timers.Sleep(ctx, leasePoll); err != nil {
			return err
		}
	}
	renewing, stop := context.WithCancel(c.ctx)
	c.mu.Lock()
	c.held[name] = lease{holder, stop}
	c.mu.Unlock()
	go func() {
		for c.timers.Sleep(renewing, leaseRenewal) == nil {
			c.lease(renewing, name, holder)
		}
	}()
	return nil
}

func (c *certStore) lease(ctx context.Context, name, holder string) (got bool) {
	err := c.db.WriteSystem(ctx, func(tx *store.SystemTx) (err error) {
		got, err = tx.AcquireLease(certRoot+name, holder, tx.Now.Add(leaseTime))
		return err
	})
	return got && err == nil
}

// Unlock releases the lock.
func (c *certStore) Unlock(ctx context.Context, name string) error {
	c.mu.Lock()
	l, ok := c.held[name]
	delete(c.held, name)
	c.mu.Unlock()
	if !ok {
		return nil
	}
	l.stop()
	return c.db.WriteSystem(ctx, func(tx *store.SystemTx) error { return tx.ReleaseLease(certRoot+name, l.holder) })
}

// Store stores the value of a key.
func (c *certStore) Store(ctx context.Context, key string, value []byte) error {
	return c.db.WriteSystem(ctx, func(tx *store.SystemTx) error { return tx.PutSealed(certRoot+key, value) })
}

// Load returns the value of a key, or fs.ErrNotExist.
func (c *certStore) Load(ctx context.Context, key string) (value []byte, err error) {
	err = c.db.ReadSystem(ctx, func(tx *store.SystemTx) (err error) {
		value, err = tx.Sealed(certRoot + key)
		return err
	})
	if errors.Is(err, auth.ErrNotFound) {
		return nil, fs.ErrNotExist
	}
	return value, err
}

// Delete deletes a key and all keys below it.
func (c *certStore) Delete(ctx context.Context, key string) error {
	return c.db.WriteSystem(ctx, func(tx *store.SystemTx) error { return tx.DeleteSealed(certRoot + key) })
}

// Exists reports whether there is a value at a key or below it.
func (c *certStore) Exists(ctx context.Context, key string) bool {
	_, err := c.Stat(ctx, key)
	return err == nil
}

// List returns the keys directly below a key, or with recursive all of them.
func (c *certStore) List(ctx context.Context, key string, recursive bool) (keys []string, err error) {
	found, err := c.below(ctx, key)
	for _, f := range found {
		name := strings.TrimPrefix(f.Name, certRoot)
		if first, _, deeper := strings.Cut(name[len(key)+1:], "/"); deeper && !recursive {
			name = path.Join(key, first)
		}
		if len(keys) == 0 || keys[len(keys)-1] != name {
			keys = append(keys, name)
		}
	}
	return keys, err
}

func (c *certStore) below(ctx context.Context, key string) (found []store.SealedEntry, err error) {
	err = c.db.ReadSystem(ctx, func(tx *store.SystemTx) (err error) {
		found, err = tx.SealedUnder(certRoot + key)
		return err
	})
	if err == nil && len(found) == 0 {
		err = fs.ErrNotExist
	}
	return found, err
}

// Stat describes a value, or a folder, whose time is that of its newest value.
func (c *certStore) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	info := certmagic.KeyInfo{Key: key}
	value, err := c.Load(ctx, key)
	if err == nil {
		info.Size, info.IsTerminal = int64(len(value)), true
		return info, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return info, err
	}
	found, err := c.below(ctx, key)
	for _, f := range found {
		if f.PutAt.After(info.Modified) {
			info.Modified = f.PutAt
		}
	}
	return info, err
}
