package attacks_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/outbox/smtptest"
	"github.com/watchword-auth/watchword/internal/servertest"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// newProduction returns an installation with the default settings of production and a mail
// server.
func newProduction(t *testing.T, tags, database string, env ...string) *installation {
	t.Helper()
	sink := smtptest.New(t, smtptest.Options{})
	return newInstallation(t, tags, "serve", database, append([]string{"WATCHWORD_PASSWORD_MEMORY=19MiB", "WATCHWORD_PASSWORD_TIME=2", "WATCHWORD_SMTP_URL=" + sink.URL(), "WATCHWORD_SMTP_FROM=no-reply@example.test"}, env...)...)
}

// createCrowd inserts many accounts with one password, which is hashed once, into SQLite.
func (h *installation) createCrowd(n int) []string {
	h.t.Helper()
	h.config.Password.Memory, h.config.Password.Time = 19<<20, 2
	emails := h.createAccounts(1)
	db := openDatabase(h.t, h.config.DatabaseURL())
	defer db.Close()
	const numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) "
	for _, insert := range []string{
		numbers + `INSERT INTO accounts (tenant_id, id, email, login, name, email_verified_at, created_at, updated_at)
			SELECT a.tenant_id, printf('crowd-%d', i), printf('crowd%d@example.test', i), printf('crowd%d@example.test', i), '', a.email_verified_at, a.created_at, a.updated_at
			FROM (SELECT * FROM accounts LIMIT 1) a, n`,
		numbers + `INSERT INTO credentials (tenant_id, id, account_id, kind, label, secret, counter, created_at, updated_at)
			SELECT c.tenant_id, printf('crowd-%d', i), printf('crowd-%d', i), c.kind, c.label, c.secret, 0, c.created_at, c.updated_at
			FROM (SELECT * FROM credentials LIMIT 1) c, n`,
	} {
		if _, err := db.Exec(insert, n-1); err != nil {
			h.t.Fatal(err)
		}
	}
	for i := 1; i < n; i++ {
		emails = append(emails, fmt.Sprintf("crowd%d@example.test", i))
	}
	return emails
}

// raiseSocketLimit returns how many connections this process may have, at most want.
func raiseSocketLimit(t testing.TB, want int) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if most := int(limit.Cur) - 2000; want > most {
		t.Logf("the limit of open files (%d) allows %d of %d connections", limit.Cur, most, want)
		return most
	}
	return want
}

