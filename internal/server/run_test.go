package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/outbox/smtptest"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/server"
	"github.com/watchword-auth/watchword/internal/servertest"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// sendHead sends the head of a request and waits until the server has read it.
func sendHead(t *testing.T, s *servertest.Server, body string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(conn, "POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", len(body))
	r := bufio.NewReader(conn)
	line, err := r.ReadString('\n')
	if err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return conn, r
}

// SIGTERM under load: no new connection is accepted, requests under way complete, and the process ends without an
// error.
func TestAttack_FL_21_DrainsUnderLoad(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		tokens := s.SignUp(t, "alice@example.test")
		var stopping atomic.Bool
		var answered atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for !stopping.Load() {
					began := !stopping.Load()
					r, err := s.Try("GET", "/api/v1/me", nil, servertest.Bearer(tokens.AccessToken))
					switch {
					case err == nil && r.Status != 200:
						t.Errorf("status %d: %s", r.Status, r.Body)
					case err == nil:
						answered.Add(1)
					case began && !stopping.Load():
						t.Errorf("before the end: %v", err)
					}
				}
			})
		}
		body := fmt.Sprintf(`{"email":"alice@example.test","password":%q}`, servertest.Password)
		conn, r := sendHead(t, s, body)
		for answered.Load() < 50 {
			time.Sleep(time.Millisecond)
		}
		stopping.Store(true)
		ended := make(chan error, 1)
		go func() { ended <- s.Stop() }()
		wg.Wait()
		waitFor(t, "the listener closes", func() bool {
			c, err := net.Dial("tcp", conn.RemoteAddr().String())
			if err == nil {
				c.Close()
			}
			return err != nil
		})
		if got := s.Managed(t, "/readyz"); got.Status != 503 {
			t.Errorf("readyz while draining: %d", got.Status)
		}
		if got := s.Managed(t, "/livez"); got.Status != 200 {
			t.Errorf("livez while draining: %d", got.Status)
		}
		fmt.Fprint(conn, body)
		res, err := http.ReadResponse(r, nil)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("the request under way got %v, %v", res, err)
		}
		res.Body.Close()
		if err := <-ended; err != nil {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestAttack_FL_21_CutsOffWhatHangs(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.Configure(func(c *config.Config) { c.Shutdown.Timeout = 200 * time.Millisecond }))
	_, r := sendHead(t, s, "{}")
	began := time.Now()
	if err := s.Stop(); err != nil {
		t.Errorf("ended with %v", err)
	}
	if d := time.Since(began); d > time.Minute {
		t.Errorf("took %v", d)
	}
	if _, err := r.ReadByte(); err == nil {
		t.Error("the hanging request was answered")
	}
}

// waitFor waits longer than certmagic, which orders again a minute after a failure.
func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	late := time.Now().Add(5 * time.Minute)
	for !cond() {
		if time.Now().After(late) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// While the mail server hangs or is unavailable, requests do not wait; afterwards each mail is sent once, in order.
func TestAttack_FL_12_MailServerAway(t *testing.T) {
	t.Parallel()
	databases := map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres}
	for name, away := range map[string]smtptest.Behaviour{"hangs": smtptest.Hang, "refuses": smtptest.Ending, "drops": smtptest.Drop} {
		for db, url := range databases {
			t.Run(name+"/"+db, func(t *testing.T) {
				t.Parallel()
				sink := smtptest.New(t, smtptest.Options{Misbehave: func(smtptest.Stage, string) smtptest.Behaviour { return away }})
				s := servertest.New(t, servertest.Database(url(t)), servertest.SMTP(sink.URL()))
				testMailServerAway(t, s, sink)
			})
		}
	}
}

