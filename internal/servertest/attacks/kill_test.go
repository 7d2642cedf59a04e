package attacks_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/servertest"
)

// writeLog records what the server acknowledged to clients.
type writeLog struct {
	acknowledged atomic.Int64

	mu         sync.Mutex
	registered []string        // owned by mu: addresses whose registration was acknowledged
	chains     []*signInRecord // owned by mu
}

// signInRecord is one sign-in as its client knows it. Only that client uses it until the server
// is dead.
type signInRecord struct {
	email   string
	tokens  []string // refresh tokens, the newest last
	access  string
	leaving bool // asked to be signed out
	left    bool // and it was acknowledged
}

// sendWrites sends mixed writes until the server is gone, and records them.
func (l *writeLog) sendWrites(ctx context.Context, s *servertest.Server, email string) {
	send := func(path string, b body, opts ...servertest.RequestOption) (r servertest.Response, ok bool) {
		r, err := s.Try("POST", api(path), b, opts...)
		return r, err == nil && ctx.Err() == nil
	}
	for ctx.Err() == nil {
		newcomer := newEmail()
		r, ok := send("/register", body{"email": newcomer, "password": servertest.Password})
		if !ok {
			return
		}
		if r.Status == 202 {
			l.mu.Lock()
			l.registered = append(l.registered, newcomer)
			l.mu.Unlock()
			l.acknowledged.Add(1)
		}
		if r, ok = send("/login", body{"email": email, "password": servertest.Password}); !ok {
			return
		}
		if r.Status != 200 {
			continue
		}
		c := &signInRecord{email: email}
		l.mu.Lock()
		l.chains = append(l.chains, c)
		l.mu.Unlock()
		c.record(r)
		l.acknowledged.Add(1)
		for range rand.N(5) {
			if r, ok = send("/refresh", body{"refresh_token": c.newest()}); !ok {
				return
			}
			if r.Status == 200 {
				c.record(r)
				l.acknowledged.Add(1)
			}
		}
		if rand.N(3) == 0 {
			c.leaving = true
			if r, ok = send("/logout", nil, servertest.Bearer(c.access)); !ok {
				return
			}
			c.left = r.Status == 204
		}
	}
}

func (c *signInRecord) newest() string { return c.tokens[len(c.tokens)-1] }

func (c *signInRecord) record(r servertest.Response) {
	var v servertest.Tokens
	if jsonInto(r.Body, &v) == nil {
		c.tokens, c.access = append(c.tokens, v.RefreshToken), v.AccessToken
	}
}

// hold checks against the server, risen again, what it had promised.
func (l *writeLog) requireKept(t *testing.T, s *servertest.Server) {
	t.Helper()
	for _, email := range l.registered {
		if r := login(t, s, email, servertest.Password); r.Status != 403 {
			t.Errorf("I1: %s was registered: %d %s", email, r.Status, r.Body)
		}
	}
	for _, c := range l.chains {
		c.requireKept(t, s)
	}
}

func (c *signInRecord) requireKept(t *testing.T, s *servertest.Server) {
	t.Helper()
	r := refresh(t, s, c.newest())
	switch {
	case c.left:
		if r.Status != 401 {
			t.Errorf("I3: %s signed out: %d %s", c.email, r.Status, r.Body)
		}
		me(t, s, servertest.Bearer(c.access)).Want(t, 401)
		return
	case c.leaving && r.Status == 401:
		return // done without an acknowledgement
	case r.Status != 200:
		t.Errorf("I1: %s, after %d rotations: %d %s", c.email, len(c.tokens)-1, r.Status, r.Body)
		return
	}
	next := decode[servertest.Tokens](t, r)
	me(t, s, servertest.Bearer(next.AccessToken)).Want(t, 200)
	if again := refresh(t, s, c.newest()); again.Status != 200 || decode[servertest.Tokens](t, again).RefreshToken != next.RefreshToken {
		t.Errorf("I2: %s: two successors of one token: %d", c.email, again.Status)
	}
	if len(c.tokens) < 2 {
		return
	}
	// What was spent before the crash is spent, and who shows it is a thief.
	if r := refresh(t, s, c.tokens[len(c.tokens)-2]); r.Status != 401 || r.Code() != "refresh_token_reused" {
		t.Errorf("I2: %s: a spent token: %d %s", c.email, r.Status, r.Body)
	}
	if r := refresh(t, s, next.RefreshToken); r.Status != 401 {
		t.Errorf("I3: %s: the family of a stolen token lives: %d", c.email, r.Status)
	}
}

