package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
)

// perform is an OAuth client in the terminal. It knows what any client knows, the
// issuer, and finds the rest in its metadata; the server may be anywhere.
type performCmd struct {
	AuthorizationCode performCode              `cmd:"" name:"authorization-code" help:"Sign a person in through the browser and get their tokens."`
	Device            performDevice            `cmd:"" help:"Sign a person in on another device, by a code."`
	ClientCredentials performClientCredentials `cmd:"" name:"client-credentials" help:"Get a token as a machine."`
}

// asking is what every grant has in common.
type asking struct {
	ofTenant
	ClientID          string   `name:"client-id" required:"" help:"The client_id."`
	ClientSecretStdin bool     `name:"client-secret-stdin" help:"Read the secret from standard input (else from CLIENT_SECRET)."`
	Scope             []string `sep:"none" placeholder:"SCOPE" help:"A scope to ask for. Repeat for more."`
	Resource          []string `sep:"none" placeholder:"URL" help:"A resource to ask a token for. Repeat for more."`
	DPoP              bool     `name:"dpop" help:"Bind the tokens to a key made for this run (RFC 9449)."`
	Token             bool     `help:"Print the access token and nothing else, for use in other commands."`
}

type performClientCredentials struct{ asking }

func (c performClientCredentials) Run(e *env) error {
	p, err := c.party(e)
	if err != nil {
		return err
	}
	if p.secret == "" {
		return errors.New("give the client's secret in CLIENT_SECRET or with --client-secret-stdin")
	}
	answer, err := p.token(e.ctx, c.form(url.Values{"grant_type": {string(auth.GrantClientCredentials)}}))
	if err != nil {
		return err
	}
	return c.show(e, answer, nil)
}

// party makes the client, which then knows its server.
func (c asking) party(e *env) (*party, error) {
	cfg, err := e.load()
	if err != nil {
		return nil, err
	}
	if err := devDefaults(cfg); err != nil {
		return nil, err
	}
	secret, err := c.secret(e)
	if err != nil {
		return nil, err
	}
	return newParty(e.ctx, c.id().Issuer(cfg.BaseURL()), c.ClientID, secret, c.DPoP)
}

// secret is empty for a client that has none.
func (c asking) secret(e *env) (string, error) {
	if c.ClientSecretStdin {
		return e.readPassword()
	}
	for _, pair := range e.Env {
		if v, ok := strings.CutPrefix(pair, "CLIENT_SECRET="); ok && v != "" {
			return v, nil
		}
	}
	return "", nil
}

// form adds what was asked for.
func (c asking) form(f url.Values) url.Values {
	if len(c.Scope) > 0 {
		f.Set("scope", strings.Join(c.Scope, " "))
	}
	if len(c.Resource) > 0 {
		f["resource"] = c.Resource
	}
	return f
}

// show prints what the token endpoint answered, and what the ID Token, which has been
// verified, says.
func (c asking) show(e *env, answer map[string]any, idToken []byte) error {
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
	if refresh, _ := answer["refresh_token"].(string); refresh != "" {
		fmt.Fprintf(e.Out, "Refresh token:\n%s\n", refresh)
	}
	if idToken != nil {
		fmt.Fprintf(e.Out, "ID Token, verified:\n%s\n", idToken)
	}
	return nil
}
