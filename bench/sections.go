package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/password"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// refreshing rotates: every client keeps its own chain going.
func (s *server) refreshing(tokens []pair, span time.Duration) load {
	mine := make([]string, len(tokens))
	for i := range tokens {
		mine[i] = tokens[i].Refresh
	}
	return load{addr: s.addr, clients: len(tokens), span: span,
		next: func(client, _ int) []byte {
			return post(s.addr, "/api/v1/refresh", `{"refresh_token":"`+mine[client]+`"}`)
		},
		seen: func(client int, a answer) error {
			var p pair
			if err := json.Unmarshal(a.body, &p); err != nil || a.status != http.StatusOK {
				return fmt.Errorf("status %d: %.200s", a.status, a.body)
			}
			mine[client] = p.Refresh
			return nil
		}}
}

func refreshSection(b *bench) error {
	lite, err := startWatchword("refresh-sqlite", "")
	if err != nil {
		return err
	}
	defer lite.stop()
	tokens, err := lite.people(64)
	if err != nil {
		return err
	}
	b.head("Refresh token rotation, durable before answered", "64 clients, each rotating its own chain; signing ES256.")
	b.row("SQLite, `synchronous=FULL`, group commit", b.cost(lite.process, lite.refreshing(tokens, *span)))
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
		tokens, err := pg.people(64)
		if err != nil {
			return err
		}
		b.row("PostgreSQL (CPU of ours only)", b.cost(pg.process, pg.refreshing(tokens, *span)))
	}
	fmt.Println()
	return groupCommit()
}

// groupCommit shows what sharing a sync is worth, with 64 writers in this process.
func groupCommit() error {
	rate := func(each bool) (float64, error) {
		ring, err := secret.NewKeyring(secret.Bytes(32))
		if err != nil {
			return 0, err
		}
		db, err := store.Open(context.Background(), store.Config{URL: "sqlite:" + filepath.Join(scratch, rand.Text(), "w.db"), Keyring: ring, OneCommitEach: each})
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

func loginSection(b *bench) error {
	s, err := startWatchword("login", "")
	if err != nil {
		return err
	}
	defer s.stop()
	if err := s.person(email(0)); err != nil {
		return err
	}
	request := post(s.addr, "/api/v1/login", credentials(email(0), passphrase))
	b.head("Password login", "4 clients.")
	ours := b.cost(s.process, load{addr: s.addr, clients: 4, span: *span, next: func(int, int) []byte { return request }})
	b.row("Argon2id 19 MiB, t=2, p=1", ours)
	f, err := startFlask()
	if err != nil {
		return err
	}
	defer f.stop()
	request2 := post(f.addr, "/login", credentials("alice@example.test", passphrase))
	b.row("Flask + Werkzeug scrypt, gunicorn with 2 workers", b.cost(f, load{addr: f.addr, clients: 4, span: *span, next: func(int, int) []byte { return request2 }}))
	hash, err := hashCPU()
	if err != nil {
		return err
	}
	fmt.Printf("\nOne Argon2id hash alone, twice at a time in this process: %s of CPU; a login spends %.0f %% of its CPU there.\n\n", show(hash), min(100, 100*float64(hash)/float64(ours.cpu)))
	return nil
}

// hashCPU is the processor time of one hash of the default parameters, measured
// like the logins: two at a time.
func hashCPU() (time.Duration, error) {
	h, err := password.New(password.Config{Now: time.Now})
	if err != nil {
		return 0, err
	}
	before, err := cpuOf(os.Getpid())
	if err != nil {
		return 0, err
	}
	const n = 60
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range n / 2 {
				h.Hash(context.Background(), passphrase)
			}
		})
	}
	wg.Wait()
	after, err := cpuOf(os.Getpid())
	return (after - before) / n, err
}

// class is one kind of refusal whose time is compared with others.
type class struct {
	name   string
	status int
	who    func(i int) string // whose password is guessed
	times  []time.Duration
}

