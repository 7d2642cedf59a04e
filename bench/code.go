package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The authorization code flow of Watchword and of npm oidc-provider with its in-memory adapter.

const (
	peerSecret  = "bench-secret-of-the-peer"
	redirectURI = "https://app.example.test/cb"
	verifier    = "bench-verifier-bench-verifier-bench-verifier-bench"
)

// provider is an OpenID provider under measurement, with one client and one user
// who is signed in.
type provider struct {
	*process
	server                                 *server // nil for a peer
	authorize, token, userinfo, introspect string  // paths
	client                                 machineClient
	cookie                                 string   // of the user's browser
	users                                  []string // cookies of the browsers, when each client has its own user
}

// peerProvider runs oidc-provider.
func peerProvider(client string) (*provider, error) {
	addr := freeAddr()
	p, err := start("oidc-provider", addr, []string{"NODE_ENV=production"}, "node", filepath.Join("bench", "oidcprovider", "server.mjs"), addr)
	if err != nil {
		return nil, err
	}
	v := &provider{process: p, authorize: "/auth", token: "/token", userinfo: "/me", introspect: "/token/introspection",
		client: machineClient{ID: client, Secret: peerSecret}}
	if client != "machine" {
		err = v.signInAtPeer()
	}
	return v, err
}

// signInAtPeer signs in and consents once on the peer's pages.
func (v *provider) signInAtPeer() error {
	jar := map[string]string{}
	next, form := v.authorizeURL(), ""
	for range 10 {
		where, err := v.requireRedirect(next, form, jar)
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(where, redirectURI):
			v.cookie = cookies(jar)
			return nil
		}
		next, form = where, ""
		if strings.Contains(where, "/interaction/") {
			// One form serves both pages: extra fields are ignored.
			page, err := v.get(where, jar)
			if err != nil {
				return err
			}
			form = "prompt=consent"
			if strings.Contains(page, `value="login"`) {
				form = "prompt=login&login=alice&password=x"
			}
		}
	}
	return fmt.Errorf("the peer's pages do not redirect to the client")
}

