package auth

import (
	"net/url"
	"strings"
)

// The response modes (OAuth 2.0 Multiple Response Types §2.1, OAuth 2.0 Form Post Response Mode).
const (
	ModeQuery    = "query"
	ModeFragment = "fragment"
	ModeFormPost = "form_post"
)

// AuthorizationResponse is the response to the client through the browser (RFC 6749 §4.1.2), with
// the state of the request and the issuer (RFC 9207 §2).
type AuthorizationResponse struct {
	RedirectURI string
	Mode        string // ModeQuery, ModeFragment or ModeFormPost
	Params      [][2]string
	// Confirm requires that the user confirms the redirect (RFC 9700 §4.11.2).
	Confirm bool
}

// FormPost reports whether the response is a form that the browser posts to RedirectURI, with
// Params as its fields, instead of a redirect to Location.
func (a AuthorizationResponse) FormPost() bool { return a.Mode == ModeFormPost }

// Location returns the URI of the redirect. The redirect URI's own query is preserved (RFC 6749
// §3.1.2).
func (a AuthorizationResponse) Location() string {
	var b strings.Builder
	b.WriteString(a.RedirectURI)
	switch {
	case a.Mode == ModeFragment:
		b.WriteByte('#')
	case !strings.Contains(a.RedirectURI, "?"):
		b.WriteByte('?')
	case !strings.HasSuffix(a.RedirectURI, "?") && !strings.HasSuffix(a.RedirectURI, "&"):
		b.WriteByte('&')
	}
	for i, p := range a.Params {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p[0] + "=" + encodeParam(p[1]))
	}
	return b.String()
}

// encodeParam encodes a value; a space becomes %20, which is also understood in a fragment.
func encodeParam(v string) string { return strings.ReplaceAll(url.QueryEscape(v), "+", "%20") }

// Get returns a parameter of the response, or empty.
func (a AuthorizationResponse) Get(name string) string {
	for _, p := range a.Params {
		if p[0] == name {
			return p[1]
		}
	}
	return ""
}
