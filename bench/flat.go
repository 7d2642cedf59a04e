package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// flatSection compares a small database with a large one.
func flatSection(b *bench) error {
	for _, n := range []int{1000, *accounts} {
		name := fmt.Sprintf("flat-%d", n)
		s, err := startWatchword(name, "")
		if err != nil {
			return err
		}
		tokens, err := s.signInUsers(16)
		if err != nil {
			return err
		}
		s.stop()
		if err := s.insertAccounts(n); err != nil {
			return err
		}
		if err := s.waitUntilReady(); err != nil {
			return err
		}
		if n == 1000 {
			b.printHead("Flatness", "16 clients, SQLite, accounts with a password, a session and a refresh family each.")
		}
		b.printRow(fmt.Sprintf("refresh, %d accounts", n), b.measureCost(s.process, s.refreshes(tokens, *span)))
		b.printRow(fmt.Sprintf("`GET /api/v1/me`, %d accounts", n), b.measureCost(s.process, s.gets("/api/v1/me", tokens[0].Access)))
		request := postRequest(s.addr, "/api/v1/login", credentials(email(0), passphrase))
		b.printRow(fmt.Sprintf("login, %d accounts", n), b.measureCost(s.process, load{addr: s.addr, clients: 4, span: *span, next: func(int, int) []byte { return request }}))
		s.stop()
	}
	fmt.Println()
	return nil
}

// fill puts accounts into the database without the server.
func (s *server) insertAccounts(n int) error {
	ring, err := secret.NewKeyring(secret.Bytes(32)) // no sealed value is read
	if err != nil {
		return err
	}
	db, err := store.Open(context.Background(), store.Config{URL: "sqlite:" + filepath.Join(s.dir, "watchword.db"), Keyring: ring, Now: time.Now})
	if err != nil {
		return err
	}
	defer db.Close()
	const batch = 10_000
	for from := 0; from < n; from += batch {
		err := db.Write(context.Background(), auth.DefaultTenant, func(tx *store.Tx) error {
			for i := from; i < min(n, from+batch); i++ {
				if err := insertAccount(tx, i); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func insertAccount(tx *store.Tx, i int) error {
	address := fmt.Sprintf("crowd%d@example.test", i)
	id := auth.AccountID(secret.NewID(tx.Now))
	if err := tx.InsertAccount(auth.Account{ID: id, Email: auth.Email{Address: address, Login: address}, EmailVerifiedAt: tx.Now, CreatedAt: tx.Now, UpdatedAt: tx.Now}); err != nil {
		return err
	}
	if err := tx.SetPassword(id, "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"); err != nil {
		return err
	}
	session := auth.SessionID(secret.NewID(tx.Now))
	later := tx.Now.Add(24 * time.Hour)
	if err := tx.InsertSession(auth.Session{ID: session, Account: id, Client: auth.FirstParty, AuthAt: tx.Now, CreatedAt: tx.Now, SeenAt: tx.Now, IdleAt: later, ExpiresAt: later}); err != nil {
		return err
	}
	return tx.InsertFamily(auth.Family{ID: auth.FamilyID(secret.NewID(tx.Now)), Account: id, Client: auth.FirstParty, Session: session, Scope: auth.DefaultScope,
		Digest: secret.Digest(address), CreatedAt: tx.Now, RotatedAt: tx.Now, IdleAt: later, ExpiresAt: later})
}
