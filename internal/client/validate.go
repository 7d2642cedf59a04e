package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/token"
)

// Registration holds the settings of a client. A zero field means the default of the client's type.
// Nil Grants mean those that the type is for. Nil Scopes mean those of OpenID Connect, if users sign
// in to the client. An empty Auth means a secret, sent either way, or none for a public client. An
// empty list that is not nil is an explicit empty list: empty Grants allow nothing, and empty Scopes
// are refused for a client to which users sign in.
type Registration struct {
	Type       auth.ClientType `json:"-"`
	FirstParty bool            `json:"-"`
	// Bounds are an operator's current settings for a client that describes itself; Patch sets
	// them too. For any other client they are ignored.
	Bounds       auth.ClientBounds `json:"-"`
	Name         string            `json:"client_name,omitempty" example:"Shop" doc:"Name to display to users."`
	RedirectURIs []string          `json:"redirect_uris,omitempty" doc:"Redirect URIs; compared exactly." example:"[\"https://shop.example.com/callback\"]"`
	Scopes       []string          `json:"scopes,omitempty" doc:"Scopes that the client may request."`
	auth.ClientSettings
}

// registrationOf returns the Registration that would create the client today.
func registrationOf(c auth.Client) Registration {
	r := Registration{Name: c.Name, Type: c.Type, FirstParty: c.FirstParty, RedirectURIs: slices.Clone(c.RedirectURIs),
		Scopes: append([]string(nil), c.Scopes...), ClientSettings: c.Settings.ClientSettings}
	r.Grants = orEmpty(r.Grants) // grants that were removed do not return as defaults
	if c.Bounds != nil {
		r.Bounds = *c.Bounds
	}
	return r
}

// validate is the only check of a client, whether it comes from the command line, the API, dynamic
// registration or a document. It may fetch the document at sector_identifier_uri.
func (s *Service) validate(ctx context.Context, r Registration) (auth.Client, error) {
	c, err := s.parseClient(r)
	if err != nil {
		return c, err
	}
	c.Settings.Sector, err = s.sector(ctx, c)
	return c, err
}

// parseClient makes the checks that need no outgoing request and no database.
func (s *Service) parseClient(r Registration) (c auth.Client, err error) {
	if c.Name, err = auth.ParseName(r.Name); err != nil {
		return c, inField(err, "client_name")
	}
	if c.Name == "" {
		return c, auth.Invalid(auth.CodeNameMissing, "client_name", "client_name: a name to display to users")
	}
	switch r.Type {
	case auth.ClientWeb, auth.ClientSPA, auth.ClientNative, auth.ClientMachine:
		c.Type = r.Type
	default:
		return c, auth.Invalid(auth.CodeTypeInvalid, "type", "type: web, spa, native or machine")
	}
	if string(r.JWKS) == "null" {
		r.JWKS = nil
	}
	c.FirstParty, c.Settings.ClientSettings = r.FirstParty, r.ClientSettings
	if r.SubjectType == "public" {
		c.Settings.SubjectType = ""
	}
	if c.Scopes, err = parseValues("scopes", r.Scopes, parseOneScope); err != nil {
		return c, err
	}
	if err := checkReserved(c, r.Grants); err != nil {
		return c, err
	}
	if r.Scopes != nil && len(c.Scopes) == 0 && c.Type != auth.ClientMachine {
		return c, auth.Invalid(auth.CodeScopeMissing, "scopes", "scopes: at least one for a client to which users sign in; to allow none, disable the client")
	}
	if len(c.Scopes) == 0 && c.Type != auth.ClientMachine {
		c.Scopes = slices.Clone(auth.DefaultScope)
	}
	if c.Settings.Grants, err = s.parseGrants(c, r.Grants); err != nil {
		return c, err
	}
	for _, check := range []func(*auth.Client, Registration) error{s.parseURIs, parseResources, parseAuth, parseAlgorithms, parseRequests, s.parseHints, parseExchange} {
		if err := check(&c, r); err != nil {
			return c, err
		}
	}
	if slices.Contains(c.Settings.Grants, auth.GrantAuthorizationCode) && len(r.RedirectURIs) == 0 {
		return c, auth.Invalid(auth.CodeInvalidRedirectURI, "redirect_uris", "redirect_uris: at least one, for the authorization_code grant")
	}
	return c, nil
}

