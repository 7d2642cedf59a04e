package pages

import (
	"net/url"
	"slices"
	"strings"

	"github.com/watchword-auth/watchword/internal/web/router"
)

// csp is the Content-Security-Policy of a page. It allows only our own style sheet and images;
// render adds our scripts for the pages that have one. Forms may go to us, and to the
// sources in forms.
func csp(forms string) string {
	return "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'" + forms + "; base-uri 'none'; frame-ancestors 'none'"
}

// towards returns what form-action has to allow in addition to ourselves on pages whose flow
// may end at one of the addresses. Chromium applies form-action to every redirect that follows a
// form, those of the client's own site included, so that https must be open as a
// whole; a program on the device is reached by its own scheme or port
// (docs/decisions/035-form-action.md).
func towards(addresses ...string) string {
	sources := []string{"https:"}
	n := 0
	for _, a := range addresses {
		s := source(a)
		if n+len(s) > maxSources && strings.HasPrefix(s, "http:") {
			s = "http:"
		}
		if s == "" || slices.Contains(sources, s) || s != "http:" && n+len(s) > maxSources {
			continue
		}
		sources, n = append(sources, s), n+len(s)+1
	}
	return " " + strings.Join(sources, " ")
}

// maxSources bounds the length of the sources of a policy, so that the head of an answer stays
// short. Beyond it http: allows all its hosts, and further schemes are left out.
const maxSources = 1 << 10

// source is the narrowest source of a policy that matches an address.
func source(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Scheme == "" || strings.Trim(u.Scheme, plain) != "":
		return ""
	case u.Scheme != "http":
		return u.Scheme + ":"
	case strings.Contains(u.Hostname(), ":"):
		return "http:" // a source cannot name an IPv6 address (Content Security Policy Level 3 §2.3.1)
	}
	if host := u.Hostname(); host != "" && strings.Trim(host, plain) == "" {
		return "http://" + host + ":*"
	}
	return ""
}

// plain are the characters of schemes and hosts, the only ones in a policy.
const plain = "abcdefghijklmnopqrstuvwxyz0123456789+-."

// SetFlowHeaders sets the headers of a page of a flow that may end at one of the addresses;
// without addresses it ends at this server.
func SetFlowHeaders(ex *router.Exchange, addresses ...string) {
	SetHeaders(ex)
	h := ex.Header()
	// Not no-referrer: with it browsers that send no Sec-Fetch-Site call the origin of our own forms null.
	h["Referrer-Policy"] = sameOrigin
	if len(addresses) > 0 {
		h["Content-Security-Policy"] = []string{csp(towards(addresses...))}
	}
}
