package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oidc"
)

// clientFlags are the settings of a client, for create and update. A flag that is not
// given changes nothing. A list replaces the previous one; one empty value empties it.
type clientFlags struct {
	RedirectURI      []string `name:"redirect-uri" sep:"none" placeholder:"URL" help:"Redirect URI, matched exactly. Repeatable."`
	PostLogoutURI    []string `name:"post-logout-uri" sep:"none" placeholder:"URL" help:"Post-logout redirect URI, matched exactly. Repeatable."`
	BackchannelURI   *string  `name:"backchannel-uri" placeholder:"URL" help:"Back-channel logout URI."`
	Scope            []string `sep:"none" placeholder:"SCOPE" help:"Allowed scope. Repeatable (default for clients with users: openid, profile, email, offline_access)."`
	Grant            []string `sep:"none" placeholder:"GRANT" help:"Allowed grant: one of ${grants}. Repeatable (default: by type)."`
	Auth             *string  `placeholder:"METHOD" help:"Token endpoint authentication: client_secret_basic, client_secret_post or private_key_jwt (default: a secret, sent in either way; none for spa and native)."`
	JWKSFile         string   `name:"jwks-file" aliases:"jwks" placeholder:"FILE" help:"JWK Set with the client's public keys, for private_key_jwt and signed requests."`
	JWKSURI          *string  `name:"jwks-uri" placeholder:"URL" help:"URL of the client's JWK Set, instead of a file."`
	Audience         []string `aliases:"resource" sep:"none" placeholder:"URL" help:"Resource that the client may request tokens for. Repeatable."`
	Serves           []string `sep:"none" placeholder:"URL" help:"Audience of the API that uses this client to introspect tokens. Repeatable."`
	PKCE             *string  `name:"pkce" enum:"required,optional" placeholder:"required|optional" help:"Whether a confidential client must use PKCE."`
	PAR              *bool    `name:"par" negatable:"" help:"Require pushed authorization requests (RFC 9126)."`
	SignedRequests   *bool    `name:"signed-requests" negatable:"" help:"Require signed request objects (RFC 9101)."`
	DPoP             *bool    `name:"dpop" negatable:"" help:"Require DPoP-bound tokens (RFC 9449)."`
	Subject          *string  `enum:"public,pairwise" placeholder:"public|pairwise" help:"Subject identifiers: public, the same for all clients, or pairwise."`
	SectorURI        *string  `name:"sector-uri" placeholder:"URL" help:"Sector identifier URI, for pairwise."`
	IDTokenAlg       *string  `name:"id-token-alg" placeholder:"ALG" help:"Signature algorithm of ID Tokens: RS256, ES256 or EdDSA."`
	IDTokenClaims    *string  `name:"id-token-claims" enum:"requested,scope" placeholder:"requested|scope" help:"Claims in ID Tokens: only those requested by name, or all of the granted scopes, for clients that do not call userinfo."`
	AuthorizationAlg *string  `name:"authorization-alg" placeholder:"ALG" help:"Signature algorithm of authorization responses with response_mode=jwt: RS256, ES256 or EdDSA."`
	Popup            *bool    `name:"popup" negatable:"" help:"Users sign in in a popup: keep the opener of the window."`
	UserInfoAlg      *string  `name:"userinfo-alg" placeholder:"ALG" help:"Signature algorithm of userinfo responses; empty for plain JSON."`
	TokenFormat      *string  `name:"token-format" enum:"jwt,opaque" placeholder:"jwt|opaque" help:"Format of access tokens."`
	LogoURI          *string  `name:"logo-uri" placeholder:"URL" help:"URL of the logo."`
	ClientURI        *string  `name:"client-uri" placeholder:"URL" help:"URL of the home page."`
	PolicyURI        *string  `name:"policy-uri" placeholder:"URL" help:"URL of the privacy policy."`
	TermsURI         *string  `name:"tos-uri" placeholder:"URL" help:"URL of the terms of service."`

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
	lists := []struct {
		to    *[]string
		given []string
	}{{&r.RedirectURIs, f.RedirectURI}, {&r.PostLogoutURIs, f.PostLogoutURI}, {&r.Scopes, f.Scope}, {&r.Bounds.Scopes, f.Scope}, {&r.Audiences, f.Audience}, {&r.Serves, f.Serves}}
	for _, l := range lists {
		if l.given != nil {
			*l.to = withoutEmpty(l.given)
		}
	}
	texts := map[*string]*string{
		&r.BackchannelURI: f.BackchannelURI, &r.JWKSURI: f.JWKSURI, &r.SubjectType: f.Subject, &r.SectorURI: f.SectorURI, &r.IDTokenAlgorithm: f.IDTokenAlg, &r.IDTokenClaims: f.IDTokenClaims, &r.AuthorizationAlgorithm: f.AuthorizationAlg,
		&r.UserInfoAlgorithm: f.UserInfoAlg, &r.TokenFormat: f.TokenFormat, &r.LogoURI: f.LogoURI, &r.ClientURI: f.ClientURI, &r.PolicyURI: f.PolicyURI, &r.TermsURI: f.TermsURI,
	}
	for to, given := range texts {
		if given != nil {
			*to = *given
		}
	}
	for to, given := range map[*bool]*bool{&r.RequirePushed: f.PAR, &r.RequireSignedRequest: f.SignedRequests, &r.DPoP: f.DPoP, &r.Popup: f.Popup,
		&r.Bounds.RequirePushed: f.PAR, &r.Bounds.RequireSignedRequest: f.SignedRequests, &r.Bounds.DPoP: f.DPoP} {
		if given != nil {
			*to = *given
		}
	}
	if f.Auth != nil {
		r.Auth = auth.AuthMethod(*f.Auth)
	}
	if f.PKCE != nil {
		r.PKCEOptional = *f.PKCE == "optional"
	}
	f.applyGrants(r)
	return f.applyKeys(r)
}

func (f clientFlags) applyGrants(r *client.Registration) {
	if f.Grant != nil {
		r.Grants = []auth.GrantType{}
		for _, g := range withoutEmpty(f.Grant) {
			r.Grants = append(r.Grants, parseGrant(g))
		}
		r.Bounds.Grants = r.Grants
	}
	if f.ExchangeSubject == nil && f.ExchangeAudience == nil {
		return
	}
	var p auth.ClientExchangePolicy
	if r.Exchange != nil {
		p = *r.Exchange
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
	r.Exchange = &p
}

// applyKeys sets jwks or jwks_uri and clears the other.
func (f clientFlags) applyKeys(r *client.Registration) error {
	if f.JWKSURI != nil && *f.JWKSURI != "" {
		r.JWKS = nil
	}
	if f.JWKSFile == "" {
		return nil
	}
	b, err := os.ReadFile(f.JWKSFile)
	if err != nil {
		return fmt.Errorf("read --jwks-file: %w", err)
	}
	r.JWKS = b
	if f.JWKSURI == nil {
		r.JWKSURI = ""
	}
	return nil
}

func withoutEmpty(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == "" })
}
