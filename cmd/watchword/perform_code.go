package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// performCode is a native client (RFC 8252): it listens on this machine, sends the
// person to the server's pages, and redeems the code that comes back.
type performCode struct {
	asking
	PAR       bool          `name:"par" help:"Push the request first (RFC 9126), so that the address holds nothing of it."`
	Prompt    string        `placeholder:"WORDS" help:"none, login, consent or select_account."`
	Path      string        `default:"/callback" help:"Path of the redirect URI, which is http://127.0.0.1:PORT and this."`
	Port      int           `placeholder:"PORT" help:"Port of the redirect URI; any that is free when not given. Clients other than native ones must have registered it."`
	NoBrowser bool          `name:"no-browser" help:"Only print the address."`
	Timeout   time.Duration `default:"5m" help:"How long to wait for the person."`
}

// attempt is one authorization request and what its answer is checked against.
type attempt struct {
	redirect, state, nonce, verifier string
}

func (c performCode) Run(e *env) error {
	p, err := c.party(e)
	if err != nil {
		return err
	}
	if p.Authorization == "" {
		return fmt.Errorf("%s has no authorization endpoint", p.Issuer)
	}
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", c.Port))
	if err != nil {
		return fmt.Errorf("listen for the answer: %w", err)
	}
	defer l.Close()
	a := attempt{redirect: "http://" + l.Addr().String() + c.Path, state: rand.Text(), nonce: rand.Text(), verifier: rand.Text() + rand.Text()}
	address, err := c.address(e.ctx, p, a)
	if err != nil {
		return err
	}
	code, err := c.await(e, l, p, a, address)
	if err != nil {
		return err
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {a.redirect}, "code_verifier": {a.verifier}}
	if len(c.Resource) > 0 {
		form["resource"] = c.Resource
	}
	answer, err := p.token(e.ctx, form)
	if err != nil {
		return err
	}
	said, err := p.idToken(e.ctx, answer, a.nonce)
	if err != nil {
		return err
	}
	return c.show(e, answer, said)
}

// address is where the person has to go.
func (c performCode) address(ctx context.Context, p *party, a attempt) (string, error) {
	sum := sha256.Sum256([]byte(a.verifier))
	q := c.form(url.Values{
		"response_type": {"code"}, "client_id": {p.id}, "redirect_uri": {a.redirect}, "state": {a.state}, "nonce": {a.nonce},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	})
	if q.Get("scope") == "" {
		q.Set("scope", "openid")
	}
	if c.Prompt != "" {
		q.Set("prompt", c.Prompt)
	}
	if p.key != nil {
		thumbprint, err := p.key.thumbprint()
		if err != nil {
			return "", fmt.Errorf("name the key: %w", err)
		}
		q.Set("dpop_jkt", thumbprint)
	}
	if c.PAR {
		var pushed struct {
			RequestURI string `json:"request_uri"`
		}
		if p.Pushed == "" {
			return "", fmt.Errorf("%s takes no pushed requests", p.Issuer)
		}
		if err := p.post(ctx, p.Pushed, q, &pushed); err != nil {
			return "", fmt.Errorf("push the request: %w", err)
		}
		q = url.Values{"client_id": {p.id}, "request_uri": {pushed.RequestURI}}
	}
	return p.Authorization + "?" + q.Encode(), nil
}

// await shows the person the way and waits until they come back with a code.
func (c performCode) await(e *env, l net.Listener, p *party, a attempt, address string) (string, error) {
	answers := make(chan url.Values, 1)
	back := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: c.callback(a, answers)}
	go func() { _ = back.Serve(l) }()
	defer back.Close()
	fmt.Fprintf(e.Err, "Sign in at\n%s\n", address)
	if !c.NoBrowser {
		if err := e.browse(address); err != nil {
			fmt.Fprintf(e.Err, "(no browser opens by itself: %v)\n", err)
		}
	}
	late := time.NewTimer(c.Timeout)
	defer late.Stop()
	select {
	case q := <-answers:
		return p.code(q)
	case <-late.C:
		return "", fmt.Errorf("nobody has come back within %v", c.Timeout)
	case <-e.ctx.Done():
		return "", e.ctx.Err()
	}
}

// callback takes the one answer that has our state. Anything else, which any page in
// the browser can send here, is not for us.
func (c performCode) callback(a attempt, answers chan<- url.Values) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		q := r.URL.Query()
		if r.Method != http.MethodGet || r.URL.Path != c.Path || q.Get("state") != a.state {
			http.Error(w, "This is not the answer that watchword waits for.", http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, "Done. You can close this page and go back to the terminal.\n")
		select {
		case answers <- q:
		default: // it has its answer
		}
	})
}

// code reads an answer that has our state: it must come from the server that was asked
// (RFC 9207 §2.4).
func (p *party) code(q url.Values) (string, error) {
	if iss := q.Get("iss"); iss != p.Issuer && (iss != "" || p.IssInAnswer) {
		return "", fmt.Errorf("the answer comes from %q, not from %s", iss, p.Issuer)
	}
	if code := q.Get("error"); code != "" {
		return "", fmt.Errorf("the server refused: %s (%s)", code, q.Get("error_description"))
	}
	if q.Get("code") == "" {
		return "", errors.New("the answer holds no code")
	}
	return q.Get("code"), nil
}

// browse opens an address in the person's browser.
func (e *env) browse(address string) error {
	if e.Browse != nil {
		return e.Browse(address)
	}
	if !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://") {
		return errors.New("the server's address is not one of the web")
	}
	name, args := "xdg-open", []string{address}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", address}
	}
	return exec.Command(name, args...).Start()
}
