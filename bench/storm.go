package main

import (
	"fmt"
	"sync"
	"time"
)

// stormSection floods the server with logins and measures refreshes meanwhile.
func stormSection(b *bench) error {
	const crowd = 10_000
	s, err := startWatchword("storm", "")
	if err != nil {
		return err
	}
	defer s.stop()
	tokens, err := s.signInUsers(4)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	var storm, calm result
	var statuses sync.Map
	request := postRequest(s.addr, "/api/v1/login", credentials(email(0), passphrase))
	wg.Go(func() {
		storm = load{addr: s.addr, clients: crowd, span: 10 * time.Second, limit: 1, next: func(int, int) []byte { return request },
			check: func(_ int, a response) error {
				n, _ := statuses.LoadOrStore(a.status, new(counter))
				n.(*counter).add()
				return nil
			}}.run()
	})
	wg.Go(func() { calm = s.refreshes(tokens, 3*time.Second).run() })
	wg.Wait()
	_, peak := s.rss()
	fmt.Printf("### %d logins at once\n\nAnswers:", crowd)
	statuses.Range(func(k, v any) bool { fmt.Printf(" %d × %v,", v.(*counter).n, k); return true })
	fmt.Printf(" %d connections failed. All answered within %s (p99 %s). Refreshes meanwhile: %d, %d failed, p50 %s, p99 %s. Highest memory of the server: %d MiB.\n\n",
		storm.failed, formatDuration(storm.quantile(1)), formatDuration(storm.quantile(.99)), calm.requests, calm.failed, formatDuration(calm.quantile(.5)), formatDuration(calm.quantile(.99)), peak>>20)
	return nil
}

type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) add() { c.mu.Lock(); c.n++; c.mu.Unlock() }