// timingSection shows whether the time of a refusal tells who exists.
func timingSection(b *bench) error {
	fmt.Print("### Does a refusal tell who exists?\n\nLogins of each class, interleaved on one connection; each class is compared with the first of its table.\n\n")
	if err := refusals("timing", settings, []*class{
		{name: "wrong password", status: 401, who: func(int) string { return "known" }},
		{name: "unknown account", status: 401, who: func(i int) string { return fmt.Sprint("nobody", i) }},
		{name: "disabled account", status: 401, who: func(int) string { return "disabled" }},
	}); err != nil {
		return err
	}
	return refusals("throttled", throttling, []*class{
		{name: "locked account", status: 429, who: func(int) string { return "known" }},
		{name: "locked unknown account", status: 429, who: func(int) string { return "nobody" }},
	})
}

// throttling keeps the real limit of an account, lifts that of the address, and
// makes locks last.
const throttling = `
access_log: false
limits:
  login: {ip: 1000000/1s, account: 3/10h}
  register: {ip: 1000000/1s, account: 1000000/1s}
  refresh: {ip: 1000000/1s, credential: 1000000/1s}
`

func refusals(name, config string, classes []*class) error {
	s, err := startConfigured(name, "", config)
	if err != nil {
		return err
	}
	defer s.stop()
	var c conn
	defer c.close()
	ask := func(who string) (answer, error) {
		return c.ask(s.addr, post(s.addr, "/api/v1/login", credentials(who+"@example.test", "not-the-password-9")))
	}
	for _, who := range []string{"known@example.test", "disabled@example.test"} {
		if err := s.person(who); err != nil {
			return err
		}
	}
	if _, err := pipe("", s.env, *binary, "user", "disable", "disabled@example.test"); err != nil {
		return err
	}
	for range 5 { // locks what can be locked, warms the rest
		for _, class := range classes {
			if _, err := ask(class.who(0)); err != nil {
				return err
			}
		}
	}
	const rounds = 300
	for i := range rounds {
		for k := range classes {
			class := classes[(i+k)%len(classes)] // no class always follows the same one
			a, err := ask(class.who(i + 1))
			if err != nil || a.status != class.status {
				return fmt.Errorf("%s: status %d, %w", class.name, a.status, err)
			}
			class.times = append(class.times, a.took)
		}
	}
	fmt.Println("| class | answer | median | p5 | p95 | Mann-Whitney p | median difference |\n|---|---:|---:|---:|---:|---:|---:|")
	for _, class := range classes {
		r := result{times: sorted(class.times)}
		p := mannWhitney(classes[0].times, class.times)
		diff := float64(median(class.times)-median(classes[0].times)) / float64(median(classes[0].times))
		fmt.Printf("| %s | %d | %s | %s | %s | %.3f | %+.2f %% |\n", class.name, class.status, show(median(class.times)), show(r.quantile(.05)), show(r.quantile(.95)), p, 100*diff)
	}
	fmt.Println()
	return nil
}

// stormSection floods the server with logins and watches what else still works.
func stormSection(b *bench) error {
	const crowd = 10_000
	s, err := startWatchword("storm", "")
	if err != nil {
		return err
	}
	defer s.stop()
	tokens, err := s.people(4)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	var storm, calm result
	var statuses sync.Map
	request := post(s.addr, "/api/v1/login", credentials(email(0), passphrase))
	wg.Go(func() {
		storm = load{addr: s.addr, clients: crowd, span: 10 * time.Second, most: 1, next: func(int, int) []byte { return request },
			seen: func(_ int, a answer) error {
				n, _ := statuses.LoadOrStore(a.status, new(counter))
				n.(*counter).add()
				return nil
			}}.run()
	})
	wg.Go(func() { calm = s.refreshing(tokens, 3*time.Second).run() })
	wg.Wait()
	_, peak := s.rss()
	fmt.Printf("### %d logins at once\n\nAnswers:", crowd)
	statuses.Range(func(k, v any) bool { fmt.Printf(" %d × %v,", v.(*counter).n, k); return true })
	fmt.Printf(" %d connections failed. All answered within %s (p99 %s). Refreshes meanwhile: %d, %d failed, p50 %s, p99 %s. Highest memory of the server: %d MiB.\n\n",
		storm.failed, show(storm.quantile(1)), show(storm.quantile(.99)), calm.requests, calm.failed, show(calm.quantile(.5)), show(calm.quantile(.99)), peak>>20)
	return nil
}

