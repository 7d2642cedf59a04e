package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"watchword": main})
}

// TestScripts runs testdata/*.txtar: each reads like a page of the manual.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"addresses": addresses,
			"ready":     waitUntilReady,

			"credentials": credentials,
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			return nil
		},
	})
}

// addresses NAME... sets each variable to a loopback address that is free.
func addresses(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		ts.Setenv(name, freeAddress())
	}
}

// credentials FILE ID SECRET sets two variables to what a file says of a client.
func credentials(ts *testscript.TestScript, neg bool, args []string) {
	var v struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &v))
	ts.Setenv(args[1], v.ID)
	ts.Setenv(args[2], v.Secret)
}

func freeAddress() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// waitUntilReady is the command "ready URL": it waits until the URL answers 200.
func waitUntilReady(ts *testscript.TestScript, neg bool, args []string) {
	if !isServing(args[0]) {
		ts.Fatalf("%s does not become ready", args[0])
	}
}

func isServing(url string) bool {
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get(url)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return true
			}
		}
	}
	return false
}

// buffer is a bytes.Buffer for two goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// startDev runs "watchword dev" inside the test and returns its listener and what
// it prints.
func startDev(t *testing.T, data string) (addr string, out *buffer) {
	t.Helper()
	addr = freeAddress()
	var errs buffer
	out = &buffer{}
	ctx, cancel := context.WithCancel(context.Background())
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"dev", "--listen", addr, "--manage", freeAddress(), "--data", data}, system{Out: out, Err: &errs})
	}()
	t.Cleanup(func() {
		cancel()
		if c := <-code; c != 0 {
			t.Errorf("watchword dev ended with %d:\n%s", c, errs.String())
		}
	})
	if !isServing("http://" + addr + "/readyz") {
		t.Fatalf("not ready:\n%s%s", out, &errs)
	}
	// The text follows the listeners.
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if strings.Contains(out.String(), "Stop with") {
			return addr, out
		}
	}
	t.Fatalf("no ready line:\n%s", out)
	return "", nil
}

// TestDevPrintsCommandsThatWork copies the printed commands into a shell, as a new
// user does.
func TestDevPrintsCommandsThatWork(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	_, out := startDev(t, data)
	commands := printedCommands(out.String())
	if len(commands) != 5 {
		t.Fatalf("%d commands printed:\n%s", len(commands), out)
	}
	for _, i := range []int{0, 4} {
		script := commands[0]
		if i == 4 {
			script = commands[1] + "\nfor i in 1 2 3 4 5 6 7 8 9 10; do\n" + commands[2] + "\n[ -n \"$LINK\" ] && break; sleep 0.3; done\n" + commands[3] + "\n" + commands[4]
		}
		got, err := exec.Command("bash", "-c", script).CombinedOutput()
		if err != nil || !regexp.MustCompile(`"access_token":"[\w-]+\.[\w-]+\.[\w-]+"`).Match(got) {
			t.Errorf("no token from\n%s\n%v\n%s", script, err, got)
		}
	}
}

// printedCommands joins the indented lines that begin a command with their
// continuations.
func printedCommands(text string) (commands []string) {
	text = strings.ReplaceAll(text, "\\\n", " ")
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "curl ") || strings.HasPrefix(line, "LINK=") {
			commands = append(commands, line)
		}
	}
	return commands
}

func TestDevShowsTheAdminPasswordOnce(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	shown := regexp.MustCompile(`password ([a-z0-9]{20})`)
	var password string
	t.Run("first start", func(t *testing.T) {
		_, out := startDev(t, data)
		m := shown.FindStringSubmatch(out.String())
		if m == nil {
			t.Fatalf("no password:\n%s", out)
		}
		password = m[1]
	})
	t.Run("second start", func(t *testing.T) {
		_, out := startDev(t, data)
		if strings.Contains(out.String(), password) || shown.MatchString(out.String()) {
			t.Errorf("a password again:\n%s", out)
		}
	})
	err := filepath.WalkDir(data, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(password)) {
			t.Errorf("%s holds the password", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
