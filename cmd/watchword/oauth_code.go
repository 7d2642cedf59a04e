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

// oauthCode is a native client (RFC 8252): it listens on a loopback address, opens the
// authorization request in the browser, and redeems the code.
type oauthCode struct {
	tokenRequest
	PAR       bool          `name:"par" help:"Push the authorization request first (PAR, RFC 9126)."`
	Prompt    string        `placeholder:"PROMPT" help:"Prompt parameter: none, login, consent or select_account."`
	Path      string        `default:"/callback" help:"Path of the redirect URI http://127.0.0.1:PORT/PATH."`
	Port      int           `placeholder:"PORT" help:"Port of the redirect URI (default: any free port, which only native clients may use)."`
	NoBrowser bool          `name:"no-browser" help:"Print the URL without opening the browser."`
	Timeout   time.Duration `default:"5m" help:"How long to wait for the sign-in."`
}

// authorizationRequest holds what the response is checked against.
type authorizationRequest struct {
	redirect, state, nonce, verifier string
}

func (c oauthCode) Run(e *env) error {
	p, err := c.newClient(e)
	if err != nil {
		return err
	}
	if p.Authorization == "" {
		return fmt.Errorf("%s has no authorization endpoint", p.Issuer)
	}
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", c.Port))
	if err != nil {
		return fmt.Errorf("listen for the redirect: %w", err)
	}
	defer l.Close()
	a := authorizationRequest{redirect: "http://" + l.Addr().String() + c.Path, state: rand.Text(), nonce: rand.Text(), verifier: rand.Text() + rand.Text()}
	address, err := c.authorizationURL(e.ctx, p, a)
	if err != nil {
		return err
	}
	code, err := c.awaitCode(e, l, p, a, address)
	if err != nil {
		return err
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {a.redirect}, "code_verifier": {a.verifier}}
	if len(c.Resource) > 0 {
		form["resource"] = c.Resource
	}
	response, err := p.requestToken(e.ctx, form)
	if err != nil {
		return err
	}
	claims, err := p.idTokenClaims(e.ctx, response, a.nonce)
	if err != nil {
		return err
	}
	return c.printTokens(e, response, claims)
}

// authorizationURL returns the URL of the authorization request.
func (c oauthCode) authorizationURL(ctx context.Context, p *oauthClient, a authorizationRequest) (string, error) {
	sum := sha256.Sum256([]byte(a.verifier))
	q := c.addScope(url.Values{
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
			return "", fmt.Errorf("compute the thumbprint: %w", err)
		}
		q.Set("dpop_jkt", thumbprint)
	}
	if c.PAR {
		var pushed struct {
			RequestURI string `json:"request_uri"`
		}
		if p.Pushed == "" {
			return "", fmt.Errorf("%s does not support pushed authorization requests", p.Issuer)
		}
		if err := p.post(ctx, p.Pushed, q, &pushed); err != nil {
			return "", fmt.Errorf("push the authorization request: %w", err)
		}
		q = url.Values{"client_id": {p.id}, "request_uri": {pushed.RequestURI}}
	}
	return p.Authorization + "?" + q.Encode(), nil
}

// awaitCode prints and opens the URL, and waits for the redirect with the code.
func (c oauthCode) awaitCode(e *env, l net.Listener, p *oauthClient, a authorizationRequest, address string) (string, error) {
	responses := make(chan url.Values, 1)
	callbackServer := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: c.callback(a, responses)}
	go func() { _ = callbackServer.Serve(l) }()
	defer shutDown(callbackServer)
	fmt.Fprintf(e.Err, "Sign in at:\n%s\n", address)
	if !c.NoBrowser {
		if err := e.browse(address); err != nil {
			fmt.Fprintf(e.Err, "(cannot open a browser: %v)\n", err)
		}
	}
	timeout := time.NewTimer(c.Timeout)
	defer timeout.Stop()
	select {
	case q := <-responses:
		return p.parseResponse(q)
	case <-timeout.C:
		return "", fmt.Errorf("no response within %v", c.Timeout)
	case <-e.ctx.Done():
		return "", e.ctx.Err()
	}
}

// shutDown closes the server after the browser has got its page.
func shutDown(s *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.Shutdown(ctx) != nil {
		_ = s.Close()
	}
}

// callback accepts one response with the expected state. It rejects anything else, because
// any page in the browser can send requests here.
func (c oauthCode) callback(a authorizationRequest, responses chan<- url.Values) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		q := r.URL.Query()
		if r.Method != http.MethodGet || r.URL.Path != c.Path || q.Get("state") != a.state {
			http.Error(w, "Not the expected authorization response.", http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, "Done. You can close this page and return to the terminal.\n")
		select {
		case responses <- q:
		default: // a response has already arrived
		}
	})
}

// parseResponse returns the code of an authorization response. The response must be from
// the server of the request (RFC 9207 §2.4).
func (p *oauthClient) parseResponse(q url.Values) (string, error) {
	if iss := q.Get("iss"); iss != p.Issuer && (iss != "" || p.IssInResponse) {
		return "", fmt.Errorf("the response is from issuer %q, not %s", iss, p.Issuer)
	}
	if code := q.Get("error"); code != "" {
		return "", fmt.Errorf("authorization failed: %s (%s)", code, q.Get("error_description"))
	}
	if q.Get("code") == "" {
		return "", errors.New("the response has no code")
	}
	return q.Get("code"), nil
}

// browse opens a URL in the user's browser.
func (e *env) browse(address string) error {
	if e.Browse != nil {
		return e.Browse(address)
	}
	if !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://") {
		return errors.New("the authorization endpoint is not an http URL")
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
