package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/watchword-auth/watchword/internal/password"
)

func loginSection(b *bench) error {
	s, err := startWatchword("login", "")
	if err != nil {
		return err
	}
	defer s.stop()
	if err := s.createUser(email(0)); err != nil {
		return err
	}
	request := postRequest(s.addr, "/api/v1/login", credentials(email(0), passphrase))
	b.printHead("Password login", "4 clients.")
	ours := b.measureCost(s.process, load{addr: s.addr, clients: 4, span: *span, next: func(int, int) []byte { return request }})
	b.printRow("Argon2id 19 MiB, t=2, p=1", ours)
	f, err := startFlask()
	if err != nil {
		return err
	}
	defer f.stop()
	request2 := postRequest(f.addr, "/login", credentials("alice@example.test", passphrase))
	b.printRow("Flask + Werkzeug scrypt, gunicorn with 2 workers", b.measureCost(f, load{addr: f.addr, clients: 4, span: *span, next: func(int, int) []byte { return request2 }}))
	hash, err := measureHash()
	if err != nil {
		return err
	}
	fmt.Printf("\nOne Argon2id hash alone, twice at a time in this process: %s of CPU; a login spends %.0f %% of its CPU there.\n\n", formatDuration(hash), min(100, 100*float64(hash)/float64(ours.cpu)))
	return nil
}

// measureHash is the processor time of one hash of the recommended parameters, measured
// like the logins: two at a time.
func measureHash() (time.Duration, error) {
	h, err := password.New(password.Config{Params: password.RecommendedParams(), MaxMemory: 64 << 10, MaxWait: time.Minute, Now: time.Now})
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