// peakMemory returns the peak memory of the process in bytes.
func (p *process) peakMemory(t testing.TB) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// TestAttack_FL_15_Crowd signs in everyone at once: some succeed, the others get 503 with
// Retry-After, memory stays bounded, and existing sessions go on.
func TestAttack_FL_15_Crowd(t *testing.T) {
	n := raiseSocketLimit(t, scaled(1000, 10_000))
	// The clients are slow where the race detector watches them; that is not the point.
	h := newProduction(t, "", storetest.SQLite(t), "WATCHWORD_HTTP_READ_HEADER_TIMEOUT=1m", "WATCHWORD_HTTP_READ_TIMEOUT=1m")
	emails := h.createCrowd(n)
	p := h.start()
	h.site.Client.Timeout = 2 * time.Minute
	in := login(t, h.site, emails[0], servertest.Password).Want(t, 200)
	token := decode[servertest.Tokens](t, in).RefreshToken

	var mu sync.Mutex
	statuses, took := map[int]int{}, []time.Duration{}
	var over atomic.Bool
	var refreshes []time.Duration
	var beside sync.WaitGroup
	waits := 0
	beside.Go(func() {
		for !over.Load() {
			at := time.Now()
			r, err := h.site.Try("POST", api("/refresh"), body{"refresh_token": token})
			if err == nil && r.Status == 503 && r.Header.Get("Retry-After") != "" {
				waits++ // the machine is too busy even for this
				continue
			}
			if err != nil || r.Status != 200 {
				t.Errorf("FL-15: a refresh meanwhile: %d %v %s", r.Status, err, r.Body)
				return
			}
			refreshes = append(refreshes, time.Since(at))
			token = decode[servertest.Tokens](t, r).RefreshToken
		}
	})
	crowd := &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: n, DialContext: (&net.Dialer{Timeout: time.Minute}).DialContext}}
	defer crowd.CloseIdleConnections()
	gate := &servertest.Server{URL: h.site.URL, Client: crowd}
	runAtOnce(n, func(i int) {
		at := time.Now()
		r, err := gate.Try("POST", api("/login"), body{"email": emails[i], "password": servertest.Password})
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			if statuses[-1]++; statuses[-1] < 5 {
				t.Error(err)
			}
			return
		}
		statuses[r.Status]++
		took = append(took, time.Since(at))
		switch r.Status {
		case 200:
			if decode[servertest.Tokens](t, r).AccessToken == "" {
				t.Errorf("FL-15: no token: %s", r.Body)
			}
		case 429, 503:
			if after, err := strconv.Atoi(r.Header.Get("Retry-After")); err != nil || after < 1 {
				t.Errorf("FL-15: %d without a time to come back", r.Status)
			}
		default:
			t.Errorf("FL-15: %d %s", r.Status, r.Body)
		}
	})
	over.Store(true)
	beside.Wait()
	slices.Sort(took)
	slices.Sort(refreshes)
	at := func(list []time.Duration, part float64) time.Duration { return list[int(part*float64(len(list)-1))] }
	t.Logf("%d at once: %v; answers median %s, p99 %s; %d refreshes meanwhile and %d with Retry-After, median %s, p99 %s; at most %d MiB",
		n, statuses, at(took, .5), at(took, .99), len(refreshes), waits, at(refreshes, .5), at(refreshes, .99), p.peakMemory(t)>>20)
	if statuses[200] < 2 || statuses[200]+statuses[429]+statuses[503] != n {
		t.Errorf("FL-15: %v", statuses)
	}
	if most := p.peakMemory(t); most > 512<<20 {
		t.Errorf("FL-15: %d MiB of memory", most>>20)
	}
	for _, email := range emails[:5] { // and all is as before
		eventually(t, "signing in again", func() bool { return login(t, h.site, email, servertest.Password).Status == 200 })
		login(t, h.site, email, wrongPassword).WantCode(t, 401, "invalid_credentials")
	}
	if code := p.terminate(patience); code != 0 {
		t.Errorf("ended with %d:\n%s", code, p.output)
	}
	h.requireConsistent("accounts without an event") // most were not made by the server
}

// TestAttack_HT_03_FL_16_ManySlowClients is HT-03 against the real binary, whose process has
// all its sockets for itself.
func TestAttack_HT_03_FL_16_ManySlowClients(t *testing.T) {
	if !thorough { // else it needs all sockets that there are
		t.Parallel()
	}
	each := raiseSocketLimit(t, scaled(400, 10_000)) / 2
	h := newInstallation(t, "", "dev", storetest.SQLite(t), "WATCHWORD_HTTP_READ_HEADER_TIMEOUT=2s", "WATCHWORD_HTTP_READ_TIMEOUT=4s")
	p := h.start()
	holdSlowConnections(t, h.site.URL, slowness{each: each, head: 2 * time.Second, body: 4 * time.Second}, func() error {
		r, err := h.site.Try("GET", "/.well-known/jwks.json", nil)
		if err == nil && r.Status != 200 {
			err = fmt.Errorf("status %d", r.Status)
		}
		time.Sleep(10 * time.Millisecond)
		return err
	})
	t.Logf("at most %d MiB", p.peakMemory(t)>>20)
	if code := p.terminate(patience); code != 0 {
		t.Errorf("ended with %d:\n%s", code, p.output)
	}
}

