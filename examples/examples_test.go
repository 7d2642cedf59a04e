// Package examples runs the examples: a development server, a Go API with guard, a Flask
// API with PyJWT, and a token for each.
package examples

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const password = "tidal-lantern-77"

func TestExamples(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	watchword := build(t, dir, "../cmd/watchword")
	goAPI := build(t, dir, "./go-api")
	python := flask(t)

	issuerAddr, goAddr, flaskAddr := free(t), free(t), free(t)
	issuer := "http://" + issuerAddr
	env := append(os.Environ(), "WATCHWORD_LISTEN="+issuerAddr, "WATCHWORD_MANAGE="+free(t), "WATCHWORD_DATA="+filepath.Join(dir, "data"),
		"ISSUER="+issuer, "LISTEN="+goAddr,
		"WATCHWORD_OAUTH_RESOURCES=http://"+goAddr+",http://"+flaskAddr)
	start(t, env, "", watchword, "dev")
	up(t, issuer+"/readyz")
	start(t, append(env, "RESOURCE=http://"+goAddr), "", goAPI)
	start(t, append(env, "RESOURCE=http://"+flaskAddr), "flask-api", python, "-m", "flask", "--app", "app", "run", "--port", port(flaskAddr))
	up(t, "http://"+goAddr+"/hello")
	up(t, "http://"+flaskAddr+"/hello")

	manage(t, env, watchword, password, "user", "create", "--email", "bob@example.test", "--password-stdin", "--verified")
	goPlain, flaskPlain := login(t, issuer, "http://"+goAddr), login(t, issuer, "http://"+flaskAddr)
	manage(t, env, watchword, "", "role", "create", "clerk", "--allow", "orders:read")
	manage(t, env, watchword, "", "role", "assign", "bob@example.test", "clerk")
	manage(t, env, watchword, "", "role", "assign", "bob@example.test", "admin")
	goClerk, flaskClerk := login(t, issuer, "http://"+goAddr), login(t, issuer, "http://"+flaskAddr)

	forged := func(token string) string { return token[:len(token)-2] + "AA" }
	for _, c := range []struct {
		url, token string
		want       int
	}{
		{"http://" + goAddr + "/hello", "", 401},
		{"http://" + goAddr + "/hello", forged(goClerk), 401},
		{"http://" + goAddr + "/hello", goPlain, 200},
		{"http://" + goAddr + "/hello", flaskPlain, 401},
		{"http://" + goAddr + "/admin", goPlain, 403},
		{"http://" + goAddr + "/admin", goClerk, 200},
		{"http://" + flaskAddr + "/hello", "", 401},
		{"http://" + flaskAddr + "/hello", forged(flaskClerk), 401},
		{"http://" + flaskAddr + "/hello", flaskPlain, 200},
		{"http://" + flaskAddr + "/hello", goPlain, 401},
		{"http://" + flaskAddr + "/orders", flaskPlain, 403},
		{"http://" + flaskAddr + "/orders", flaskClerk, 200},
	} {
		if got, body := get(t, c.url, c.token); got != c.want {
			t.Errorf("%s: %d, want %d: %s", c.url, got, c.want, body)
		}
	}
}

func build(t *testing.T, dir, pkg string) string {
	t.Helper()
	bin := filepath.Join(dir, filepath.Base(pkg))
	if out, err := exec.Command("go", "build", "-o", bin, pkg).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return bin
}

// flask returns a Python interpreter with the packages that the example imports.
func flask(t *testing.T) string {
	t.Helper()
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(python, "-c", "import flask, jwt, cryptography, authlib, requests").Run() == nil {
			return python
		}
	}
	if os.Getenv("WATCHWORD_TEST_ALL") != "" {
		t.Fatal("no Python with flask and jwt")
	}
	t.Skip("no Python with flask and jwt")
	return ""
}

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func port(addr string) string {
	_, p, _ := net.SplitHostPort(addr)
	return p
}

// start runs a program until the test ends.
func start(t *testing.T, env []string, dir string, argv ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = env, dir
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", strings.Join(argv, " "), out.String())
		}
	})
}

// up waits until a server responds with any status.
func up(t *testing.T, url string) {
	t.Helper()
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		if resp, err := http.Get(url); err == nil {
			resp.Body.Close()
			return
		}
	}
	t.Fatalf("%s does not respond", url)
}

func manage(t *testing.T, env []string, watchword, stdin string, args ...string) {
	t.Helper()
	cmd := exec.Command(watchword, args...)
	cmd.Env, cmd.Stdin = env, strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("watchword %v: %v\n%s", args, err, out)
	}
}

func login(t *testing.T, issuer, resource string) string {
	t.Helper()
	resp, err := http.Post(issuer+"/api/v1/login", "application/json", strings.NewReader(fmt.Sprintf(`{"email":"bob@example.test","password":%q,"resource":%q}`, password, resource)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var tokens struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&tokens); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("login: %s, %v", resp.Status, err)
	}
	return tokens.AccessToken
}

func get(t *testing.T, url, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}
