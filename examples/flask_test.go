package examples

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The Flask API responds with JSON errors that distinguish expired tokens, invalid tokens
// and an unavailable issuer. It accepts a new algorithm of the keys, and uses introspection
// where revocation must apply at once.
func TestRepair_N12_FlaskAPI(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	watchword := filepath.Join(dir, "watchword")
	if out, err := exec.Command("go", "build", "-tags", "faults", "-o", watchword, "../cmd/watchword").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	python, clock := flask(t), filepath.Join(dir, "clock")
	moveClock(t, clock, "-2h")
	issuerAddr, apiAddr := free(t), free(t)
	issuer, api := "http://"+issuerAddr, "http://"+apiAddr
	env := append(os.Environ(), "WATCHWORD_LISTEN="+issuerAddr, "WATCHWORD_MANAGE="+free(t), "WATCHWORD_DATA="+filepath.Join(dir, "data"),
		"WATCHWORD_FAULT_CLOCK="+clock, "WATCHWORD_OAUTH_RESOURCES="+api, "ISSUER="+issuer, "RESOURCE="+api)
	stop := startServer(t, env, watchword)
	up(t, issuer+"/readyz")
	manage(t, env, watchword, password, "user", "create", "--email", "bob@example.test", "--password-stdin", "--verified")
	manage(t, env, watchword, "", "role", "create", "clerk", "--allow", "orders:read")
	manage(t, env, watchword, "", "role", "assign", "bob@example.test", "clerk")
	id, secret := newClient(t, env, watchword, "--name", "Refunds", "--type", "machine", "--serves", api)
	start(t, append(env, "CLIENT_ID="+id, "CLIENT_SECRET="+secret), "flask-api", python, "-m", "flask", "--app", "app", "run", "--port", port(apiAddr))
	up(t, api+"/hello")

	expired := login(t, issuer, api)
	moveClock(t, clock, "0s")
	good := login(t, issuer, api)
	requireRefusal(t, "GET", api+"/orders", "", 401, "missing_token")
	requireRefusal(t, "GET", api+"/orders", good[:len(good)-4]+"AAAA", 401, "invalid_token")
	requireRefusal(t, "GET", api+"/orders", expired, 401, "token_expired")
	requireRefusal(t, "GET", api+"/orders", good, 200, "")
	requireRefusal(t, "POST", api+"/refunds", good, 201, "")

	logOut(t, issuer)
	requireRefusal(t, "GET", api+"/orders", good, 200, "") // until it expires
	requireRefusal(t, "POST", api+"/refunds", good, 401, "invalid_token")

	stop()
	requireRefusal(t, "POST", api+"/refunds", good, 503, "issuer_unavailable")
	lone := free(t)
	start(t, append(env, "ISSUER=http://"+free(t)), "flask-api", python, "-m", "flask", "--app", "app", "run", "--port", port(lone))
	up(t, "http://"+lone+"/hello")
	requireRefusal(t, "GET", "http://"+lone+"/orders", good, 503, "keys_unavailable")
}

// The Flask application signs a user in through the pages.
func TestRepair_N12_FlaskLogin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	watchword := build(t, dir, "../cmd/watchword")
	python := flask(t)
	issuerAddr, appAddr := free(t), free(t)
	issuer, app := "http://"+issuerAddr, "http://"+appAddr
	env := append(os.Environ(), "WATCHWORD_LISTEN="+issuerAddr, "WATCHWORD_MANAGE="+free(t), "WATCHWORD_DATA="+filepath.Join(dir, "data"), "ISSUER="+issuer)
	start(t, env, "", watchword, "dev")
	up(t, issuer+"/readyz")
	manage(t, env, watchword, password, "user", "create", "--email", "bob@example.test", "--password-stdin", "--verified")
	id, secret := newClient(t, env, watchword, "--name", "Shop", "--type", "web", "--first-party", "--redirect-uri", app+"/callback")
	start(t, append(env, "CLIENT_ID="+id, "CLIENT_SECRET="+secret), "flask-api", python, "-m", "flask", "--app", "login", "run", "--port", port(appAddr))
	up(t, app+"/login")

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	res, err := browser.Get(app + "/")
	page := readBody(t, res, err)
	form := url.Values{"email": {"bob@example.test"}, "password": {password}}
	for _, field := range regexp.MustCompile(`type="hidden" name="([^"]*)" value="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		form.Set(field[1], field[2])
	}
	req, err := http.NewRequest("POST", issuer+"/login", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", issuer)
	res, err = browser.Do(req)
	if body := readBody(t, res, err); res.Request.URL.String() != app+"/" || body != "Hello, bob@example.test" {
		t.Errorf("at %s: %s", res.Request.URL, body)
	}
}

func moveClock(t *testing.T, file, by string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(by), 0o600); err != nil {
		t.Fatal(err)
	}
}

// startServer is like start, for a server that the test stops.
func startServer(t *testing.T, env []string, watchword string) (stop func()) {
	t.Helper()
	cmd := exec.Command(watchword, "dev")
	cmd.Env = env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = func() { cmd.Process.Kill(); cmd.Wait() }
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Log(out.String())
		}
	})
	return stop
}

func newClient(t *testing.T, env []string, watchword string, args ...string) (id, secret string) {
	t.Helper()
	cmd := exec.Command(watchword, append([]string{"client", "create", "--json"}, args...)...)
	cmd.Env = env
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("client create %v: %v", args, err)
	}
	var c struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	if err := json.Unmarshal(out, &c); err != nil || c.ID == "" {
		t.Fatalf("%v: %s", err, out)
	}
	return c.ID, c.Secret
}

// logOut ends the other sessions of bob.
func logOut(t *testing.T, issuer string) {
	t.Helper()
	own := login(t, issuer, "")
	for _, session := range sessions(t, issuer, own) {
		req, _ := http.NewRequest("DELETE", issuer+"/api/v1/me/sessions/"+session, nil)
		req.Header.Set("Authorization", "Bearer "+own)
		res, err := http.DefaultClient.Do(req)
		readBody(t, res, err)
	}
}

func sessions(t *testing.T, issuer, token string) (ids []string) {
	t.Helper()
	_, body := get(t, issuer+"/api/v1/me/sessions", token)
	for _, m := range regexp.MustCompile(`"id":"([^"]+)","current":false`).FindAllStringSubmatch(body, -1) {
		ids = append(ids, m[1])
	}
	if len(ids) == 0 {
		t.Fatalf("no session to end: %s", body)
	}
	return ids
}

// requireRefusal sends a request to the API and compares status and code. Every refusal is
// JSON.
func requireRefusal(t *testing.T, method, address, token string, status int, code string) {
	t.Helper()
	req, err := http.NewRequest(method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := (&http.Client{Timeout: time.Minute}).Do(req)
	body := readBody(t, res, err)
	var problem struct{ Code string }
	if err := json.Unmarshal([]byte(body), &problem); err != nil || res.StatusCode != status || problem.Code != code {
		t.Errorf("%s %s: %s %s, want %d %s", method, address, res.Status, body, status, code)
	}
	if challenge := res.Header.Get("WWW-Authenticate"); (status == 401) != (challenge != "") {
		t.Errorf("%s %s: challenge %q", method, address, challenge)
	}
}

func readBody(t *testing.T, res *http.Response, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