// TestAttack_FL_21_Terminated sends SIGTERM while users sign in: requests under way complete,
// no new one is accepted, and the process ends within ten seconds.
func TestAttack_FL_21_Terminated(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, url string) {
		h := newProduction(t, "", url, "WATCHWORD_PASSWORD_TIME=5", "WATCHWORD_PASSWORD_MAX_WAIT=30s") // long enough to be in the middle of it
		emails := h.createAccounts(8)
		p := h.start()
		waiting := func() int {
			metrics := string(h.site.Managed(t, "/metrics").Body)
			n := 0
			for _, name := range []string{"\nwatchword_hash_queue_depth ", "\nwatchword_hash_inflight "} {
				if _, rest, ok := strings.Cut(metrics, name); ok {
					v, _ := strconv.Atoi(strings.Fields(rest)[0])
					n += v
				}
			}
			return n
		}
		// Clients that refresh until the server ends, and record the responses.
		l := &writeLog{}
		background := refreshUntilGone(h, emails[:2], l)
		var people sync.WaitGroup
		var answered atomic.Int64
		for _, email := range emails {
			people.Go(func() {
				defer answered.Add(1)
				own := &servertest.Server{URL: h.site.URL, Client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}}
				r, err := own.Try("POST", api("/login"), body{"email": email, "password": servertest.Password})
				if err != nil {
					t.Errorf("FL-21: %v", err)
					return
				}
				if r.Status != 200 {
					t.Errorf("FL-21: a request under way got %d %s", r.Status, r.Body)
				}
			})
		}
		inside := 0
		eventually(t, "everybody is inside", func() bool {
			inside = waiting()
			return inside+int(answered.Load()) >= len(emails)
		})
		at := time.Now()
		if code := p.terminate(patience); code != 0 {
			t.Errorf("FL-21: ended with %d after %s:\n%s", code, time.Since(at), p.output)
		} else {
			t.Logf("ended after %s, with %d people inside", time.Since(at), inside)
		}
		people.Wait()
		background()
		if c, err := net.DialTimeout("tcp", strings.TrimPrefix(h.site.URL, "http://"), time.Second); err == nil {
			c.Close()
			t.Error("FL-21: the address is still in use")
		}
		h.start()
		l.requireKept(t, h.site)
		h.requireConsistent()
	})
}

// refreshUntilGone makes clients refresh until the server is gone. The returned function waits
// for them.
func refreshUntilGone(h *installation, emails []string, l *writeLog) func() {
	var clients sync.WaitGroup
	for _, email := range emails {
		r := login(h.t, h.site, email, servertest.Password).Want(h.t, 200)
		c := &signInRecord{email: email}
		c.record(r)
		l.chains = append(l.chains, c)
		clients.Go(func() {
			for {
				r, err := h.site.Try("POST", api("/refresh"), body{"refresh_token": c.newest()})
				if err != nil {
					return
				}
				if r.Status == 200 {
					c.record(r)
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	return clients.Wait
}

// TestAttack_FL_08_FL_09_Clock moves the clock of the real binary: secrets expire, and do not
// become valid again when the clock is set back.
func TestAttack_FL_08_FL_09_Clock(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, url string) {
		clock := t.TempDir() + "/clock"
		set := func(offset string) {
			t.Helper()
			if err := os.WriteFile(clock+".new", []byte(offset), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(clock+".new", clock); err != nil {
				t.Fatal(err)
			}
		}
		set("0s")
		h := newInstallation(t, faults, "dev", url)
		emails := h.createAccounts(3)
		p := h.start("WATCHWORD_FAULT_CLOCK=" + clock)
		s := h.site
		spent := s.Login(t, emails[0], servertest.Password).RefreshToken
		tokens := rotate(t, s, spent)
		unused := s.Login(t, emails[1], servertest.Password)
		post(t, s, "/password/forgot", body{"email": emails[2]}).Want(t, 202)
		link := h.waitForLink(emails[2], "/reset-password")

		set("1h1m") // FL-08
		me(t, s, servertest.Bearer(tokens.AccessToken)).WantCode(t, 401, "token_expired")
		resetPassword(t, s, link, otherPassword).WantCode(t, 400, "invalid_link")
		tokens = rotate(t, s, tokens.RefreshToken)
		me(t, s, servertest.Bearer(tokens.AccessToken)).Want(t, 200)
		for _, email := range emails {
			s.Login(t, email, servertest.Password) // the account is not locked
		}
		set("25h")
		me(t, s, servertest.Bearer(tokens.AccessToken)).WantCode(t, 401, "token_expired")
		tokens = rotate(t, s, tokens.RefreshToken)
		set("480h") // past what an unused refresh token lives
		refresh(t, s, unused.RefreshToken).WantCode(t, 401, "invalid_refresh_token")

		for _, back := range []string{"24h", "0s"} { // FL-09
			set(back)
			refresh(t, s, unused.RefreshToken).WantCode(t, 401, "invalid_refresh_token")
			resetPassword(t, s, link, otherPassword).WantCode(t, 400, "invalid_link")
		}
		s.Login(t, emails[1], servertest.Password)
		refresh(t, s, spent).Want(t, 401)
		s.Do(t, "GET", "/readyz", nil).Want(t, 200)
		if code := p.terminate(patience); code != 0 {
			t.Errorf("ended with %d:\n%s", code, p.output)
		}
	})
}
