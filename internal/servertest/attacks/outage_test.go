package attacks_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/outbox/smtptest"
	"github.com/watchword-auth/watchword/internal/servertest"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// databaseProxy is a connection to PostgreSQL that can be cut or become silent.
type databaseProxy struct {
	l      net.Listener
	target string
	mode   atomic.Int32

	mu    sync.Mutex // owns conns
	conns []net.Conn
}

const (
	passing   int32 = iota
	hangingUp       // accepts and closes; what was open is cut
	silent          // accepts; nothing arrives any more
)

// proxyDatabase returns a proxy of the database and the URL through it.
func proxyDatabase(t testing.TB, dsn string) (*databaseProxy, string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &databaseProxy{l: l, target: u.Host}
	u.Host = l.Addr().String()
	go w.serve()
	t.Cleanup(func() {
		l.Close()
		w.cutConnections()
	})
	return w, u.String()
}

func (w *databaseProxy) serve() {
	for {
		in, err := w.l.Accept()
		if err != nil {
			return
		}
		switch w.mode.Load() {
		case hangingUp:
			in.Close()
			continue
		case silent:
			w.add(in)
			continue
		}
		out, err := net.Dial("tcp", w.target)
		if err != nil {
			in.Close()
			continue
		}
		w.add(in, out)
		go w.pipe(in, out)
		go w.pipe(out, in)
	}
}

func (w *databaseProxy) add(conns ...net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, conns...)
}

func (w *databaseProxy) pipe(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err == nil && w.mode.Load() == silent {
			continue // swallowed
		}
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			to.Close()
			from.Close()
			return
		}
	}
}

func (w *databaseProxy) cutConnections() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}

func (w *databaseProxy) setMode(mode int32) {
	before := w.mode.Swap(mode)
	if mode == hangingUp || before == silent {
		w.cutConnections()
	}
}

// requireRetryAfter checks a 503 with Retry-After.
func requireRetryAfter(t testing.TB, what string, r servertest.Response) {
	t.Helper()
	after, err := strconv.Atoi(r.Header.Get("Retry-After"))
	if r.Status != 503 || err != nil || after < 1 || r.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s: %d, Retry-After %q: %s", what, r.Status, r.Header.Get("Retry-After"), r.Body)
	}
	for _, leak := range []string{"127.0.0.1", "postgres", "dial", "SQL", "connection"} {
		if strings.Contains(string(r.Body), leak) {
			t.Errorf("%s reveals internals: %s", what, r.Body)
		}
	}
}

// TestAttack_FL_05_OP_08_DatabaseGone cuts the database off during traffic: requests that need
// it are refused in time, others go on, and everything works within ten seconds of its return.
func TestAttack_FL_05_OP_08_DatabaseGone(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]int32{"hanging up": hangingUp, "silent": silent} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, dsn := proxyDatabase(t, storetest.Postgres(t))
			s := servertest.New(t, servertest.Database(dsn))
			tokens := s.SignUp(t, alice)
			c := signInCookie(t, s, alice, servertest.Password)
			waitForOutbox(t, s)
			v := newVerifier(t, s)
			s.Managed(t, "/readyz").Want(t, 200)
			for range scaled(1, 3) {
				w.setMode(mode)
				s.Clock.Advance(2 * time.Second) // what is remembered for a second is forgotten
				requireUnavailable(t, s, v, tokens, c.Value)
				w.setMode(passing)
				requireRecovery(t, s)
			}
			s.Refresh(t, tokens.RefreshToken)
			me(t, s, withCookie(c)).Want(t, 200)
		})
	}
}

