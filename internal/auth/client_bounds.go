package auth

import "slices"

// ClientBounds is an operator's word about a client that describes itself. It is kept
// apart from what the client says, so that it holds whatever the client says next.
// The zero value says nothing.
type ClientBounds struct {
	// Name is shown to people in place of the client's own.
	Name string `json:"client_name,omitempty"`
	// Scopes and Grants are the most that the client gets; nil is no bound.
	Scopes []string    `json:"scopes,omitzero"`
	Grants []GrantType `json:"grant_types,omitzero"`
	// RedirectURIs and PostLogoutURIs are bounds once an operator has changed one of the
	// two lists: one URI has too many spellings to keep it out by name.
	RedirectURIs   []string `json:"redirect_uris,omitzero"`
	PostLogoutURIs []string `json:"post_logout_redirect_uris,omitzero"`
	// What is required of the client, whether it asks for it itself or not.
	RequirePushed        bool `json:"require_pushed_authorization_requests,omitempty"`
	RequireSignedRequest bool `json:"require_signed_request_object,omitempty"`
	DPoP                 bool `json:"dpop_bound_access_tokens,omitempty"`
	RequireAuthTime      bool `json:"require_auth_time,omitempty"`
}

// Empty reports whether the bounds say nothing.
func (b ClientBounds) Empty() bool {
	return b.Name == "" && b.Scopes == nil && b.Grants == nil && b.RedirectURIs == nil && b.PostLogoutURIs == nil && !b.RequirePushed && !b.RequireSignedRequest && !b.DPoP && !b.RequireAuthTime
}

// Bounded returns the client within its bounds. Bounding it twice changes nothing.
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
