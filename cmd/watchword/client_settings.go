package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oidc"
)

// clientFlags are the settings of a client, for create and update. A flag that is not
// given changes nothing. A list replaces the previous one; one empty value empties it.
// The tag setting is the name of the setting that the flag changes.
type clientFlags struct {
	RedirectURI      []string `name:"redirect-uri" sep:"none" placeholder:"URL" help:"Redirect URI, matched exactly. Repeatable." setting:"redirect_uris"`
	PostLogoutURI    []string `name:"post-logout-uri" sep:"none" placeholder:"URL" help:"Post-logout redirect URI, matched exactly. Repeatable." setting:"post_logout_redirect_uris"`
	BackchannelURI   *string  `name:"backchannel-uri" placeholder:"URL" help:"Back-channel logout URI." setting:"backchannel_logout_uri"`
	Scope            []string `sep:"none" placeholder:"SCOPE" help:"Allowed scope. Repeatable (default for clients with users: openid, profile, email, offline_access)." setting:"scopes"`
	Grant            []string `sep:"none" placeholder:"GRANT" help:"Allowed grant: one of ${grants}. Repeatable (default: by type)."`
	Auth             *string  `placeholder:"METHOD" help:"Token endpoint authentication: client_secret_basic, client_secret_post or private_key_jwt (default: either method with a secret; none for spa and native)." setting:"token_endpoint_auth_method"`
	JWKSFile         string   `name:"jwks-file" aliases:"jwks" placeholder:"FILE" help:"JWK Set with the client's public keys, for private_key_jwt and signed requests."`
	JWKSURI          *string  `name:"jwks-uri" placeholder:"URL" help:"URL of the client's JWK Set, instead of a file." setting:"jwks_uri"`
	Audience         []string `aliases:"resource" sep:"none" placeholder:"URL" help:"Resource that the client may request tokens for. Repeatable." setting:"audiences"`
	Serves           []string `sep:"none" placeholder:"URL" help:"Audience of the API that uses this client to introspect tokens. Repeatable." setting:"serves"`
	PKCE             *string  `name:"pkce" enum:"required,optional" placeholder:"required|optional" help:"Whether a confidential client must use PKCE."`
	PAR              *bool    `name:"par" negatable:"" help:"Require pushed authorization requests (RFC 9126)." setting:"require_pushed_authorization_requests"`
	SignedRequests   *bool    `name:"signed-requests" negatable:"" help:"Require signed request objects (RFC 9101)." setting:"require_signed_request_object"`
	DPoP             *bool    `name:"dpop" negatable:"" help:"Require DPoP-bound tokens (RFC 9449)." setting:"dpop_bound_access_tokens"`
	Subject          *string  `enum:"public,pairwise" placeholder:"public|pairwise" help:"Subject identifiers: public, the same for all clients, or pairwise." setting:"subject_type"`
	SectorURI        *string  `name:"sector-uri" placeholder:"URL" help:"Sector identifier URI, for pairwise." setting:"sector_identifier_uri"`
	IDTokenAlg       *string  `name:"id-token-alg" placeholder:"ALG" help:"Signature algorithm of ID Tokens: RS256, ES256 or EdDSA." setting:"id_token_signed_response_alg"`
	IDTokenClaims    *string  `name:"id-token-claims" enum:"requested,scope" placeholder:"requested|scope" help:"Claims in ID Tokens: only those requested by name, or all of the granted scopes, for clients that do not call userinfo." setting:"id_token_claims"`
	AuthorizationAlg *string  `name:"authorization-alg" placeholder:"ALG" help:"Signature algorithm of authorization responses with response_mode=jwt: RS256, ES256 or EdDSA." setting:"authorization_signed_response_alg"`
	Popup            *bool    `name:"popup" negatable:"" help:"Users sign in in a popup: keep the opener of the window." setting:"popup"`
	UserInfoAlg      *string  `name:"userinfo-alg" placeholder:"ALG" help:"Signature algorithm of userinfo responses; empty for plain JSON." setting:"userinfo_signed_response_alg"`
	TokenFormat      *string  `name:"token-format" enum:"jwt,opaque" placeholder:"jwt|opaque" help:"Format of access tokens." setting:"access_token_format"`
	SecondFactor     *string  `name:"second-factor" enum:"optional,required,phishing_resistant" placeholder:"POLICY" help:"Second factor of its users, beyond what their tenant requires: optional, required or phishing_resistant (a passkey)." setting:"second_factor"`
	LogoURI          *string  `name:"logo-uri" placeholder:"URL" help:"URL of the logo." setting:"logo_uri"`
	ClientURI        *string  `name:"client-uri" placeholder:"URL" help:"URL of the home page." setting:"client_uri"`
	PolicyURI        *string  `name:"policy-uri" placeholder:"URL" help:"URL of the privacy policy." setting:"policy_uri"`
	TermsURI         *string  `name:"tos-uri" placeholder:"URL" help:"URL of the terms of service." setting:"tos_uri"`

	Set []string `sep:"none" placeholder:"NAME=VALUE" help:"Any setting, by its name in the admin API; flags, numbers, lists and objects in JSON. Repeatable."`

	ExchangeSubject  []string `name:"exchange-subject" sep:"none" placeholder:"CLIENT" help:"Client whose tokens may be exchanged; * for all. Repeatable."`
	ExchangeAudience []string `name:"exchange-audience" sep:"none" placeholder:"URL" help:"Resource of exchanged tokens. Repeatable."`
}

