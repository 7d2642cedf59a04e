package auth

import (
	"net/url"
	"slices"
	"strings"
)

// MaxURI is the largest length of a registered URI.
const MaxURI = 2048

// ParseRedirectURI checks a redirect URI at registration, for a client of the given type. It is
// returned unchanged, since redirect URIs are compared as strings (RFC 9700 §2.1). Allowed are:
//
//   - https with a host;
//   - http only for this machine: 127.0.0.1, [::1] or localhost (RFC 8252 §7.3,
//     RFC 9700 §2.6);
//   - for native clients a private-use scheme: one with a dot, because it is a reversed domain name (RFC 8252 §7.1), or one of the given schemes, which the operator allows although they prove no owner.
//
// Fragments (RFC 6749 §3.1.2), user names, wildcards and ambiguous characters are refused. A
// machine has no redirect URI.
func ParseRedirectURI(t ClientType, s string, schemes ...string) (string, error) {
	if t == ClientMachine {
		return "", badURI(CodeInvalidRedirectURI, Clip(s, 200)+": a machine has no redirect URI")
	}
	u, reason := absoluteURI(s)
	switch {
	case reason != "":
	case strings.Contains(s, "*"):
		reason = "wildcards are not supported; register each URI"
	case u.Scheme == "https" || u.Scheme == "http" && loopbackName(u.Hostname()):
		reason = plainHost(u)
	case u.Scheme == "http":
		reason = "http is only for loopback (127.0.0.1, [::1], localhost); use https"
	case t != ClientNative:
		reason = "use https; only a native client may have a private-use scheme"
	case len(u.Scheme) > MaxScheme:
		reason = "want a private-use scheme of at most 64 characters"
	case !strings.Contains(u.Scheme, ".") && !slices.Contains(schemes, u.Scheme):
		reason = "want a private-use scheme with a dot (com.example.app:/callback), or one of oauth.redirect_schemes"
	}
	if reason != "" {
		return "", badURI(CodeInvalidRedirectURI, Clip(s, 200)+": "+reason)
	}
	return s, nil
}

// MaxScheme is the largest length of a private-use scheme. It is sent in headers.
const MaxScheme = 64

// ParseWebURI checks a URI of a link or image for users: https with a host and without a
// fragment.
func ParseWebURI(field, s string) (string, error) {
	u, reason := absoluteURI(s)
	if reason == "" {
		if reason = plainHost(u); u.Scheme != "https" {
			reason = "use https"
		}
	}
	if reason != "" {
		return "", Invalid(CodeURIInvalid, field, reason)
	}
	return s, nil
}

// ParseResource checks the identifier of a resource (RFC 8707 §2): an absolute URI
// without a fragment.
func ParseResource(s string) (string, error) {
	if _, reason := absoluteURI(s); reason != "" {
		return "", badURI(CodeInvalidTarget, reason)
	}
	return s, nil
}

func badURI(code Code, reason string) *Error { return Invalid(code, "uri", reason) }

// absoluteURI parses an absolute URI of RFC 3986 without a fragment. It returns a text that names
// the fault, if there is one.
func absoluteURI(s string) (*url.URL, string) {
	if s == "" || len(s) > MaxURI {
		return nil, "want a URI of 1 to 2048 characters"
	}
	if !printable(s) || strings.ContainsAny(s, " \\\"<>^`{|}") {
		return nil, "want a URI without spaces, backslashes and non-ASCII characters"
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme == "":
		return nil, "want an absolute URI"
	case strings.Contains(s, "#"):
		return nil, "want a URI without a fragment"
	case u.User != nil:
		return nil, "want a URI without a user name"
	case !strings.HasPrefix(s, u.Scheme+":"):
		return nil, "write the scheme in lower case"
	case slices.Contains(activeSchemes, u.Scheme):
		return nil, "the scheme is not allowed"
	}
	return u, ""
}

// activeSchemes are schemes that a browser executes, or that read data of the user.
var activeSchemes = []string{"javascript", "data", "vbscript", "file", "blob", "filesystem", "about", "view-source", "chrome", "ws", "wss", "mailto", "ftp", "intent", "tel", "sms"}

// ActiveURI reports whether a browser would execute the URI or read data of the user with it. It
// ignores white space and control characters, as browsers do.
func ActiveURI(s string) bool {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' {
			return -1
		}
		return r
	}, s)
	scheme, _, ok := strings.Cut(s, ":")
	return ok && slices.Contains(activeSchemes, strings.ToLower(scheme))
}

func plainHost(u *url.URL) string {
	if u.Host == "" || u.Hostname() == "" || u.Opaque != "" {
		return "want a URI with a host"
	}
	if strings.ContainsAny(u.Host, "*%,;'!$&()+=~") || strings.HasSuffix(u.Host, ":") || strings.HasSuffix(u.Hostname(), ".") {
		return "want a plain host: no wildcard, encoding, empty port or trailing dot"
	}
	return ""
}

// OnLoopback reports whether a URL has a loopback host.
func OnLoopback(address string) bool {
	u, err := url.Parse(address)
	return err == nil && loopbackName(u.Hostname())
}

func loopbackName(host string) bool {
	return host == "127.0.0.1" || host == "::1" || host == "localhost"
}

// MatchRedirectURI reports whether the requested redirect URI is registered. They are compared as
// strings (RFC 9700 §2.1). For a public client with a loopback host only the port may differ (RFC
// 8252 §7.3).
func (c Client) MatchRedirectURI(requested string) bool { return c.matchURI(c.RedirectURIs, requested) }

// MatchPostLogoutURI is MatchRedirectURI for post_logout_redirect_uri.
func (c Client) MatchPostLogoutURI(requested string) bool {
	return c.matchURI(c.Settings.PostLogoutURIs, requested)
}

func (c Client) matchURI(registered []string, requested string) bool {
	if slices.Contains(registered, requested) {
		return true
	}
	if !c.Public() {
		return false
	}
	bare, ok := withoutPort(requested)
	return ok && slices.ContainsFunc(registered, func(uri string) bool {
		uri, ok := withoutPort(uri)
		return ok && uri == bare
	})
}

// withoutPort removes the port of an http URI with a loopback host, and reports whether s is one.
// That includes localhost: programs register it although a resolver may resolve it differently
// (RFC 8252 §8.3). It does not match an IP address.
func withoutPort(s string) (string, bool) {
	for _, host := range []string{"http://127.0.0.1", "http://[::1]", "http://localhost"} {
		rest, ok := strings.CutPrefix(s, host)
		if !ok {
			continue
		}
		if port, ok := strings.CutPrefix(rest, ":"); ok {
			rest = strings.TrimLeft(port, "0123456789")
			if n := len(port) - len(rest); n < 1 || n > 5 {
				return "", false
			}
		}
		if rest != "" && rest[0] != '/' && rest[0] != '?' {
			return "", false
		}
		return host + rest, true
	}
	return "", false
}

// Assured reports whether a response to the redirect URI reaches only the client: the client
// authenticates when it redeems the code, or the URI is https. Any program on a device can claim
// a private-use scheme or a port.
func (c Client) Assured(redirectURI string) bool {
	return !c.Public() || strings.HasPrefix(redirectURI, "https://")
}
