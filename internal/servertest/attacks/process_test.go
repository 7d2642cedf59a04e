package attacks_test

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/server"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// binaries are the command, as it is released and as it can be broken on purpose,
// each built once for all tests.
var binaries struct {
	mu   sync.Mutex
	dir  string            // owned by mu
	made map[string]string // owned by mu: path by build tags
}

func buildBinary(t testing.TB, tags string) string {
	t.Helper()
	b := &binaries
	b.mu.Lock()
	defer b.mu.Unlock()
	if path, ok := b.made[tags]; ok {
		return path
	}
	if b.dir == "" {
		dir, err := os.MkdirTemp("", "watchword-attacks-")
		if err != nil {
			t.Fatal(err)
		}
		b.dir, b.made = dir, map[string]string{}
	}
	path := filepath.Join(b.dir, "watchword-"+tags)
	out, err := exec.Command("go", "build", "-tags", tags, "-o", path, "../../../cmd/watchword").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	b.made[tags] = path
	return path
}

const faults = "faults" // the build tag

// installation is what survives a process: database, key, addresses and settings.
type installation struct {
	t      *testing.T
	binary string
	mode   string // "dev" or "serve"
	dir    string
	config *config.Config
	env    []string // settings that are not in config
	site   *servertest.Server
}

// newInstallation returns an installation on a database. Limits are high and hashing is cheap
// unless env overrides them.
func newInstallation(t *testing.T, tags, mode, database string, env ...string) *installation {
	t.Helper()
	h := &installation{t: t, binary: buildBinary(t, tags), mode: mode, dir: t.TempDir(), config: config.Default()}
	c := h.config
	c.Listen, c.Manage = freeAddress(t), freeAddress(t)
	c.Issuer = "http://" + c.Listen
	c.Password.Memory, c.Password.Time = 64<<10, 1
	setKey(t, c, secret.Bytes(32))
	if err := c.Database.UnmarshalText([]byte(database)); err != nil {
		t.Fatal(err)
	}
	high := "1000000/1m"
	h.env = append([]string{
		"HOME=" + h.dir, "PATH=" + os.Getenv("PATH"),
		"WATCHWORD_DATABASE=" + database, "WATCHWORD_MASTER_KEY=" + base64Of(c.MasterKey.Bytes()), "WATCHWORD_DATA=" + h.dir,
		"WATCHWORD_LISTEN=" + c.Listen, "WATCHWORD_MANAGE=" + c.Manage, "WATCHWORD_ISSUER=" + c.Issuer,
		"WATCHWORD_LOG_LEVEL=warn", "WATCHWORD_PASSWORD_MEMORY=64KiB", "WATCHWORD_PASSWORD_TIME=1", "WATCHWORD_TOKENS_REFRESH_GRACE=1m",
		"WATCHWORD_LIMITS_LOGIN_IP=" + high, "WATCHWORD_LIMITS_REFRESH_IP=" + high, "WATCHWORD_LIMITS_REFRESH_CREDENTIAL=" + high, "WATCHWORD_LIMITS_REGISTER_IP=" + high,
		"WATCHWORD_LIMITS_FORGOT_IP=" + high, "WATCHWORD_LIMITS_VERIFY_IP=" + high, "WATCHWORD_LIMITS_RESET_IP=" + high,
	}, env...)
	h.site = &servertest.Server{URL: c.Issuer, Issuer: c.Issuer, Manage: "http://" + c.Manage, Config: c, Client: &http.Client{Timeout: 30 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
	t.Cleanup(h.site.Client.CloseIdleConnections)
	return h
}

// usedAddresses are the addresses that were given out; the system would give them out again.
var usedAddresses sync.Map

func freeAddress(t testing.TB) string {
	t.Helper()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		if _, again := usedAddresses.LoadOrStore(l.Addr().String(), true); !again {
			return l.Addr().String()
		}
	}
}

// createAccounts creates accounts before the first start.
func (h *installation) createAccounts(n int) (emails []string) {
	h.t.Helper()
	s, err := server.New(h.t.Context(), h.config, server.Options{Now: time.Now})
	if err != nil {
		h.t.Fatal(err)
	}
	defer s.Close()
	for range n {
		email := newEmail()
		if _, err := s.Accounts.Create(h.t.Context(), auth.DefaultTenant, account.Creation{Email: email, Password: servertest.Password, Verified: true}, auth.System); err != nil {
			h.t.Fatal(err)
		}
		emails = append(emails, email)
	}
	return emails
}

// process is a running command.
type process struct {
	cmd    *exec.Cmd
	ended  chan struct{}
	code   int // after ended
	output *buffer
}

// start runs the command and waits until it is ready.
func (h *installation) start(env ...string) *process {
	h.t.Helper()
	for try := 0; ; try++ {
		p := h.launch(env...)
		until := time.Now().Add(patience)
		for time.Now().Before(until) && p.running() {
			if r, err := h.site.Try("GET", "/readyz", nil); err == nil && r.Status == 200 {
				return p
			}
			time.Sleep(2 * time.Millisecond)
		}
		p.kill()
		if try == 5 || !strings.Contains(p.output.String(), "address already in use") {
			h.t.Fatalf("I6: not ready by itself:\n%s", p.output)
		}
		time.Sleep(200 * time.Millisecond) // another process uses the port
	}
}

func (h *installation) launch(env ...string) *process {
	h.t.Helper()
	p := &process{cmd: exec.Command(h.binary, h.mode), ended: make(chan struct{}), output: &buffer{}}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = h.dir, append(append([]string{}, h.env...), env...), p.output, p.output
	if err := p.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // the caller checks the exit code
		p.code = p.cmd.ProcessState.ExitCode()
	}()
	h.t.Cleanup(p.kill)
	return p
}

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// kill sends SIGKILL.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.ended
}

