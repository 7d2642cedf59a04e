package guard

import (
	"slices"
	"strings"
)

// SameResource reports whether two identifiers name the same resource: they are the
// same string, or http URLs that are equivalent by RFC 3986 section 6.2.3. It ignores
// the case of scheme and host, the default port and the "/" of an empty path, and
// nothing else. URL libraries write "https://api.example.com/" for what is configured
// as "https://api.example.com".
func SameResource(a, b string) bool { return a == b || resourceKey(a) == resourceKey(b) }

// resourceKey returns the normal form in which SameResource compares.
func resourceKey(id string) string {
	scheme, rest, _ := strings.Cut(id, "://")
	scheme = strings.ToLower(scheme)
	port := ""
	switch scheme {
	case "https":
		port = ":443"
	case "http":
		port = ":80"
	default:
		return id
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host, path := strings.ToLower(rest[:end]), rest[end:]
	if host == "" || strings.Contains(host, "@") {
		return id
	}
	host = strings.TrimSuffix(strings.TrimSuffix(host, port), ":")
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return scheme + "://" + host + path
}

// inAudience reports whether audiences contains the audience.
func inAudience(audiences []string, audience string) bool {
	return slices.Contains(audiences, audience) ||
		slices.ContainsFunc(audiences, func(a string) bool { return SameResource(a, audience) })
}
