package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/guard/guardtest"
)

// servePeer runs bench as a server under measurement.
func servePeer(what, addr, issuer string) {
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello\n") })
	var h http.Handler = hello
	if what == "guard" {
		g, err := guard.New(context.Background(), guard.Config{Issuer: issuer})
		if err != nil {
			fatal(err)
		}
		h = g.Require()(hello)
	}
	fatal(http.ListenAndServe(addr, h))
}

func guardSection(b *bench) error {
	s, err := startWatchword("guard-issuer", "")
	if err != nil {
		return err
	}
	defer s.stop()
	tokens, err := s.signInUsers(1)
	if err != nil {
		return err
	}
	self, _ := os.Executable()
	addr := freeAddr()
	p, err := start("guard", addr, nil, self, "-serve", "guard", "-listen", addr, "-issuer", "http://"+s.addr)
	if err != nil {
		return err
	}
	defer p.stop()
	b.printHead("A handler behind guard", "16 clients, keep-alive; the same six bytes as \"hello\".")
	request := getRequest(addr, "/", tokens[0].Access)
	b.printRow("`guard.Require()`, token seen before", b.measureCost(p, load{addr: addr, clients: 16, span: *span, next: func(int, int) []byte { return request }}))
	if err := flaskHello(b); err != nil {
		return err
	}
	fmt.Println()
	return coldVerify()
}

// coldVerify compares guard on new tokens with only the signature check, alternating within this process.
func coldVerify() error {
	issuer := guardtest.New(noopTB{})
	g := issuer.Guard()
	const n = 4000
	tokens := make([]string, n)
	for i := range tokens {
		tokens[i] = issuer.Mint(guardtest.Token{Subject: fmt.Sprint("user", i)})
	}
	if _, err := g.Verify(context.Background(), tokens[0]); err != nil {
		return err
	}
	var raw, ours time.Duration
	key, err := publicKey(issuer)
	if err != nil {
		return err
	}
	for i := 1; i < n; i++ {
		start := time.Now()
		if !rawVerify(key, tokens[i]) {
			return fmt.Errorf("the bare check refuses a valid token")
		}
		middle := time.Now()
		if _, err := g.Verify(context.Background(), tokens[i]); err != nil {
			return err
		}
		raw, ours = raw+middle.Sub(start), ours+time.Since(middle)
	}
	hot := time.Now()
	for range 100_000 {
		g.Verify(context.Background(), tokens[n-1])
	}
	perHot := time.Since(hot) / 100_000
	fmt.Printf("ES256 in this process: bare signature check %s, guard on a new token %s (%.2f ×), guard on a known token %s.\n\n",
		formatDuration(raw/(n-1)), formatDuration(ours/(n-1)), float64(ours)/float64(raw), formatDuration(perHot))
	return nil
}

func publicKey(issuer *guardtest.Issuer) (*ecdsa.PublicKey, error) {
	resp, err := issuer.Client().Get(issuer.Config().Issuer + "/.well-known/jwks.json")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var set jose.JSONWebKeySet
	if err := json.NewDecoder(resp.Body).Decode(&set); err != nil {
		return nil, err
	}
	key, ok := set.Keys[0].Key.(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("the test issuer signs with %T", set.Keys[0].Key)
	}
	return key, nil
}

// rawVerify does the least work of any verifier.
func rawVerify(key *ecdsa.PublicKey, token string) bool {
	dot := strings.LastIndexByte(token, '.')
	sig, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil || len(sig) != 64 {
		return false
	}
	sum := sha256.Sum256([]byte(token[:dot]))
	return ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
}

// noopTB replaces a testing.TB: bench ends with the process.
type noopTB struct{}

func (noopTB) Cleanup(func())            {}
func (noopTB) Helper()                   {}
func (noopTB) Fatalf(f string, a ...any) { fatal(fmt.Errorf(f, a...)) }

// startFlask runs the tutorial system under gunicorn with two workers.
func startFlask() (*process, error) {
	addr := freeAddr()
	python := os.Getenv("WATCHWORD_BENCH_PYTHON")
	if python == "" {
		python = "/usr/bin/python3"
	}
	return start("flask", addr, nil, python, "-m", "gunicorn", "-w", "2", "-k", "gthread", "--threads", "8", "-b", addr, "--chdir", "bench/flask", "app:app")
}

func flaskHello(b *bench) error {
	f, err := startFlask()
	if err != nil {
		return err
	}
	defer f.stop()
	var c conn
	a, err := c.roundTrip(f.addr, postRequest(f.addr, "/login", credentials("alice@example.test", passphrase)))
	c.close()
	if err != nil || a.status != http.StatusOK {
		return fmt.Errorf("flask login: %d %w", a.status, err)
	}
	token := strings.Split(string(a.body), `"`)[3]
	request := getRequest(f.addr, "/hello", token)
	b.printRow("Flask + PyJWT (HS256), gunicorn with 2 workers", b.measureCost(f, load{addr: f.addr, clients: 16, span: *span, next: func(int, int) []byte { return request }}))
	return nil
}