// checkReserved allows the scopes of Watchword's own API only to first-party clients and to machines.
func checkReserved(c auth.Client, grants []auth.GrantType) error {
	actsForItself := c.Type == auth.ClientMachine || slices.Contains(grants, auth.GrantClientCredentials)
	for _, name := range c.Scopes {
		switch {
		case !auth.Reserved(name):
		case name != auth.ScopeAccount && name != auth.AdminPermission:
			return auth.Invalid(auth.CodeScopeReserved, "scopes", "scopes: the only names that begin with watchword: are watchword:account and watchword:admin")
		case !c.FirstParty && !actsForItself:
			return auth.Invalid(auth.CodeScopeReserved, "scopes", "scopes: names that begin with watchword: are only for first-party clients and machines")
		}
	}
	return nil
}

// defaultGrants returns the grants of a client that is registered without any.
func defaultGrants(t auth.ClientType) []auth.GrantType {
	if t == auth.ClientMachine {
		return []auth.GrantType{auth.GrantClientCredentials}
	}
	return []auth.GrantType{auth.GrantAuthorizationCode, auth.GrantRefreshToken}
}

// maxValues is the maximum number of values in a list of a client.
const maxValues = 100

// checkLength refuses a list that is too long. It runs before any value is checked, so a long list
// costs no more than its JSON.
func checkLength[T any](field string, values []T, most int) error {
	if len(values) > most {
		return tooMany(field, most)
	}
	return nil
}

func tooMany(field string, most int) error {
	return auth.Invalid(auth.CodeTooMany, field, fmt.Sprintf("%s: at most %d values", field, most))
}

