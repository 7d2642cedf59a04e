package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

// perform is an OAuth client in the terminal. It knows what any client knows, the
// issuer, and finds the rest in its metadata; the server may be anywhere.
type performCmd struct {
	ClientCredentials performClientCredentials `cmd:"" name:"client-credentials" help:"Get a token as a machine."`
}

type performClientCredentials struct {
	ofTenant
	ClientID          string   `name:"client-id" required:"" help:"The client_id."`
	ClientSecretStdin bool     `name:"client-secret-stdin" help:"Read the secret from standard input (else from CLIENT_SECRET)."`
	Scope             []string `sep:"none" placeholder:"SCOPE" help:"A scope to ask for. Repeat for more."`
	Resource          []string `sep:"none" placeholder:"URL" help:"A resource to ask a token for. Repeat for more."`
	Token             bool     `help:"Print the access token and nothing else, for use in other commands."`
}

func (c performClientCredentials) Run(e *env) error {
	cfg, err := e.load()
	if err != nil {
		return err
	}
	if err := devDefaults(cfg, false); err != nil {
		return err
	}
	secret, err := c.secret(e)
	if err != nil {
		return err
	}
	endpoint, err := tokenEndpoint(e.ctx, c.id().Issuer(cfg.BaseURL()))
	if err != nil {
		return err
	}
	form := url.Values{"grant_type": {string(auth.GrantClientCredentials)}, "resource": c.Resource}
	if len(c.Scope) > 0 {
		form.Set("scope", strings.Join(c.Scope, " "))
	}
	answer, err := askToken(e.ctx, endpoint, url.QueryEscape(c.ClientID), url.QueryEscape(secret), form)
	if err != nil {
		return err
	}
	return c.show(e, answer)
}

func (c performClientCredentials) secret(e *env) (string, error) {
	if c.ClientSecretStdin {
		return e.readPassword()
	}
	for _, pair := range e.Env {
		if v, ok := strings.CutPrefix(pair, "CLIENT_SECRET="); ok && v != "" {
			return v, nil
		}
	}
	return "", errors.New("give the client's secret in CLIENT_SECRET or with --client-secret-stdin")
}

func (c performClientCredentials) show(e *env, answer map[string]any) error {
	access, _ := answer["access_token"].(string)
	if c.Token {
		_, err := fmt.Fprintln(e.Out, access)
		return err
	}
	if e.common.JSON {
		return e.printJSON(answer)
	}
	fmt.Fprintf(e.Out, "Token, for %v seconds:\n%s\n", answer["expires_in"], access)
	if parts := strings.Split(access, "."); len(parts) == 3 {
		if claims, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			fmt.Fprintf(e.Out, "It says:\n%s\n", claims)
		}
	}
	return nil
}

// tokenEndpoint asks the issuer, which must call itself what it was called (RFC 8414
// §3.3).
func tokenEndpoint(ctx context.Context, issuer string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, issuer+"/.well-known/openid-configuration", nil)
	if err != nil {
		return "", err
	}
	var m struct {
		Issuer        string `json:"issuer"`
		TokenEndpoint string `json:"token_endpoint"`
	}
	if err := fetchJSON(req, &m); err != nil {
		return "", fmt.Errorf("ask %s who it is: %w", issuer, err)
	}
	if m.Issuer != issuer || m.TokenEndpoint == "" {
		return "", fmt.Errorf("%s calls itself %q", issuer, m.Issuer)
	}
	return m.TokenEndpoint, nil
}

func askToken(ctx context.Context, endpoint, id, secret string, form url.Values) (answer map[string]any, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(id, secret)
	if err := fetchJSON(req, &answer); err != nil {
		return nil, fmt.Errorf("ask for a token: %w", err)
	}
	return answer, nil
}

// fetchJSON carries out a request that follows no redirects, and turns a refusal of
// the protocol into an error.
func fetchJSON(req *http.Request, into any) error {
	c := &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		var e struct {
			Code string `json:"error"`
			Desc string `json:"error_description"`
		}
		if json.Unmarshal(b, &e) == nil && e.Code != "" {
			return fmt.Errorf("%s: %s (%s)", res.Status, e.Code, e.Desc)
		}
		return errors.New(res.Status)
	}
	return json.Unmarshal(b, into)
}
