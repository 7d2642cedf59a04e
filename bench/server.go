package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/watchword-auth/watchword/internal/secret"
)

// server is a Watchword under measurement.
type server struct {
	*process
	binary string
	dir    string
	env    []string
}

const passphrase = "plain-sailing-42"

// The rate limits are raised, so that they do not bound the benchmark.
const settings = `
access_log: false
limits:
  login: {ip: 1000000/1s, account: 1000000/1s}
  register: {ip: 1000000/1s, account: 1000000/1s}
  refresh: {ip: 1000000/1s, credential: 1000000/1s}
  client: {ip: 1000000/1s, credential: 1000000/1s}
  authorize: {ip: 1000000/1s}
`

// newServer creates a directory with the configuration of one server.
func newServer(name, database, config string) (*server, error) {
	dir := filepath.Join(scratchDir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "watchword.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	addr := freeAddr()
	env := []string{
		"WATCHWORD_CONFIG=" + file,
		"WATCHWORD_LISTEN=" + addr,
		"WATCHWORD_MANAGE=" + freeAddr(),
		"WATCHWORD_ISSUER=http://" + addr,
		"WATCHWORD_DATA=" + dir,
		"WATCHWORD_MASTER_KEY=" + base64.StdEncoding.EncodeToString(secret.Bytes(32)),
		"WATCHWORD_SMTP_URL=smtp://127.0.0.1:1",
		"WATCHWORD_SMTP_FROM=bench@example.test",
	}
	if database != "" {
		env = append(env, "WATCHWORD_DATABASE="+database)
	}
	return &server{binary: *binary, dir: dir, env: env, process: &process{name: name, addr: addr}}, nil
}

func startWatchword(name, database string) (*server, error) {
	return startConfigured(name, database, settings)
}

func startConfigured(name, database, config string) (*server, error) {
	return startBinary(*binary, name, database, config)
}

func startBinary(binary, name, database, config string) (*server, error) {
	s, err := newServer(name, database, config)
	if err != nil {
		return nil, err
	}
	s.binary = binary
	return s, s.waitUntilReady()
}

func (s *server) waitUntilReady() (err error) {
	s.process, err = start(s.name, s.addr, s.env, s.binary, "serve")
	return err
}

// pair holds the tokens of a login.
type pair struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// signInUsers creates n accounts and signs each in.
func (s *server) signInUsers(n int) ([]pair, error) {
	out := make([]pair, n)
	for i := range out {
		if err := s.createUser(email(i)); err != nil {
			return nil, err
		}
		if err := s.login(email(i), &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func email(i int) string { return fmt.Sprintf("user%d@example.test", i) }

func (s *server) createUser(email string) error {
	_, err := runCommand(passphrase+"\n", s.env, s.binary, "user", "create", "--email", email, "--password-stdin", "--verified")
	return err
}

func (s *server) login(email string, into *pair) error {
	resp, err := http.Post("http://"+s.addr+"/api/v1/login", "application/json", strings.NewReader(credentials(email, passphrase)))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("login: %s", resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

func credentials(email, password string) string {
	return fmt.Sprintf(`{"email":%q,"password":%q}`, email, password)
}