// parseValues checks every value of a list and drops repeats.
func parseValues(field string, values []string, parse func(string) (string, error)) ([]string, error) {
	if err := checkLength(field, values, maxValues); err != nil {
		return nil, err
	}
	var out []string
	for _, v := range values {
		v, err := parse(v)
		if err != nil {
			return nil, inField(err, field)
		}
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out, nil
}

// inField returns a refusal of a value with the name of the setting that holds the value.
func inField(err error, field string) error {
	if e, ok := errors.AsType[*auth.Error](err); ok {
		refused := *e
		refused.Field, refused.Msg = field, field+": "+strings.TrimPrefix(e.Msg, e.Field+": ")
		return &refused
	}
	return err
}

func parseOneScope(v string) (string, error) {
	s, err := auth.ParseScope(v)
	if err == nil && len(s) != 1 {
		err = auth.Invalid(auth.CodeScopeInvalid, "scope", "scope: one name in each value")
	}
	if err != nil {
		return "", err
	}
	return s[0], nil
}

func (s *Service) parseGrants(c auth.Client, requested []auth.GrantType) ([]auth.GrantType, error) {
	if requested == nil {
		return defaultGrants(c.Type), nil
	}
	if err := checkLength("grant_types", requested, maxValues); err != nil {
		return nil, err
	}
	for _, name := range requested {
		g, known := s.grant(name)
		switch {
		case !known:
			return nil, auth.Invalid(auth.CodeGrantInvalid, "grant_types", "grant_types: "+auth.Clip(string(name), 64)+" is not supported")
		case g.Confidential && c.Public():
			return nil, auth.Invalid(auth.CodeGrantInvalid, "grant_types", "grant_types: a public client cannot use "+g.Short)
		case c.Type == auth.ClientMachine && !g.Confidential:
			return nil, auth.Invalid(auth.CodeGrantInvalid, "grant_types", "grant_types: a machine cannot use "+g.Short+", since it acts for no user")
		}
	}
	return orEmpty(slices.Compact(slices.Sorted(slices.Values(requested)))), nil
}

// grant looks up a grant of the token endpoint.
func (s *Service) grant(name auth.GrantType) (Grant, bool) {
	i := slices.IndexFunc(s.cfg.Grants, func(g Grant) bool { return g.Name == name })
	if i < 0 {
		return Grant{}, false
	}
	return s.cfg.Grants[i], true
}

func parseResources(c *auth.Client, r Registration) (err error) {
	if c.Settings.Audiences, err = parseValues("audiences", r.Audiences, auth.ParseResource); err != nil {
		return err
	}
	c.Settings.Serves, err = parseValues("serves", r.Serves, auth.ParseResource)
	return err
}

// parseAuth checks that the method fits the type, and that the keys fit the method. Keys are allowed
// with every method, since request objects are signed with them too.
func parseAuth(c *auth.Client, r Registration) (err error) {
	bad := func(msg string) error { return auth.Invalid(auth.CodeAuthInvalid, "token_endpoint_auth_method", msg) }
	switch {
	case r.Auth != "" && !slices.Contains(AuthMethods, r.Auth):
		return bad("token_endpoint_auth_method: client_secret_basic, client_secret_post, private_key_jwt or none")
	case c.Public() && r.Auth != "" && r.Auth != auth.AuthNone:
		return bad("token_endpoint_auth_method: none for a client in a browser or on a device")
	case !c.Public() && r.Auth == auth.AuthNone:
		return bad("token_endpoint_auth_method: not none for a client with a server")
	case len(r.JWKS) > 0 && r.JWKSURI != "":
		return auth.Invalid(auth.CodeJWKSInvalid, "jwks_uri", "jwks, jwks_uri: at most one of them")
	case r.Auth == auth.AuthPrivateKeyJWT && len(r.JWKS) == 0 && r.JWKSURI == "":
		return auth.Invalid(auth.CodeJWKSInvalid, "jwks", "jwks: private_key_jwt requires jwks or jwks_uri")
	case len(r.JWKS) > 0:
		keys, err := ParseKeys(r.JWKS)
		if err != nil {
			return auth.Invalid(auth.CodeJWKSInvalid, "jwks", err.Error())
		}
		for _, alg := range []string{r.AuthAlgorithm, r.RequestAlgorithm} {
			if alg != "" && !slices.ContainsFunc(keys, func(k clientKey) bool { return keyMatches(k, alg, "") }) {
				return auth.Invalid(auth.CodeJWKSInvalid, "jwks", "jwks: at least one key for "+auth.Clip(alg, 16))
			}
		}
		if c.Settings.JWKS, err = encodeClientKeys(keys); err != nil {
			return err
		}
	}
	c.Settings.Auth = r.Auth
	if c.Public() {
		c.Settings.Auth = "" // empty means none for these types
	}
	return nil
}

// parseAlgorithms checks the algorithms of the client and those of the server for the client.
func parseAlgorithms(c *auth.Client, r Registration) error {
	for field, alg := range map[string]string{"token_endpoint_auth_signing_alg": r.AuthAlgorithm, "request_object_signing_alg": r.RequestAlgorithm} {
		if alg != "" && !slices.Contains(AssertionAlgorithms, jose.SignatureAlgorithm(alg)) {
			return auth.Invalid(auth.CodeAlgInvalid, field, field+": ES256, RS256, PS256 or EdDSA")
		}
	}
	if r.AuthAlgorithm != "" && r.Auth != auth.AuthPrivateKeyJWT {
		return auth.Invalid(auth.CodeAlgInvalid, "token_endpoint_auth_signing_alg", "token_endpoint_auth_signing_alg: only for private_key_jwt")
	}
	for field, alg := range map[string]string{"id_token_signed_response_alg": r.IDTokenAlgorithm, "userinfo_signed_response_alg": r.UserInfoAlgorithm,
		"introspection_signed_response_alg": r.IntrospectionAlgorithm, "authorization_signed_response_alg": r.AuthorizationAlgorithm} {
		if alg != "" && !keys.Supported(alg) {
			return auth.Invalid(auth.CodeAlgInvalid, field, field+": RS256, ES256 or EdDSA")
		}
	}
	if r.AuthorizationAlgorithm == keys.RS256 && c.Strict() {
		return auth.Invalid(auth.CodeAlgInvalid, "authorization_signed_response_alg", "authorization_signed_response_alg: ES256 or EdDSA, since FAPI 2.0 excludes RS256")
	}
	switch r.IDTokenClaims {
	case "", "requested":
		c.Settings.IDTokenClaims = ""
	case token.ClaimsOfScope:
	default:
		return auth.Invalid(auth.CodeIDTokenClaimsInvalid, "id_token_claims", "id_token_claims: requested, or scope for the claims of the granted scopes")
	}
	switch r.TokenFormat {
	case "", "jwt":
		c.Settings.TokenFormat = ""
	case "opaque":
	default:
		return auth.Invalid(auth.CodeTokenFormatInvalid, "access_token_format", "access_token_format: jwt or opaque")
	}
	return nil
}

// parseRequests checks the requirements for the client's authorization requests.
func parseRequests(c *auth.Client, r Registration) error {
	switch {
	case r.PKCEOptional && c.Public():
		return auth.Invalid(auth.CodePKCEInvalid, "pkce_optional", "pkce_optional: only for confidential clients; a public client always sends a code_challenge")
	case r.RequireSignedRequest && len(r.JWKS) == 0 && r.JWKSURI == "":
		return auth.Invalid(auth.CodeJWKSInvalid, "jwks", "jwks: signed requests require jwks or jwks_uri")
	}
	return nil
}

// Maximum lengths of a client's texts, in bytes.
const (
	maxACR     = 100
	maxContact = 254
)

func validMaxAge(seconds int64) bool { return seconds >= 0 && seconds <= 10*365*24*3600 }

// shortText returns the check of a short line of text.
func shortText(most int) func(string) (string, error) {
	return func(v string) (string, error) {
		v = strings.TrimSpace(v)
		if v == "" || len(v) > most || auth.Clip(v, most) != v {
			return "", auth.Invalid(auth.CodeTextInvalid, "", "a short line of text")
		}
		return v, nil
	}
}

// parseHints checks how users of the client sign in, the defaults of requests and the contacts.
func (s *Service) parseHints(c *auth.Client, r Registration) (err error) {
	switch r.SecondFactor {
	case "", auth.FactorsOptional:
		c.Settings.SecondFactor = ""
	case auth.FactorsResistant:
		if !auth.SupportsPasskeys(s.cfg.Base) {
			return auth.Invalid(auth.CodeSecondFactorInvalid, "second_factor", "second_factor: "+auth.PasskeysNeedDomain)
		}
	case auth.FactorsRequired:
	default:
		return auth.Invalid(auth.CodeSecondFactorInvalid, "second_factor", "second_factor: optional, required or phishing_resistant")
	}
	if r.DefaultMaxAge != nil && *r.DefaultMaxAge < 0 {
		c.Settings.DefaultMaxAge = nil
	} else if r.DefaultMaxAge != nil && !validMaxAge(*r.DefaultMaxAge) {
		return auth.Invalid(auth.CodeMaxAgeInvalid, "default_max_age", "default_max_age: 0 to 315360000 seconds")
	}
	if c.Settings.DefaultACR, err = parseValues("default_acr_values", r.DefaultACR, shortText(maxACR)); err != nil {
		return err
	}
	c.Settings.Contacts, err = parseValues("contacts", r.Contacts, shortText(maxContact))
	return err
}

func parseExchange(c *auth.Client, r Registration) (err error) {
	if r.Exchange == nil {
		return nil
	}
	if !slices.Contains(c.Settings.Grants, auth.GrantTokenExchange) {
		return auth.Invalid(auth.CodeGrantInvalid, "grant_types", "grant_types: token_exchange requires the grant token-exchange")
	}
	p := *r.Exchange
	if p.Audiences, err = parseValues("token_exchange", p.Audiences, auth.ParseResource); err != nil {
		return err
	}
	if err := checkLength("token_exchange", p.Subjects, maxValues); err != nil {
		return err
	}
	for _, id := range p.Subjects {
		if _, err := auth.ParseClientID(string(id)); err != nil {
			return inField(err, "token_exchange")
		}
	}
	c.Settings.Exchange = &p
	return nil
}
