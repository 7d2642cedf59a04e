package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
)

// oauthCmd is an OAuth client in the terminal. It works with any server: it discovers the
// endpoints in the metadata of the issuer.
type oauthCmd struct {
	AuthorizationCode oauthCode              `cmd:"" name:"authorization-code" help:"Sign in through the browser and get tokens."`
	Device            oauthDevice            `cmd:"" help:"Sign in on another device with a code and get tokens."`
	ClientCredentials oauthClientCredentials `cmd:"" name:"client-credentials" help:"Get a token for the client itself."`
}

// tokenRequest are the flags of every grant.
type tokenRequest struct {
	tenantFlag
	ClientID          string   `name:"client-id" required:"" help:"The client_id."`
	ClientSecretStdin bool     `name:"client-secret-stdin" help:"Read the client secret from standard input instead of the CLIENT_SECRET variable."`
	Scope             []string `sep:"none" placeholder:"SCOPE" help:"Scope to request. Repeatable."`
	Resource          []string `sep:"none" placeholder:"URL" help:"Resource to request a token for. Repeatable."`
	DPoP              bool     `name:"dpop" help:"Bind the tokens to a new key (DPoP, RFC 9449)."`
	Token             bool     `help:"Print only the access token, for use in scripts."`
}

type oauthClientCredentials struct{ tokenRequest }

func (c oauthClientCredentials) Run(e *env) error {
	p, err := c.newClient(e)
	if err != nil {
		return err
	}
	if p.secret == "" {
		return errors.New("the client secret is missing: set CLIENT_SECRET or use --client-secret-stdin")
	}
	response, err := p.requestToken(e.ctx, c.addScope(url.Values{"grant_type": {string(auth.GrantClientCredentials)}}))
	if err != nil {
		return err
	}
	return c.printTokens(e, response, nil)
}

// newClient returns the client, with the metadata of its server.
func (c tokenRequest) newClient(e *env) (*oauthClient, error) {
	cfg, err := e.load()
	if err != nil {
		return nil, err
	}
	if err := devDefaults(cfg); err != nil {
		return nil, err
	}
	secret, err := c.clientSecret(e)
	if err != nil {
		return nil, err
	}
	return newOAuthClient(e.ctx, c.id().Issuer(cfg.BaseURL()), c.ClientID, secret, c.DPoP)
}

// clientSecret returns the client secret, empty for a public client.
func (c tokenRequest) clientSecret(e *env) (string, error) {
	if c.ClientSecretStdin {
		return e.readSecret()
	}
	for _, pair := range e.Env {
		if v, ok := strings.CutPrefix(pair, "CLIENT_SECRET="); ok && v != "" {
			return v, nil
		}
	}
	return "", nil
}

// addScope adds scope and resource to a form.
func (c tokenRequest) addScope(f url.Values) url.Values {
	if len(c.Scope) > 0 {
		f.Set("scope", strings.Join(c.Scope, " "))
	}
	if len(c.Resource) > 0 {
		f["resource"] = c.Resource
	}
	return f
}

// printTokens prints a token response and the claims of its verified ID Token.
func (c tokenRequest) printTokens(e *env, response map[string]any, idToken []byte) error {
	access, _ := response["access_token"].(string)
	if c.Token {
		_, err := fmt.Fprintln(e.Out, access)
		return err
	}
	if e.common.JSON {
		return e.printJSON(response)
	}
	fmt.Fprintf(e.Out, "Access token (expires in %v seconds):\n%s\n", response["expires_in"], access)
	if parts := strings.Split(access, "."); len(parts) == 3 {
		if claims, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			fmt.Fprintf(e.Out, "Claims:\n%s\n", claims)
		}
	}
	if refresh, _ := response["refresh_token"].(string); refresh != "" {
		fmt.Fprintf(e.Out, "Refresh token:\n%s\n", refresh)
	}
	if idToken != nil {
		fmt.Fprintf(e.Out, "Claims of the verified ID Token:\n%s\n", idToken)
	}
	return nil
}