func testMailServerAway(t *testing.T, s *servertest.Server, sink *smtptest.Server) {
	const people = 6
	began := time.Now()
	for i := range people {
		email := fmt.Sprintf("%d@example.test", i)
		s.Register(t, email, servertest.Password)
		s.Do(t, "POST", "/api/v1/verify-email/resend", map[string]string{"email": email}).Want(t, 202)
		s.Do(t, "POST", "/api/v1/password/forgot", map[string]string{"email": email}).Want(t, 202)
	}
	if each := time.Since(began) / (3 * people); each > 20*time.Second { // the mail server hangs for longer
		t.Errorf("%v a request while no mail is delivered", each)
	}
	waitFor(t, "a delivery attempt", func() bool { return sink.Connections() > 0 })
	if n := len(sink.Received()); n != 0 {
		t.Fatalf("%d mails came in", n)
	}
	sink.Misbehave(nil)
	sink.Release()
	waitFor(t, "every mail is out", func() bool { return countWaitingMails(t, s) == 0 })
	got, last := map[string]int{}, map[string]string{}
	for _, m := range sink.Received() {
		to, id := m.To[0], m.Message(t).Header.Get("Message-Id")
		if id <= last[to] { // ids rise in the order of writing
			t.Errorf("%s: %s came after %s", to, id, last[to])
		}
		got[to]++
		last[to] = id
	}
	for i := range people {
		if n := got[fmt.Sprintf("%d@example.test", i)]; n < 2 || n > 3 {
			t.Errorf("user %d got %d mails", i, n)
		}
	}
}

func countWaitingMails(t *testing.T, s *servertest.Server) (n int64) {
	t.Helper()
	err := s.DB.ReadSystem(t.Context(), func(tx *store.SystemTx) (err error) {
		n, _, err = tx.OutboxBacklog()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRun_RefusesListenerInUse(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, which := range []string{"public", "management"} {
		s := servertest.New(t)
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		cfg := *s.Config
		cfg.Listen, cfg.Manage = "127.0.0.1:0", "127.0.0.1:0"
		if which == "public" {
			cfg.Listen = ln.Addr().String()
		} else {
			cfg.Manage = ln.Addr().String()
		}
		again, err := server.New(t.Context(), &cfg, server.Options{Now: time.Now, Dev: true})
		if err != nil {
			t.Fatal(err)
		}
		err = again.Run(t.Context(), func(string, string) { t.Error("ready") })
		if err == nil || !strings.Contains(err.Error(), which) {
			t.Errorf("%s listener in use: %v", which, err)
		}
	}
}

func TestStart_RefusesWrongMasterKey(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db store.Config) {
		s := servertest.New(t, servertest.Database(db.URL))
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		cfg := *s.Config
		key := cfg.MasterKey
		for _, tc := range []struct {
			set func(*config.Config)
			ok  bool
		}{
			{func(c *config.Config) { c.MasterKey = newKey(t) }, false},
			{func(c *config.Config) { c.MasterKey = config.Key{} }, false},
			{func(c *config.Config) { c.MasterKey, c.MasterKeyPrevious = newKey(t), key }, true},
		} {
			c := cfg
			tc.set(&c)
			again, err := server.New(t.Context(), &c, server.Options{Now: time.Now})
			if (err == nil) != tc.ok {
				t.Errorf("opened: %v, want %v", err, tc.ok)
			}
			if err != nil && !strings.Contains(err.Error(), "master") {
				t.Errorf("error: %v", err)
			}
			if again != nil {
				again.Close()
			}
		}
	})
}

// The administration commands assemble a server without mail delivery.
func TestCommandLineNeedsNoMailServer(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.Production())
	if s.Mailer != nil || s.Mailbox != nil {
		t.Error("there is mail without a mail server")
	}
	if _, err := s.Tenants.Get(t.Context(), auth.DefaultTenant); err != nil {
		t.Error(err)
	}
	if r := s.Do(t, "GET", "/dev/mailbox.json", nil); r.Status != 404 {
		t.Errorf("the mailbox answers %d in production", r.Status)
	}
}

func TestRunEndsWithItsListener(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Data, cfg.Manage, cfg.MasterKey, cfg.Issuer = t.TempDir(), "127.0.0.1:0", newKey(t), "http://"+ln.Addr().String()
	s, err := server.New(t.Context(), cfg, server.Options{Now: time.Now, Dev: true, Public: ln})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := s.Run(ctx, func(string, string) { ln.Close() }); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a broken listener ends the server with %v", err)
	}
}

func newKey(t *testing.T) (k config.Key) {
	t.Helper()
	if err := k.UnmarshalText([]byte(secret.Encode(secret.Bytes(32)))); err != nil {
		t.Fatal(err)
	}
	return k
}

func assemble(t *testing.T, cfg *config.Config) *server.Server {
	t.Helper()
	s, err := server.New(t.Context(), cfg, server.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