// grantNames are the names of the grants at the command line, as the help lists them.
func grantNames() string {
	var names []string
	for _, g := range oidc.Grants() {
		names = append(names, g.Short)
	}
	return strings.Join(names, ", ")
}

// parseGrant reads the name of a grant at the command line, or a grant type.
func parseGrant(name string) auth.GrantType {
	for _, g := range oidc.Grants() {
		if g.Short == name {
			return g.Name
		}
	}
	return auth.GrantType(name)
}

// apply sets the given flags in a registration.
func (f clientFlags) apply(r *client.Registration) error {
	members := map[string]any{}
	v := reflect.ValueOf(f)
	for field, value := range v.Fields() {
		name := field.Tag.Get("setting")
		if name == "" || value.IsNil() {
			continue
		}
		members[name] = value.Interface()
		if list, ok := members[name].([]string); ok {
			members[name] = withoutEmpty(list)
		}
	}
	if f.PKCE != nil {
		members["pkce_optional"] = *f.PKCE == "optional"
	}
	f.setGrants(members, r.Exchange)
	if err := f.setKeys(members); err != nil {
		return err
	}
	for _, given := range f.Set {
		name, text, ok := strings.Cut(given, "=")
		if !ok || name == "" {
			return fmt.Errorf("--set %s: NAME=VALUE is expected", given)
		}
		value := client.EncodeSetting(name, text)
		if !json.Valid(value) {
			return fmt.Errorf("--set %s: JSON is expected, such as true, 3600 or [\"a\"]", name)
		}
		members[name] = value
	}
	object, err := json.Marshal(members)
	if err != nil {
		return fmt.Errorf("encode settings: %w", err)
	}
	return r.Patch(object)
}

// setGrants sets the grants and changes the exchange policy.
func (f clientFlags) setGrants(members map[string]any, policy *auth.ClientExchangePolicy) {
	if f.Grant != nil {
		grants := []auth.GrantType{}
		for _, g := range withoutEmpty(f.Grant) {
			grants = append(grants, parseGrant(g))
		}
		members["grant_types"] = grants
	}
	if f.ExchangeSubject == nil && f.ExchangeAudience == nil {
		return
	}
	var p auth.ClientExchangePolicy
	if policy != nil {
		p = *policy
	}
	if f.ExchangeSubject != nil {
		p.Subjects = nil
		for _, id := range withoutEmpty(f.ExchangeSubject) {
			p.Subjects = append(p.Subjects, auth.ClientID(id))
		}
	}
	if f.ExchangeAudience != nil {
		p.Audiences = withoutEmpty(f.ExchangeAudience)
	}
	members["token_exchange"] = p
}

// setKeys sets jwks or jwks_uri and clears the other.
func (f clientFlags) setKeys(members map[string]any) error {
	if f.JWKSURI != nil && *f.JWKSURI != "" {
		members["jwks"] = nil
	}
	if f.JWKSFile == "" {
		return nil
	}
	b, err := os.ReadFile(f.JWKSFile)
	if err != nil {
		return fmt.Errorf("read --jwks-file: %w", err)
	}
	if !json.Valid(b) {
		return fmt.Errorf("--jwks-file %s: a JWK Set is expected, such as {\"keys\": […]}", f.JWKSFile)
	}
	members["jwks"] = json.RawMessage(b)
	if f.JWKSURI == nil {
		members["jwks_uri"] = ""
	}
	return nil
}

func withoutEmpty(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == "" })
}
