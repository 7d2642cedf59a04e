package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// refreshes returns a load in which every client rotates its own refresh tokens.
func (s *server) refreshes(tokens []pair, span time.Duration) load {
	refreshTokens := make([]string, len(tokens))
	for i := range tokens {
		refreshTokens[i] = tokens[i].Refresh
	}
	return load{addr: s.addr, clients: len(tokens), span: span,
		next: func(client, _ int) []byte {
			return postRequest(s.addr, "/api/v1/refresh", `{"refresh_token":"`+refreshTokens[client]+`"}`)
		},
		check: func(client int, a response) error {
			var p pair
			if err := json.Unmarshal(a.body, &p); err != nil || a.status != http.StatusOK {
				return fmt.Errorf("status %d: %.200s", a.status, a.body)
			}
			refreshTokens[client] = p.Refresh
			return nil
		}}
}

func refreshSection(b *bench) error {
	lite, err := startWatchword("refresh-sqlite", "")
	if err != nil {
		return err
	}
	defer lite.stop()
	tokens, err := lite.signInUsers(64)
	if err != nil {
		return err
	}
	b.printHead("Refresh token rotation, durable before answered", "64 clients, each rotating its own chain; signing ES256.")
	b.printRow("SQLite, `synchronous=FULL`, group commit", b.measureCost(lite.process, lite.refreshes(tokens, *span)))
	if *postgres != "" {
		url, drop, err := newDatabase()
		if err != nil {
			return err
		}
		defer drop()
		pg, err := startWatchword("refresh-postgres", url)
		if err != nil {
			return err
		}
		defer pg.stop()
		tokens, err := pg.signInUsers(64)
		if err != nil {
			return err
		}
		b.printRow("PostgreSQL (CPU of the server only)", b.measureCost(pg.process, pg.refreshes(tokens, *span)))
	}
	if err := peerRefresh(b); err != nil {
		return err
	}
	fmt.Println()
	return groupCommit()
}

// groupCommit measures the effect of group commit with 64 writers in this process.
func groupCommit() error {
	rate := func(each bool) (float64, error) {
		ring, err := secret.NewKeyring(secret.Bytes(32))
		if err != nil {
			return 0, err
		}
		db, err := store.Open(context.Background(), store.Config{URL: "sqlite:" + filepath.Join(scratchDir, rand.Text(), "w.db"), Keyring: ring, Now: time.Now, DisableGroupCommit: each})
		if err != nil {
			return 0, err
		}
		defer db.Close()
		var wg sync.WaitGroup
		begun := time.Now()
		done := make([]int, 64)
		for i := range done {
			wg.Go(func() {
				for time.Since(begun) < *span/2 {
					if db.Write(context.Background(), "t", func(tx *store.Tx) error {
						return tx.Record(auth.Event{Kind: "bench", Actor: auth.System})
					}) == nil {
						done[i]++
					}
				}
			})
		}
		wg.Wait()
		total := 0
		for _, n := range done {
			total += n
		}
		return float64(total) / time.Since(begun).Seconds(), nil
	}
	each, err := rate(true)
	if err != nil {
		return err
	}
	grouped, err := rate(false)
	if err != nil {
		return err
	}
	fmt.Printf("64 writers on SQLite: %.0f durable writes/s with a commit for each, %.0f/s with group commit (%.1f ×).\n\n", each, grouped, grouped/each)
	return nil
}

// newDatabase creates a PostgreSQL database for one server.
func newDatabase() (dsn string, drop func(), err error) {
	db, err := sql.Open("pgx", *postgres)
	if err != nil {
		return "", nil, err
	}
	name := "ww_bench_" + strings.ToLower(rand.Text())
	if _, err := db.Exec("CREATE DATABASE " + name); err != nil {
		return "", nil, err
	}
	u, err := url.Parse(*postgres)
	if err != nil {
		return "", nil, err
	}
	u.Path = "/" + name
	return u.String(), func() {
		db.Exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)")
		db.Close()
	}, nil
}