// requireUnavailable sends every kind of request to a server without a database.
func requireUnavailable(t *testing.T, s *servertest.Server, v *verifier, tokens servertest.Tokens, cookie string) {
	t.Helper()
	requests := map[string]func() (servertest.Response, error){
		"login": func() (servertest.Response, error) {
			return s.Try("POST", api("/login"), body{"email": alice, "password": servertest.Password})
		},
		"register": func() (servertest.Response, error) {
			return s.Try("POST", api("/register"), body{"email": newEmail(), "password": servertest.Password})
		},
		"forgot": func() (servertest.Response, error) {
			return s.Try("POST", api("/password/forgot"), body{"email": alice})
		},
		"refresh": func() (servertest.Response, error) {
			return s.Try("POST", api("/refresh"), body{"refresh_token": tokens.RefreshToken})
		},
		"verify": func() (servertest.Response, error) {
			return s.Try("POST", api("/verify-email"), body{"token": "wwl_" + strings.Repeat("A", 43)})
		},
		"bearer": func() (servertest.Response, error) {
			return s.Try("GET", api("/me"), nil, servertest.Bearer(tokens.AccessToken))
		},
		"cookie": func() (servertest.Response, error) {
			return s.Try("GET", api("/me"), nil, servertest.Header("Cookie", cookieName+"="+cookie))
		},
		"logout": func() (servertest.Response, error) {
			return s.Try("POST", api("/logout"), nil, servertest.Bearer(tokens.AccessToken))
		},
		"readyz": func() (servertest.Response, error) { return s.Try("GET", "/readyz", nil) },
	}
	var slowest atomic.Int64
	var wg sync.WaitGroup
	for name, send := range requests {
		for range 6 { // more than there are connections
			wg.Go(func() {
				at := time.Now()
				r, err := send()
				if err != nil {
					t.Error(err)
					return
				}
				requireRetryAfter(t, name, r)
				for most := slowest.Load(); int64(time.Since(at)) > most && !slowest.CompareAndSwap(most, int64(time.Since(at))); most = slowest.Load() {
				}
			})
		}
	}
	for range 20 {
		s.Do(t, "GET", "/livez", nil).Want(t, 200)
		s.Do(t, "GET", "/.well-known/jwks.json", nil).Want(t, 200)
		s.Do(t, "GET", "/.well-known/openid-configuration", nil).Want(t, 200)
		s.Managed(t, "/metrics").Want(t, 200)
		v.check(tokens.AccessToken)
	}
	wg.Wait()
	requireRetryAfter(t, "readyz of management", s.Managed(t, "/readyz"))
	if len(v.failures) > 0 {
		t.Errorf("FL-05: guard fails: %v", v.failures)
	}
	if d := time.Duration(slowest.Load()); d > 30*time.Second { // two, and what a busy machine adds
		t.Errorf("FL-05: the slowest refusal took %s", d)
	} else {
		t.Logf("the slowest refusal took %s", d)
	}
}

// requireRecovery waits until the server is ready and signs users in.
func requireRecovery(t *testing.T, s *servertest.Server) {
	t.Helper()
	at := time.Now()
	eventually(t, "ready again", func() bool {
		s.Clock.Advance(time.Second)
		ready, err := s.Try("GET", "/readyz", nil)
		in, err2 := s.Try("POST", api("/login"), body{"email": alice, "password": servertest.Password})
		return errors.Join(err, err2) == nil && ready.Status == 200 && in.Status == 200
	})
	for range 10 { // and for good
		login(t, s, alice, servertest.Password).Want(t, 200)
	}
	t.Logf("ready again after %s", time.Since(at))
}