// terminate sends SIGTERM and returns the exit code, or -1 after the timeout.
func (p *process) terminate(long time.Duration) int {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
		return p.code
	case <-time.After(long):
		return -1
	}
}

// waitForLink waits for a mail in the development mailbox and returns its token.
func (h *installation) waitForLink(email, page string) (token string) {
	h.t.Helper()
	eventually(h.t, "a mail to "+email, func() bool {
		r, err := h.site.Try("GET", "/dev/mailbox.json", nil)
		if err != nil {
			h.t.Fatalf("no mail to %s: %v", email, err)
		}
		for rest := r.Body; ; {
			_, found, ok := bytes.Cut(rest, []byte(`"to":"`+email+`"`))
			if !ok {
				return false
			}
			if _, link, ok := bytes.Cut(found, []byte(page+"?token=")); ok && len(link) > 47 {
				token = string(link[:47])
				return true
			}
			rest = found
		}
	})
	h.requireDelivered(email)
	return token
}

// requireDelivered waits until no mail to the address is queued. A process that is killed
// before it has recorded a delivery keeps its lease for minutes, and later mails wait.
func (h *installation) requireDelivered(email string) {
	h.t.Helper()
	db := openDatabase(h.t, h.config.DatabaseURL())
	defer db.Close()
	eventually(h.t, "an empty queue of "+email, func() bool {
		return queryValue[int](h.t, db, "SELECT count(*) FROM outbox WHERE queue = $1", secret.Digest(email)) == 0
	})
}