// crashDuring lets clients work until kill has ended the process, and returns what they
// recorded.
func crashDuring(h *installation, emails []string, p *process, kill func(*writeLog)) *writeLog {
	l := &writeLog{}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var clients sync.WaitGroup
	for _, email := range emails {
		clients.Go(func() { l.sendWrites(ctx, h.site, email) })
	}
	kill(l)
	<-p.ended
	clients.Wait()
	h.site.Client.CloseIdleConnections()
	return l
}

// TestAttack_FL_01_KillNine kills the real binary at random moments of mixed writes: every
// acknowledged write survives, and nothing is half done.
func TestAttack_FL_01_KillNine(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, url string) {
		h := newInstallation(t, "", "dev", url)
		emails := h.createAccounts(6)
		acknowledged, rounds := int64(0), scaled(4, 100)
		p := h.start()
		for round := range rounds {
			l := crashDuring(h, emails, p, func(l *writeLog) {
				last := 1 + rand.Int64N(20)
				eventually(t, "some writes", func() bool { return l.acknowledged.Load() >= last })
				time.Sleep(rand.N(5 * time.Millisecond))
				p.kill()
			})
			p = h.start() // I6: ready by itself
			l.requireKept(t, h.site)
			if acknowledged += l.acknowledged.Load(); t.Failed() {
				t.Fatalf("in round %d", round)
			}
		}
		p.kill()
		h.requireConsistent()
		t.Logf("%d kills, %d acknowledged writes", rounds, acknowledged)
	})
}

// TestAttack_FL_03_KilledBetween kills the server at fault points after a secret is spent and
// before the response.
func TestAttack_FL_03_KilledBetween(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, url string) {
		h := newInstallation(t, faults, "dev", url)
		emails := h.createAccounts(4)
		h.start().kill() // the database is made, so that points count from here
		for range scaled(1, 5) {
			for _, point := range []string{"refresh.consumed", "store.before-commit", "store.after-commit"} {
				p := h.start(fmt.Sprintf("WATCHWORD_FAULT_POINTS=%s=kill@%d", point, 6+rand.N(20)))
				l := crashDuring(h, emails, p, func(*writeLog) {
					select {
					case <-p.ended:
					case <-time.After(patience):
						t.Errorf("FL-03: no request reached %s", point)
						p.kill()
					}
				})
				p = h.start()
				l.requireKept(t, h.site)
				p.kill()
				if t.Failed() {
					t.Fatalf("at %s", point)
				}
			}
			killedAtLink(t, h)
		}
		h.requireConsistent()
	})
}

// killedAtLink kills the server while a link is being spent: it is unspent, or everything that
// it does is done.
func killedAtLink(t *testing.T, h *installation) {
	t.Helper()
	const killer = "WATCHWORD_FAULT_POINTS=single-use.taken=kill"
	p := h.start(killer)
	newcomer := newEmail()
	h.site.Register(t, newcomer, servertest.Password)
	link := h.waitForLink(newcomer, "/verify-email")
	if r, err := h.site.Try("POST", api("/verify-email"), body{"token": link}); err == nil {
		t.Fatalf("FL-03: answered with %d", r.Status)
	}
	<-p.ended
	p = h.start()
	switch r := post(t, h.site, "/verify-email", body{"token": link}); r.Status {
	case 200:
	case 400:
		login(t, h.site, newcomer, servertest.Password).Want(t, 200)
	default:
		t.Errorf("FL-03: %d %s", r.Status, r.Body)
	}
	h.requireDelivered(newcomer)
	p.kill()

	p = h.start(killer)
	post(t, h.site, "/password/forgot", body{"email": newcomer}).Want(t, 202)
	link = h.waitForLink(newcomer, "/reset-password")
	if r, err := h.site.Try("POST", api("/password/reset"), body{"token": link, "password": otherPassword}); err == nil {
		t.Fatalf("FL-03: answered with %d", r.Status)
	}
	<-p.ended
	p = h.start()
	before, after := login(t, h.site, newcomer, servertest.Password).Status, login(t, h.site, newcomer, otherPassword).Status
	again := post(t, h.site, "/password/reset", body{"token": link, "password": "third-brave-teapot-55"}).Status
	if unspent, spent := [3]int{200, 401, 204}, [3]int{401, 200, 400}; [3]int{before, after, again} != unspent && [3]int{before, after, again} != spent {
		t.Errorf("FL-03: old password %d, new password %d, link %d", before, after, again)
	}
	p.kill()
}
