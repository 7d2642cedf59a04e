package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oidc"
)

// clientFlags are what may be said of a client, when it is made and later. A flag that
// is not given leaves things as they are; a list that is given replaces the former one,
// and one empty value empties it.
type clientFlags struct {
	RedirectURI    []string `name:"redirect-uri" sep:"none" placeholder:"URL" help:"Where people come back to; exact. Repeat for more."`
	PostLogoutURI  []string `name:"post-logout-uri" sep:"none" placeholder:"URL" help:"Where people may be sent after logging out; exact. Repeat for more."`
	BackchannelURI *string  `name:"backchannel-uri" placeholder:"URL" help:"Is told when a session has ended."`
	Scope          []string `sep:"none" placeholder:"SCOPE" help:"A scope it may ask for. Repeat for more (default: openid, profile, email and offline_access where people sign in)."`
	Grant          []string `sep:"none" placeholder:"GRANT" help:"A grant it may use: authorization_code, refresh_token, client_credentials, device_code or token_exchange. Repeat for more (default: what the type is for)."`
	Auth           *string  `placeholder:"METHOD" help:"The one way in which it proves itself: client_secret_basic, client_secret_post or private_key_jwt (default: a secret, sent either way; spa and native prove nothing)."`
	JWKSFile       string   `name:"jwks-file" aliases:"jwks" placeholder:"FILE" help:"Its public keys as a JWK Set, for private_key_jwt and signed requests."`
	JWKSURI        *string  `name:"jwks-uri" placeholder:"URL" help:"Where it publishes them instead."`
	Audience       []string `aliases:"resource" sep:"none" placeholder:"URL" help:"A resource it may ask tokens for. Repeat for more."`
	Serves         []string `sep:"none" placeholder:"URL" help:"An audience it is the API of, and whose tokens it may introspect. Repeat for more."`
	PKCE           *string  `name:"pkce" enum:"required,optional" placeholder:"required|optional" help:"Whether a client with a secret must send a code_challenge."`
	PAR            *bool    `name:"par" negatable:"" help:"Take its authorization requests through PAR alone."`
	SignedRequests *bool    `name:"signed-requests" negatable:"" help:"Take signed request objects alone."`
	DPoP           *bool    `name:"dpop" negatable:"" help:"Bind all its tokens to keys."`
	Subject        *string  `enum:"public,pairwise" placeholder:"public|pairwise" help:"Whether it knows people by the same id as others do."`
	SectorURI      *string  `name:"sector-uri" placeholder:"URL" help:"Document that lists the redirect URIs of a sector, for pairwise."`
	IDTokenAlg     *string  `name:"id-token-alg" placeholder:"ALG" help:"Signature of its ID Tokens: RS256, ES256 or EdDSA."`
	IDTokenClaims  *string  `name:"id-token-claims" enum:"requested,scope" placeholder:"requested|scope" help:"Whether its ID Tokens hold the claims of the granted scopes (email, name), or those alone that a request names. For clients that never ask userinfo."`
	AnswerAlg      *string  `name:"authorization-alg" placeholder:"ALG" help:"Signature of the answers to its authorization requests with response_mode jwt: RS256, ES256 or EdDSA."`
	Popup          *bool    `name:"popup" negatable:"" help:"People sign in to it in a popup: let the page that opened our pages keep its window."`
	UserInfoAlg    *string  `name:"userinfo-alg" placeholder:"ALG" help:"Sign answers of userinfo; empty for plain JSON."`
	TokenFormat    *string  `name:"token-format" enum:"jwt,opaque" placeholder:"jwt|opaque" help:"What its access tokens are."`
	LogoURI        *string  `name:"logo-uri" placeholder:"URL" help:"Its logo."`
	ClientURI      *string  `name:"client-uri" placeholder:"URL" help:"Its home page."`
	PolicyURI      *string  `name:"policy-uri" placeholder:"URL" help:"Its privacy policy."`
	TermsURI       *string  `name:"tos-uri" placeholder:"URL" help:"Its terms of service."`

	ExchangeSubject  []string `name:"exchange-subject" sep:"none" placeholder:"CLIENT" help:"A client whose tokens it may exchange; * for all. Repeat for more."`
	ExchangeAudience []string `name:"exchange-audience" sep:"none" placeholder:"URL" help:"A resource it may get tokens for by exchange. Repeat for more."`
}

// grantNames are short for what is long on the wire.
var grantNames = map[string]auth.GrantType{"device_code": auth.GrantDeviceCode, "token_exchange": auth.GrantTokenExchange}

// apply puts what was given into a registration.
func (f clientFlags) apply(r *oidc.Registration) error {
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
		&r.BackchannelURI: f.BackchannelURI, &r.JWKSURI: f.JWKSURI, &r.SubjectType: f.Subject, &r.SectorURI: f.SectorURI, &r.IDTokenAlgorithm: f.IDTokenAlg, &r.IDTokenClaims: f.IDTokenClaims, &r.AuthorizationAlgorithm: f.AnswerAlg,
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

func (f clientFlags) applyGrants(r *oidc.Registration) {
	if f.Grant != nil {
		r.Grants = []auth.GrantType{}
		for _, g := range withoutEmpty(f.Grant) {
			name, short := grantNames[g]
			if !short {
				name = auth.GrantType(g)
			}
			r.Grants = append(r.Grants, name)
		}
		r.Bounds.Grants = r.Grants
	}
	if f.ExchangeSubject == nil && f.ExchangeAudience == nil {
		return
	}
	var p auth.ExchangePolicy
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

// applyKeys puts the keys or their address in place of the other.
func (f clientFlags) applyKeys(r *oidc.Registration) error {
	if f.JWKSURI != nil && *f.JWKSURI != "" {
		r.JWKS = nil
	}
	if f.JWKSFile == "" {
		return nil
	}
	b, err := os.ReadFile(f.JWKSFile)
	if err != nil {
		return fmt.Errorf("read the keys: %w", err)
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