// requireConsistent checks the consistency of the database, except for the checks in but.
func (h *installation) requireConsistent(but ...string) {
	h.t.Helper()
	db := openDatabase(h.t, h.config.DatabaseURL())
	defer db.Close()
	if strings.HasPrefix(h.config.DatabaseURL(), "sqlite:") {
		if got := queryValue[string](h.t, db, "PRAGMA integrity_check"); got != "ok" {
			h.t.Errorf("integrity: %s", got)
		}
		if n := len(dumpQuery(h.t, db, "PRAGMA foreign_key_check")); n != 0 {
			h.t.Errorf("%d rows refer to nothing", n)
		}
	}
	for what, query := range map[string]string{
		"accounts without a password": "SELECT count(*) FROM accounts a WHERE NOT EXISTS (SELECT 1 FROM credentials c WHERE c.tenant_id = a.tenant_id AND c.account_id = a.id)",
		"accounts without an event":   "SELECT count(*) FROM accounts a WHERE NOT EXISTS (SELECT 1 FROM audit e WHERE e.tenant_id = a.tenant_id AND e.account_id = a.id)",
		"sessions without an event":   "SELECT count(*) FROM sessions s WHERE NOT EXISTS (SELECT 1 FROM audit e WHERE e.tenant_id = s.tenant_id AND e.account_id = s.account_id AND e.event = 'login')",
		"families without a session":  "SELECT count(*) FROM refresh_families f WHERE NOT EXISTS (SELECT 1 FROM sessions s WHERE s.tenant_id = f.tenant_id AND s.id = f.session_id)",
		"families that outlive it":    "SELECT count(*) FROM refresh_families f JOIN sessions s ON s.tenant_id = f.tenant_id AND s.id = f.session_id WHERE s.ended_at IS NOT NULL AND f.revoked_at IS NULL",
	} {
		if n := queryValue[int](h.t, db, query); n != 0 && !slices.Contains(but, what) {
			h.t.Errorf("%d %s", n, what)
		}
	}
}

// TestAttack_OP_01_MasterKey starts the real binary without a master key, with a bad one, and
// with a file that others can read.
func TestAttack_OP_01_MasterKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // independent of the umask
			t.Fatal(err)
		}
		return path
	}
	good := base64Of(secret.Bytes(32))
	for name, c := range map[string]struct{ set, says string }{
		"none":               {"WATCHWORD_MASTER_KEY=", "WATCHWORD_MASTER_KEY"},
		"a default":          {"WATCHWORD_MASTER_KEY=" + base64Of(bytes.Repeat([]byte{0}, 32)), "master_key"},
		"a word":             {"WATCHWORD_MASTER_KEY=changeme", "master_key"},
		"too short":          {"WATCHWORD_MASTER_KEY=" + base64Of(secret.Bytes(16)), "master_key"},
		"readable by others": {"WATCHWORD_MASTER_KEY_FILE=" + file("open", good, 0o644), "chmod"},
		"writable by group":  {"WATCHWORD_MASTER_KEY_FILE=" + file("group", good, 0o660), "chmod"},
		"a missing file":     {"WATCHWORD_MASTER_KEY_FILE=" + filepath.Join(dir, "missing"), "missing"},
	} {
		t.Run("OP-01 "+name, func(t *testing.T) {
			t.Parallel()
			data := filepath.Join(t.TempDir(), "data")
			cmd := exec.Command(buildBinary(t, ""), "serve")
			cmd.Dir = t.TempDir()
			cmd.Env = []string{"WATCHWORD_ISSUER=http://127.0.0.1:1", "WATCHWORD_LISTEN=127.0.0.1:0", "WATCHWORD_MANAGE=127.0.0.1:0", "WATCHWORD_SMTP_URL=smtp://127.0.0.1:1", "WATCHWORD_SMTP_FROM=a@example.test",
				"WATCHWORD_DATA=" + data, c.set}
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState.ExitCode() != 1 || !bytes.Contains(out, []byte(c.says)) {
				t.Errorf("ended with %v and printed\n%s", err, out)
			}
			if bytes.Contains(out, []byte(good)) || bytes.Contains(out, []byte("changeme")) {
				t.Errorf("the key is repeated:\n%s", out)
			}
			if _, err := os.Stat(data); err == nil {
				t.Error("the data directory exists")
			}
		})
	}
}