type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) add() { c.mu.Lock(); c.n++; c.mu.Unlock() }

// startSection measures cold start on an existing database, and memory.
func startSection(b *bench) error {
	s, err := startWatchword("start", "")
	if err != nil {
		return err
	}
	tokens, err := s.people(16)
	if err != nil {
		return err
	}
	s.stop()
	var times []time.Duration
	for range 15 {
		begun := time.Now()
		if err := s.upAnswering(); err != nil {
			return err
		}
		times = append(times, time.Since(begun))
		s.stop()
	}
	if err := s.up(); err != nil {
		return err
	}
	defer s.stop()
	time.Sleep(2 * time.Second)
	idle, _ := s.rss()
	s.refreshing(tokens, *span).run()
	_, peak := s.rss()
	fmt.Printf("### Start and memory\n\nFrom exec to the first answer on an existing database: median %s of 15. Memory: %d MiB idle, %d MiB at most under refreshes.\n\n",
		show(median(times)), idle>>20, peak>>20)
	return nil
}

// upAnswering starts the server and asks as often as it can until it answers.
func (s *server) upAnswering() error {
	p, err := launch(s.name, s.addr, s.env, *binary, "serve")
	if err != nil {
		return err
	}
	s.process = p
	request := get(s.addr, "/livez", "")
	for range 20_000 {
		var c conn
		a, err := c.ask(s.addr, request)
		c.close()
		if err == nil && a.status == http.StatusOK {
			return nil
		}
		time.Sleep(250 * time.Microsecond)
	}
	return fmt.Errorf("no answer")
}

// flatSection compares a small database with a large one.
func flatSection(b *bench) error {
	for _, n := range []int{1000, *accounts} {
		name := fmt.Sprintf("flat-%d", n)
		s, err := startWatchword(name, "")
		if err != nil {
			return err
		}
		tokens, err := s.people(16)
		if err != nil {
			return err
		}
		s.stop()
		if err := s.fill(n); err != nil {
			return err
		}
		if err := s.up(); err != nil {
			return err
		}
		if n == 1000 {
			b.head("Does it stay flat?", "16 clients, SQLite, accounts with a password, a session and a refresh family each.")
		}
		b.row(fmt.Sprintf("refresh, %d accounts", n), b.cost(s.process, s.refreshing(tokens, *span)))
		b.row(fmt.Sprintf("`GET /api/v1/me`, %d accounts", n), b.cost(s.process, s.getting("/api/v1/me", tokens[0].Access)))
		request := post(s.addr, "/api/v1/login", credentials(email(0), passphrase))
		b.row(fmt.Sprintf("login, %d accounts", n), b.cost(s.process, load{addr: s.addr, clients: 4, span: *span, next: func(int, int) []byte { return request }}))
		s.stop()
	}
	fmt.Println()
	return nil
}

// fill puts accounts into the database without the server.
func (s *server) fill(n int) error {
	ring, err := secret.NewKeyring(secret.Bytes(32)) // nothing sealed is touched
	if err != nil {
		return err
	}
	db, err := store.Open(context.Background(), store.Config{URL: "sqlite:" + filepath.Join(s.dir, "watchword.db"), Keyring: ring})
	if err != nil {
		return err
	}
	defer db.Close()
	const batch = 10_000
	for from := 0; from < n; from += batch {
		err := db.Write(context.Background(), auth.DefaultTenant, func(tx *store.Tx) error {
			for i := from; i < min(n, from+batch); i++ {
				if err := fillOne(tx, i); err != nil {
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

func fillOne(tx *store.Tx, i int) error {
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

// newDatabase makes a PostgreSQL database for one server.
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