// TestAttack_FL_06_Terminated terminates all database connections during traffic: only requests
// under way fail, reads do not, and nothing is done twice.
func TestAttack_FL_06_Terminated(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.Database(storetest.Postgres(t)))
	admin := openDatabase(t, s.Config.DatabaseURL())
	const workers = 6
	var rotations, failed, reads atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range workers {
		email := newEmail()
		createAccount(t, s, email)
		tokens := s.Login(t, email, servertest.Password)
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				r, err := s.Try("POST", api("/refresh"), body{"refresh_token": tokens.RefreshToken})
				switch {
				case err == nil && r.Status == 200:
					rotations.Add(1)
					tokens = decode[servertest.Tokens](t, r)
				case err == nil && r.Status == 503: // done or not: the same token must do again
					failed.Add(1)
				default:
					t.Errorf("FL-06: refresh: %d %v %s", r.Status, err, r.Body)
					return
				}
				if r, err := s.Try("GET", api("/me"), nil, servertest.Bearer(tokens.AccessToken)); err != nil || r.Status != 200 {
					t.Errorf("FL-06: a read failed: %d %v %s", r.Status, err, r.Body)
				}
				reads.Add(1)
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	for range scaled(4, 40) {
		time.Sleep(80 * time.Millisecond)
		before := failed.Load()
		queryValue[int](t, admin, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		time.Sleep(80 * time.Millisecond)
		if n := failed.Load() - before; n > workers {
			t.Errorf("FL-06: %d requests failed, %d were under way", n, workers)
		}
	}
	stop()
	wg.Wait()
	done := queryValue[int64](t, admin, "SELECT sum(generation) FROM refresh_families")
	if done < rotations.Load()-failed.Load() || done > rotations.Load()+failed.Load() || rotations.Load() < workers {
		t.Errorf("FL-06: %d rotations were acknowledged, %d done, %d failed", rotations.Load(), done, failed.Load())
	}
	if n := queryValue[int](t, admin, "SELECT count(*) FROM refresh_families WHERE revoked_at IS NOT NULL"); n != 0 {
		t.Errorf("FL-06: %d families were revoked", n)
	}
	t.Logf("%d rotations, %d refused, %d reads", rotations.Load(), failed.Load(), reads.Load())
}

// TestAttack_FL_12_MailServerGone: requests do not wait for mail; it is sent later, once, in
// order.
func TestAttack_FL_12_MailServerGone(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]smtptest.Behaviour{"hanging": smtptest.Hang, "refusing": smtptest.Later, "cut": smtptest.Drop} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDatabase(t, func(t *testing.T, url string) {
				sink := smtptest.New(t, smtptest.Options{Misbehave: func(smtptest.Stage, string) smtptest.Behaviour { return how }})
				s := servertest.New(t, servertest.Database(url), servertest.SMTP(sink.URL()))
				email := newEmail()
				var slowest time.Duration
				timed := func(path string, b body) {
					at := time.Now()
					post(t, s, path, b).Want(t, 202)
					slowest = max(slowest, time.Since(at))
				}
				timed("/register", body{"email": email, "password": servertest.Password})
				for range 3 {
					timed("/verify-email/resend", body{"email": email})
					timed("/password/forgot", body{"email": email})
				}
				t.Logf("the slowest answer took %s", slowest)
				if slowest > 20*time.Second { // the mail server hangs for longer
					t.Errorf("FL-12: an answer took %s", slowest)
				}
				db := openDatabase(t, s.Config.DatabaseURL())
				if n := queryValue[int](t, db, "SELECT count(*) FROM outbox"); n != 7 {
					t.Errorf("FL-12: %d mails wait, want 7", n)
				}
				eventually(t, "a try to deliver", func() bool { s.Outbox.Wake(); return sink.Connections() > 0 })
				sink.Misbehave(nil)
				sink.Release()
				eventually(t, "all mails are out", func() bool {
					s.Clock.Advance(time.Second)
					s.Outbox.Wake()
					return queryValue[int](t, db, "SELECT count(*) FROM outbox") == 0
				})
				var kinds []string
				seen := map[string]bool{}
				for _, m := range sink.Received() {
					if m.To[0] != email {
						continue
					}
					id := m.Message(t).Header.Get("Message-Id")
					if seen[id] {
						t.Errorf("FL-12: %s came twice", id)
					}
					seen[id] = true
					kinds = append(kinds, m.Message(t).Header.Get("Subject"))
				}
				if len(kinds) != 7 {
					t.Fatalf("FL-12: %d mails: %q", len(kinds), kinds)
				}
				// proof, proof, reset, proof, reset, proof, reset
				if want := []string{kinds[0], kinds[0], kinds[2], kinds[0], kinds[2], kinds[0], kinds[2]}; strings.Join(kinds, "|") != strings.Join(want, "|") || kinds[0] == kinds[2] {
					t.Errorf("FL-12: not in order: %q", kinds)
				}
			})
		})
	}
}
