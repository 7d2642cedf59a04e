package pages

import (
	"net/url"
	"slices"
	"strings"

	"github.com/watchword-auth/watchword/internal/web/router"
)

// csp returns the Content-Security-Policy of a page. It allows style sheets and images of this server;
// render adds scripts for pages that have one. Forms may go to this server and to the given
// sources.
func csp(sources string) string {
	return "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'" + sources + "; base-uri 'none'; frame-ancestors 'none'"
}

// formActions returns the form-action sources of a page whose flow may end at one of the URIs. Chromium
// applies form-action to every redirect after a form, also within the client's site, so all of
// https: is allowed. Native applications add their scheme or port
// (docs/decisions/035-form-action.md).
func formActions(uris ...string) string {
	sources := []string{"https:"}
	n := 0
	for _, uri := range uris {
		s := source(uri)
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

// maxSources bounds the length of the sources of a policy, so that the header of a response stays
// short. Beyond it http: allows all hosts, and further schemes are left out.
const maxSources = 1 << 10

// source returns the narrowest source of a policy that matches a URI, or empty.
func source(uri string) string {
	u, err := url.Parse(uri)
	switch {
	case err != nil || u.Scheme == "" || strings.Trim(u.Scheme, policyChars) != "":
		return ""
	case u.Scheme != "http":
		return u.Scheme + ":"
	case strings.Contains(u.Hostname(), ":"):
		return "http:" // a source cannot name an IPv6 address (Content Security Policy Level 3 §2.3.1)
	}
	if host := u.Hostname(); host != "" && strings.Trim(host, policyChars) == "" {
		return "http://" + host + ":*"
	}
	return ""
}

// policyChars are the characters that schemes and hosts may have in a policy.
const policyChars = "abcdefghijklmnopqrstuvwxyz0123456789+-."

// SetFlowHeaders sets the headers of a page of a flow that may end at one of the URIs, or, without any,
// at this server.
func SetFlowHeaders(ex *router.Exchange, uris ...string) {
	SetHeaders(ex)
	h := ex.Header()
	// Not no-referrer: with it, browsers without Sec-Fetch-Site send the origin null with the page's forms.
	h["Referrer-Policy"] = sameOrigin
	if len(uris) > 0 {
		h["Content-Security-Policy"] = []string{csp(formActions(uris...))}
	}
}
