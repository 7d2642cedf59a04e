package auth

import "slices"

// ClientBounds is what an operator has set for a client that describes itself. It is stored apart
// from the client's own metadata, so that it holds however the client changes that. The zero
// value bounds nothing.
type ClientBounds struct {
	// Name is shown to users instead of the client's own name.
	Name string `json:"client_name,omitempty"`
	// Scopes and Grants are the most that the client may use; nil is no bound.
	Scopes []string    `json:"scopes,omitzero"`
	Grants []GrantType `json:"grant_types,omitzero"`
	// RedirectURIs and PostLogoutURIs are bounds once an operator has changed one of the
	// two lists: a URI has too many spellings to exclude it by name.
	RedirectURIs   []string `json:"redirect_uris,omitzero"`
	PostLogoutURIs []string `json:"post_logout_redirect_uris,omitzero"`
	// Requirements for the client, whether it has registered them itself or not.
	RequirePushed        bool `json:"require_pushed_authorization_requests,omitempty"`
	RequireSignedRequest bool `json:"require_signed_request_object,omitempty"`
	DPoP                 bool `json:"dpop_bound_access_tokens,omitempty"`
	RequireAuthTime      bool `json:"require_auth_time,omitempty"`
}

// Empty reports whether b bounds nothing.
func (b ClientBounds) Empty() bool {
	return b.Name == "" && b.Scopes == nil && b.Grants == nil && b.RedirectURIs == nil && b.PostLogoutURIs == nil && !b.RequirePushed && !b.RequireSignedRequest && !b.DPoP && !b.RequireAuthTime
}

// Bounded returns the client within its bounds. It is idempotent.
func (c Client) Bounded() Client {
	if c.Bounds == nil {
		return c
	}
	b, set := *c.Bounds, &c.Settings
	if b.Name != "" {
		c.Name = b.Name
	}
	if b.Scopes != nil {
		scopes := within(c.Scopes, b.Scopes)
		if len(scopes) == 0 { // a client without scopes would have the default ones
			scopes = slices.Clone(b.Scopes)
		}
		c.Scopes = scopes
		set.ResourceScopes = within(set.ResourceScopes, b.Scopes)
	}
	set.ScopesBounded = b.Scopes != nil
	if b.Grants != nil {
		set.Grants = within(set.Grants, b.Grants)
	}
	if b.RedirectURIs != nil {
		c.RedirectURIs = within(c.RedirectURIs, b.RedirectURIs)
	}
	if b.PostLogoutURIs != nil {
		set.PostLogoutURIs = within(set.PostLogoutURIs, b.PostLogoutURIs)
	}
	set.RequirePushed = set.RequirePushed || b.RequirePushed
	set.RequireSignedRequest = set.RequireSignedRequest || b.RequireSignedRequest
	set.DPoP = set.DPoP || b.DPoP
	set.RequireAuthTime = set.RequireAuthTime || b.RequireAuthTime
	return c
}

func within[T comparable](list, bound []T) []T {
	return slices.DeleteFunc(slices.Clone(list), func(v T) bool { return !slices.Contains(bound, v) })
}