// authorizeURL returns the path of an authorization request.
func (v *provider) authorizeURL() string {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{"client_id": {v.client.ID}, "redirect_uri": {redirectURI}, "response_type": {"code"}, "scope": {"openid email"}, "state": {"s"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
	return v.authorize + "?" + q.Encode()
}

var directClient = http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func (v *provider) send(where, form string, jar map[string]string) (*http.Response, error) {
	if strings.HasPrefix(where, "/") {
		where = "http://" + v.addr + where
	}
	method := http.MethodGet
	if form != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequest(method, where, strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Cookie", cookies(jar))
	resp, err := directClient.Do(req)
	if err != nil {
		return nil, err
	}
	for _, c := range resp.Cookies() {
		jar[c.Name] = c.Value
	}
	return resp, nil
}

func (v *provider) requireRedirect(where, form string, jar map[string]string) (string, error) {
	resp, err := v.send(where, form, jar)
	if err != nil {
		return "", err
	}
	resp.Body.Close()
	if resp.Header.Get("Location") == "" {
		return "", fmt.Errorf("%s responds with %s and no redirect", where, resp.Status)
	}
	return resp.Header.Get("Location"), nil
}

func (v *provider) get(where string, jar map[string]string) (string, error) {
	resp, err := v.send(where, "", jar)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

func cookies(jar map[string]string) string {
	var parts []string
	for name, value := range jar {
		if value != "" {
			parts = append(parts, name+"="+value)
		}
	}
	return strings.Join(parts, "; ")
}

// newProvider runs Watchword with a first-party client and a signed-in user.
func newProvider(database, algorithm string) (*provider, error) {
	s, err := startWatchword("codes-"+algorithm+database[:min(4, len(database))], database)
	if err != nil {
		return nil, err
	}
	v := &provider{process: s.process, server: s, authorize: "/oauth2/authorize", token: "/oauth2/token", userinfo: "/oauth2/userinfo", introspect: "/oauth2/introspect"}
	out, err := runCommand("", s.env, s.binary, "client", "create", "--name", "bench", "--type", "web", "--first-party", "--redirect-uri", redirectURI,
		"--scope", "openid", "--scope", "email", "--id-token-alg", algorithm, "--json")
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal([]byte(out), &v.client); err != nil {
		return v, err
	}
	v.cookie, err = s.signInBrowser(email(0))
	return v, err
}

// newMultiUserProvider is newProvider with another user for each client.
func newMultiUserProvider(database, algorithm string) (*provider, error) {
	v, err := newProvider(database, algorithm)
	if err != nil {
		return v, err
	}
	for i := range 16 {
		cookie, err := v.server.signInBrowser(email(i + 1))
		if err != nil {
			return v, err
		}
		v.users = append(v.users, cookie)
	}
	return v, nil
}

// signInBrowser signs the user in and returns the cookie of the browser.
func (s *server) signInBrowser(email string) (string, error) {
	if err := s.createUser(email); err != nil {
		return "", err
	}
	resp, err := http.Post("http://"+s.addr+"/api/v1/login", "application/json",
		strings.NewReader(fmt.Sprintf(`{"email":%q,"password":%q,"session":"cookie"}`, email, passphrase)))
	if err != nil {
		return "", err
	}
	resp.Body.Close()
	jar := map[string]string{}
	for _, c := range resp.Cookies() {
		jar[c.Name] = c.Value
	}
	return cookies(jar), nil
}

// codeRequests returns a load of 16 clients that request codes as the signed-in user, or as one user
// each.
func (v *provider) codeRequests(span time.Duration) (load, [][]string) {
	codes := make([][]string, 16)
	requests := make([][]byte, len(codes))
	for i := range requests {
		cookie := v.cookie
		if len(v.users) > 0 {
			cookie = v.users[i%len(v.users)]
		}
		requests[i] = fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\n\r\n", v.authorizeURL(), v.addr, cookie)
	}
	return load{addr: v.addr, clients: len(codes), span: span, next: func(client, _ int) []byte { return requests[client] },
		check: func(client int, a response) error {
			u, err := url.Parse(a.location)
			if err != nil || u.Query().Get("code") == "" {
				return fmt.Errorf("no code: status %d, %.200s", a.status, a.location)
			}
			codes[client] = append(codes[client], u.Query().Get("code"))
			return nil
		}}, codes
}

// codeRedemptions returns a load that redeems codes until none are left.
func (v *provider) codeRedemptions(codes [][]string, seen func(client int, t pair)) load {
	basic := base64.StdEncoding.EncodeToString([]byte(v.client.ID + ":" + v.client.Secret))
	longest := 1
	for _, own := range codes {
		longest = max(longest, len(own))
	}
	return load{addr: v.addr, clients: len(codes), span: time.Minute, limit: longest,
		next: func(client, n int) []byte {
			if n >= len(codes[client]) {
				return nil
			}
			form := url.Values{"grant_type": {"authorization_code"}, "code": {codes[client][n]}, "redirect_uri": {redirectURI}, "code_verifier": {verifier}}.Encode()
			return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Basic %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
				v.token, v.addr, basic, len(form), form)
		},
		check: func(client int, a response) error {
			var t struct {
				pair
				ID string `json:"id_token"`
			}
			if err := json.Unmarshal(a.body, &t); err != nil || a.status != http.StatusOK || t.ID == "" {
				return fmt.Errorf("status %d: %.200s", a.status, a.body)
			}
			seen(client, t.pair)
			return nil
		}}
}

// peerRefreshTokens returns n refresh tokens of the peer.
func (v *provider) peerRefreshTokens(n int) ([]string, error) {
	var chains []string
	for len(chains) < n {
		requests, codes := v.codeRequests(time.Minute)
		requests.limit = 1
		if r := requests.run(); r.failed > 0 {
			return nil, r.firstErr
		}
		got := make([]pair, len(codes))
		if r := v.codeRedemptions(codes, func(client int, t pair) { got[client] = t }).run(); r.failed > 0 {
			return nil, r.firstErr
		}
		for _, t := range got {
			chains = append(chains, t.Refresh)
		}
	}
	return chains[:n], nil
}

// peerRefresh rotates chains of the peer, 64 at once.
func peerRefresh(b *bench) error {
	v, err := peerProvider("web-es256")
	if v != nil {
		defer v.stop()
	}
	if err != nil {
		return err
	}
	refreshTokens, err := v.peerRefreshTokens(64)
	if err != nil {
		return err
	}
	s := &server{process: v.process}
	rotate := load{addr: v.addr, clients: len(refreshTokens), span: *span,
		next: func(client, _ int) []byte {
			return s.posts(v.token, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshTokens[client]}}.Encode(), v.client).next(0, 0)
		},
		check: func(client int, a response) error {
			var t pair
			if err := json.Unmarshal(a.body, &t); err != nil || a.status != http.StatusOK || t.Refresh == "" {
				return fmt.Errorf("status %d: %.200s", a.status, a.body)
			}
			refreshTokens[client] = t.Refresh
			return nil
		}}
	b.printRow("oidc-provider in memory (with an ID Token, ES256)", b.measureCost(v.process, rotate))
	return nil
}

// peerMachines measures client_credentials and introspection of the peer.
func peerMachines(b *bench) error {
	v, err := peerProvider("machine")
	if v != nil {
		defer v.stop()
	}
	if err != nil {
		return err
	}
	s := &server{process: v.process}
	form := "grant_type=client_credentials&scope=orders%3Aread"
	b.printRow("client_credentials → ES256 JWT, oidc-provider in memory", b.measureCost(v.process, s.posts(v.token, form, v.client)))
	// The peer introspects only its own opaque tokens.
	var c conn
	defer c.close()
	a, err := c.roundTrip(v.addr, s.posts(v.token, "grant_type=client_credentials&resource=urn%3Aopaque", v.client).next(0, 0))
	var t pair
	if err != nil || a.status != http.StatusOK || json.Unmarshal(a.body, &t) != nil {
		return fmt.Errorf("a token of the peer to introspect: status %d: %.200s, %w", a.status, a.body, err)
	}
	b.printRow("introspection of one opaque token, oidc-provider in memory", b.measureCost(v.process, s.posts(v.introspect, "token="+t.Access, v.client)))
	return nil
}

// codeSection measures sign-in by code: authorization requests with a session in the browser, redemption, and
// requests with the token.
func codeSection(b *bench) error {
	b.printHead("Authorization code, ID Token, userinfo", "16 clients, keep-alive; a signed-in user; PKCE; client secret by Basic. oidc-provider keeps everything in memory and in one process.")
	type entry struct {
		name string
		open func() (*provider, error)
	}
	entries := []entry{
		{"Watchword, SQLite, RS256 ID Token", func() (*provider, error) { return newProvider("", "RS256") }},
		{"oidc-provider in memory, RS256 ID Token", func() (*provider, error) { return peerProvider("web-rs256") }},
		{"Watchword, SQLite, ES256 ID Token", func() (*provider, error) { return newProvider("", "ES256") }},
		{"oidc-provider in memory, ES256 ID Token", func() (*provider, error) { return peerProvider("web-es256") }},
	}
	if *postgres != "" {
		const name = "Watchword, PostgreSQL (CPU of the server only), ES256 ID Token"
		one, dropOne, err := newDatabase()
		if err != nil {
			return err
		}
		defer dropOne()
		many, dropMany, err := newDatabase()
		if err != nil {
			return err
		}
		defer dropMany()
		entries = append(entries, entry{name, func() (*provider, error) { return newProvider(one, "ES256") }},
			entry{name + ", sixteen users", func() (*provider, error) { return newMultiUserProvider(many, "ES256") }})
	}
	for _, e := range entries {
		if err := b.codeRows(e.name, e.open); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	fmt.Println()
	return nil
}

// redemption measures only the token endpoint, in rounds of so few codes that the peer's memory holds them.
// It returns one of the access tokens.
func (b *bench) redemption(v *provider) (c cost, access string) {
	c.unit = b.measureHello()
	used := time.Duration(0)
	for c.took < *span {
		requests, codes := v.codeRequests(time.Minute)
		requests.limit = 20
		requests.run()
		tokens := make([]string, len(codes)) // one of each client
		before := v.cpu()
		r := v.codeRedemptions(codes, func(client int, t pair) { tokens[client] = t.Access }).run()
		used += v.cpu() - before
		c.took += r.took
		c.times = append(c.times, r.times...)
		access = tokens[0]
		if r.requests == 0 {
			fmt.Fprintln(os.Stderr, "bench: redemption:", r.firstErr)
			break
		}
	}
	slices.Sort(c.times)
	c.requests = len(c.times)
	c.cpu = used / time.Duration(max(1, c.requests))
	c.unit = (c.unit + b.measureHello()) / 2
	return c, access
}

func (b *bench) codeRows(name string, open func() (*provider, error)) error {
	v, err := open()
	if v != nil {
		defer v.stop()
	}
	if err != nil {
		return err
	}
	ask, _ := v.codeRequests(*span)
	b.printRow("authorize → code, "+name, b.measureCost(v.process, ask))
	c, access := b.redemption(v)
	b.printRow("code → tokens, "+name, c)
	if access == "" {
		return fmt.Errorf("no code was redeemed")
	}
	request := getRequest(v.addr, v.userinfo, access)
	b.printRow("userinfo, "+name, b.measureCost(v.process, load{addr: v.addr, clients: 16, span: *span, next: func(int, int) []byte { return request }}))
	return nil
}
