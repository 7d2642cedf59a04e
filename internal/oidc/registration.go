package oidc

import (
	"slices"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

// Registration is what is said of a new client. A zero field means the default of
// the client's type: without Grants it has what the type is for, without Auth it
// proves itself by a secret, sent either way, or not at all if it is public. What
// only the server may say of a client (Sector, Registration, DocumentAt) is ignored.
type Registration struct {
	Name         string
	Type         auth.ClientType
	FirstParty   bool
	RedirectURIs []string
	Scopes       []string
	auth.ClientSettings
}

// defaultGrants are what a type of client is for.
func defaultGrants(t auth.ClientType) []auth.GrantType {
	if t == auth.ClientMachine {
		return []auth.GrantType{auth.GrantClientCredentials}
	}
	return []auth.GrantType{auth.GrantAuthorizationCode, auth.GrantRefreshToken}
}

func parseClient(r Registration) (c auth.Client, err error) {
	if c.Name, err = auth.ParseName(r.Name); err != nil {
		return c, err
	}
	if c.Name == "" {
		return c, auth.Invalid("name_missing", "name", "give the client a name; people will read it")
	}
	switch r.Type {
	case auth.ClientWeb, auth.ClientSPA, auth.ClientNative, auth.ClientMachine:
		c.Type = r.Type
	default:
		return c, auth.Invalid("type_invalid", "type", "a client is web, spa, native or machine")
	}
	c.FirstParty, c.Settings = r.FirstParty, r.ClientSettings
	c.Settings.JWKS, c.Settings.Sector, c.Settings.Registration, c.Settings.DocumentAt = nil, "", "", time.Time{}
	if c.RedirectURIs, err = each(r.RedirectURIs, func(u string) (string, error) { return auth.ParseRedirectURI(c.Type, u) }); err != nil {
		return c, err
	}
	if c.Scopes, err = each(r.Scopes, parseOneScope); err != nil {
		return c, err
	}
	if c.Settings.Audiences, err = each(r.Audiences, auth.ParseResource); err != nil {
		return c, err
	}
	if c.Settings.Serves, err = each(r.Serves, auth.ParseResource); err != nil {
		return c, err
	}
	if c.Settings.Grants, err = parseGrants(c, r.Grants); err != nil {
		return c, err
	}
	return c, parseAuth(&c, r)
}

// each checks every value of a list and drops repeats.
func each(values []string, parse func(string) (string, error)) ([]string, error) {
	var out []string
	for _, v := range values {
		v, err := parse(v)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	if len(out) > 100 {
		return nil, auth.Invalid("too_many", "", "a list of a client has at most 100 values")
	}
	return out, nil
}

func parseOneScope(v string) (string, error) {
	s, err := auth.ParseScope(v)
	if err == nil && len(s) != 1 {
		err = auth.Invalid("scope_invalid", "scope", "give each scope by itself")
	}
	if err != nil {
		return "", err
	}
	return s[0], nil
}

func parseGrants(c auth.Client, asked []auth.GrantType) ([]auth.GrantType, error) {
	if asked == nil {
		return defaultGrants(c.Type), nil
	}
	known := []auth.GrantType{auth.GrantAuthorizationCode, auth.GrantRefreshToken, auth.GrantClientCredentials, auth.GrantDeviceCode, auth.GrantTokenExchange}
	for _, g := range asked {
		switch {
		case !slices.Contains(known, g):
			return nil, auth.Invalid("grant_invalid", "grant_types", "this server does not have that grant")
		case g == auth.GrantClientCredentials && c.Public():
			return nil, auth.Invalid("grant_invalid", "grant_types", "a public client cannot act for itself: it keeps no secret")
		case c.Type == auth.ClientMachine && g != auth.GrantClientCredentials && g != auth.GrantTokenExchange:
			return nil, auth.Invalid("grant_invalid", "grant_types", "a machine acts for itself, or exchanges tokens that it was given")
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(asked))), nil
}

// parseAuth checks that the method fits the type, and the keys the method.
func parseAuth(c *auth.Client, r Registration) error {
	bad := func(msg string) error { return auth.Invalid("auth_invalid", "token_endpoint_auth_method", msg) }
	switch {
	case r.Auth != "" && !slices.Contains(methods, r.Auth):
		return bad("a client authenticates by client_secret_basic, client_secret_post, private_key_jwt or none")
	case c.Public() && r.Auth != "" && r.Auth != auth.AuthNone:
		return bad("a client in a browser or on a device keeps no secret: its method is none")
	case !c.Public() && r.Auth == auth.AuthNone:
		return bad("a client with a server proves who it is")
	case r.Auth == auth.AuthPrivateKeyJWT:
		if _, err := ParseClientKeys(r.JWKS); err != nil {
			return auth.Invalid("jwks_invalid", "jwks", err.Error())
		}
		c.Settings.JWKS = r.JWKS
	case len(r.JWKS) > 0:
		return auth.Invalid("jwks_invalid", "jwks", "keys are of use with private_key_jwt alone")
	}
	c.Settings.Auth = r.Auth
	return nil
}
