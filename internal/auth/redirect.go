package auth

import (
	"net/url"
	"slices"
	"strings"
)

// MaxURI is how long a registered URI may be.
const MaxURI = 2048

// ParseRedirectURI checks a redirect URI at registration, for a client of the given
// type. It is kept exactly as given, since it will be compared as plain text (RFC
// 9700 §2.1). Taken are:
//
//   - https with a host;
//   - http only for this machine: 127.0.0.1, [::1] or localhost (RFC 8252 §7.3,
//     RFC 9700 §2.6);
//   - for native clients a private-use scheme: one with a dot, because it is a domain
//     turned round (RFC 8252 §7.1), or one of the given schemes, which an operator lets
//     clients use although nothing says whose they are.
//
// No fragment (RFC 6749 §3.1.2), no user, no wildcard, no character that two readers
// understand differently. A machine has none at all.
func ParseRedirectURI(t ClientType, s string, schemes ...string) (string, error) {
	if t == ClientMachine {
		return "", badURI(CodeInvalidRedirectURI, Clip(s, 200)+": a machine has no redirect URI")
	}
	u, why := absoluteURI(s)
	switch {
	case why != "":
	case strings.Contains(s, "*"):
		why = "write the whole address: there are no wildcards"
	case u.Scheme == "https" || u.Scheme == "http" && loopbackName(u.Hostname()):
		why = plainHost(u)
	case u.Scheme == "http":
		why = "http is only for this machine (127.0.0.1, [::1], localhost); use https"
	case t != ClientNative:
		why = "use https; only a native client may have a private-use scheme"
	case len(u.Scheme) > MaxScheme:
		why = "a private-use scheme has at most 64 characters"
	case !strings.Contains(u.Scheme, ".") && !slices.Contains(schemes, u.Scheme):
		why = "a private-use scheme has a dot in it (com.example.app:/callback), or the operator lists it in oauth.redirect_schemes"
	}
	if why != "" {
		return "", badURI(CodeInvalidRedirectURI, Clip(s, 200)+": "+why)
	}
	return s, nil
}

// MaxScheme is how long a private-use scheme may be. It stands in headers.
const MaxScheme = 64

// ParseWebURI checks an address that people are led to or shown: https with a host,
// no fragment, nothing that a browser would carry out.
func ParseWebURI(field, s string) (string, error) {
	u, why := absoluteURI(s)
	if why == "" {
		if why = plainHost(u); u.Scheme != "https" {
			why = "use https"
		}
	}
	if why != "" {
		return "", Invalid(CodeURIInvalid, field, why)
	}
	return s, nil
}

// ParseResource checks the identifier of a resource (RFC 8707 §2): an absolute URI
// without a fragment.
func ParseResource(s string) (string, error) {
	if _, why := absoluteURI(s); why != "" {
		return "", badURI(CodeInvalidTarget, why)
	}
	return s, nil
}

func badURI(code Code, why string) *Error { return Invalid(code, "uri", why) }

// absoluteURI says what is wrong with s as an absolute URI of RFC 3986 without a
// fragment.
func absoluteURI(s string) (*url.URL, string) {
	if s == "" || len(s) > MaxURI {
		return nil, "a URI has 1 to 2048 characters"
	}
	if !printable(s) || strings.ContainsAny(s, " \\\"<>^`{|}") {
		return nil, "a URI has no spaces, backslashes or characters beyond ASCII"
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme == "":
		return nil, "this is not an absolute URI"
	case strings.Contains(s, "#"):
		return nil, "a fragment is not allowed here"
	case u.User != nil:
		return nil, "a user name is not allowed here"
	case !strings.HasPrefix(s, u.Scheme+":"):
		return nil, "write the scheme in lower case"
	case slices.Contains(active, u.Scheme):
		return nil, "this scheme is never allowed"
	}
	return u, ""
}

// active are schemes that a browser carries out, or that read what is the reader's.
var active = []string{"javascript", "data", "vbscript", "file", "blob", "filesystem", "about", "view-source", "chrome", "ws", "wss", "mailto", "ftp", "intent", "tel", "sms"}

// ActiveURI reports whether a browser would carry the address out, or read with it what
// is the reader's. White space and control characters count as little as for a browser.
func ActiveURI(s string) bool {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' {
			return -1
		}
		return r
	}, s)
	scheme, _, ok := strings.Cut(s, ":")
	return ok && slices.Contains(active, strings.ToLower(scheme))
}

func plainHost(u *url.URL) string {
	if u.Host == "" || u.Hostname() == "" || u.Opaque != "" {
		return "this URI has no host"
	}
	if strings.ContainsAny(u.Host, "*%,;'!$&()+=~") || strings.HasSuffix(u.Host, ":") || strings.HasSuffix(u.Hostname(), ".") {
		return "write the host plainly: no wildcard, no encoding, no empty port, no dot at its end"
	}
	return ""
}

// OnLoopback reports whether an address leads to this machine.
func OnLoopback(address string) bool {
	u, err := url.Parse(address)
	return err == nil && loopbackName(u.Hostname())
}

func loopbackName(host string) bool {
	return host == "127.0.0.1" || host == "::1" || host == "localhost"
}

// MatchRedirectURI reports whether the address of an authorization request is one that
// the client has registered: the same text, character by character (RFC 9700 §2.1).
// A client without a secret listens on another port of this machine each time, so on
// a loopback host the port may differ, and nothing else (RFC 8252 §7.3).
func (c Client) MatchRedirectURI(asked string) bool { return c.matchURI(c.RedirectURIs, asked) }

// MatchPostLogoutURI is MatchRedirectURI for where a person may be sent after logging out.
func (c Client) MatchPostLogoutURI(asked string) bool {
	return c.matchURI(c.Settings.PostLogoutURIs, asked)
}

func (c Client) matchURI(registered []string, asked string) bool {
	if slices.Contains(registered, asked) {
		return true
	}
	if !c.Public() {
		return false
	}
	bare, ok := withoutPort(asked)
	return ok && slices.ContainsFunc(registered, func(kept string) bool {
		kept, ok := withoutPort(kept)
		return ok && kept == bare
	})
}

// withoutPort cuts the port out of an http address of a loopback host, and out of
// nothing else. The name localhost is one of them: programs register it although a
// resolver may send it elsewhere (RFC 8252 §8.3). It never stands for an IP address.
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

// Assured reports whether an answer at that address reaches the client and nobody else:
// the client proves who it is when it redeems the code, or the address is its own on
// the web. A scheme or a port of a device can be taken by any program on it.
func (c Client) Assured(redirectURI string) bool {
	return !c.Public() || strings.HasPrefix(redirectURI, "https://")
}
