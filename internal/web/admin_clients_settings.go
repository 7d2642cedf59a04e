package web

import (
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
)

// apply puts the settings that were sent into a registration.
func (in ClientSettings) apply(r *client.Registration) {
	put(&r.Name, in.Name)
	put(&r.Bounds.Name, in.Name)
	put(&r.RedirectURIs, in.RedirectURIs)
	put(&r.Scopes, in.Scopes)
	put(&r.Bounds.Scopes, in.Scopes)
	if in.Grants != nil {
		r.Grants = named[auth.GrantType](*in.Grants)
		r.Bounds.Grants = r.Grants
	}
	if in.Auth != nil {
		r.Auth = auth.AuthMethod(*in.Auth)
	}
	put(&r.AuthAlgorithm, in.AuthAlg)
	put(&r.JWKS, in.JWKS)
	if string(r.JWKS) == "null" {
		r.JWKS = nil
	}
	put(&r.JWKSURI, in.JWKSURI)
	put(&r.Audiences, in.Audiences)
	put(&r.Serves, in.Serves)
	put(&r.PKCEOptional, in.PKCEOptional)
	put(&r.RequirePushed, in.RequirePushed)
	put(&r.Bounds.RequirePushed, in.RequirePushed)
	put(&r.RequireSignedRequest, in.RequireSigned)
	put(&r.Bounds.RequireSignedRequest, in.RequireSigned)
	put(&r.RequestAlgorithm, in.RequestAlg)
	put(&r.RequestURIs, in.RequestURIs)
	put(&r.DPoP, in.DPoP)
	put(&r.Bounds.DPoP, in.DPoP)
	in.applyAnswers(r)
	in.applyPeople(r)
}

// applyAnswers is the part about what the client gets.
func (in ClientSettings) applyAnswers(r *client.Registration) {
	put(&r.IDTokenAlgorithm, in.IDTokenAlg)
	put(&r.IDTokenClaims, in.IDTokenClaims)
	put(&r.Popup, in.Popup)
	put(&r.UserInfoAlgorithm, in.UserInfoAlg)
	put(&r.IntrospectionAlgorithm, in.IntrospectionAlg)
	put(&r.AuthorizationAlgorithm, in.AuthorizationAlg)
	put(&r.TokenFormat, in.TokenFormat)
	put(&r.SubjectType, in.SubjectType)
	put(&r.SectorURI, in.SectorURI)
	if in.DefaultMaxAge != nil {
		if r.DefaultMaxAge = in.DefaultMaxAge; *in.DefaultMaxAge < 0 {
			r.DefaultMaxAge = nil
		}
	}
	put(&r.DefaultACR, in.DefaultACR)
	put(&r.RequireAuthTime, in.RequireAuthTime)
	put(&r.Bounds.RequireAuthTime, in.RequireAuthTime)
	if p := in.Exchange; p != nil {
		r.Exchange = &auth.ExchangePolicy{Subjects: named[auth.ClientID](p.Subjects), Audiences: p.Audiences, Impersonate: p.Impersonate}
	}
}

// applyPeople is the part about what people are shown and led to.
func (in ClientSettings) applyPeople(r *client.Registration) {
	put(&r.PostLogoutURIs, in.PostLogoutURIs)
	put(&r.BackchannelURI, in.BackchannelURI)
	put(&r.BackchannelSession, in.BackchannelSID)
	put(&r.InitiateLoginURI, in.InitiateLoginURI)
	put(&r.LogoURI, in.LogoURI)
	put(&r.ClientURI, in.ClientURI)
	put(&r.PolicyURI, in.PolicyURI)
	put(&r.TermsURI, in.TermsURI)
	put(&r.Contacts, in.Contacts)
}

func put[T any](to *T, sent *T) {
	if sent != nil {
		*to = *sent
	}
}

func named[T ~string](list []string) []T {
	out := make([]T, 0, len(list))
	for _, v := range list {
		out = append(out, T(v))
	}
	return out
}

// clientOf is a client as administrators see it: never a secret or a digest of one.
func clientOf(c auth.Client) Client {
	set := c.Settings
	v := Client{
		ID: string(c.ID), Type: string(c.Type), FirstParty: c.FirstParty, Disabled: c.Disabled(), Secrets: []SecretOfDate{},
		Dynamic: c.SelfDescribed(), Bounds: c.Bounds, CreatedAt: c.CreatedAt.UTC(), UpdatedAt: c.UpdatedAt.UTC(),
		ClientSettings: ClientSettings{
			Name: &c.Name, RedirectURIs: lists(c.RedirectURIs), Scopes: lists(c.Scopes), Grants: lists(texts(set.Grants)), Auth: some(string(set.Auth)),
			AuthAlg: some(set.AuthAlgorithm), JWKSURI: some(set.JWKSURI), Audiences: lists(set.Audiences), Serves: lists(set.Serves),
			PKCEOptional: &set.PKCEOptional, RequirePushed: &set.RequirePushed, RequireSigned: &set.RequireSignedRequest,
			RequestAlg: some(set.RequestAlgorithm), RequestURIs: lists(set.RequestURIs), DPoP: &set.DPoP,
			IDTokenAlg: some(set.IDTokenAlgorithm), IDTokenClaims: some(set.IDTokenClaims), Popup: &set.Popup, UserInfoAlg: some(set.UserInfoAlgorithm), IntrospectionAlg: some(set.IntrospectionAlgorithm),
			AuthorizationAlg: some(set.AuthorizationAlgorithm),
			TokenFormat:      some(set.TokenFormat), SubjectType: some(set.SubjectType), SectorURI: some(set.SectorURI),
			PostLogoutURIs: lists(set.PostLogoutURIs), BackchannelURI: some(set.BackchannelURI), BackchannelSID: &set.BackchannelSession,
			DefaultMaxAge: set.DefaultMaxAge, DefaultACR: lists(set.DefaultACR), RequireAuthTime: &set.RequireAuthTime,
			InitiateLoginURI: some(set.InitiateLoginURI), LogoURI: some(set.LogoURI), ClientURI: some(set.ClientURI), PolicyURI: some(set.PolicyURI),
			TermsURI: some(set.TermsURI), Contacts: lists(set.Contacts),
		},
	}
	if len(set.JWKS) > 0 {
		v.JWKS = &set.JWKS
	}
	if p := set.Exchange; p != nil {
		v.Exchange = &ClientExchangePolicy{Subjects: texts(p.Subjects), Audiences: p.Audiences, Impersonate: p.Impersonate}
	}
	for _, s := range c.Secrets {
		one := SecretOfDate{CreatedAt: s.CreatedAt.UTC()}
		if at := s.ExpiresAt.UTC(); !s.ExpiresAt.IsZero() {
			one.ExpiresAt = &at
		}
		v.Secrets = append(v.Secrets, one)
	}
	return v
}

// some is a value unless it is empty.
func some(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func lists(s []string) *[]string { s = list(s); return &s }

func texts[T ~string](in []T) []string {
	out := make([]string, 0, len(in))
	for _, v := range in {
		out = append(out, string(v))
	}
	return out
}
