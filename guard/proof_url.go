package guard

import (
	"errors"
	"net/url"
	"strings"
)

var errURL = errors.New("not an absolute http URL")

// normalURL normalizes an http URL without its query and fragment (RFC 3986 sections
// 6.2.2 and 6.2.3): lower-case scheme and host, no default port, no dot segments, no
// empty path, and no unnecessary escapes.
func normalURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.User != nil || u.Hostname() == "" {
		return "", errURL
	}
	scheme, port := strings.ToLower(u.Scheme), ""
	switch p := u.Port(); {
	case scheme != "https" && scheme != "http":
		return "", errURL
	case p == "" || scheme == "https" && p == "443" || scheme == "http" && p == "80":
	default:
		port = ":" + p
	}
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	path := unescapeUnreserved(u.EscapedPath())
	if strings.Contains(path, "/.") {
		flat, err := url.Parse(path)
		if err != nil {
			return "", errURL
		}
		path = (&url.URL{Scheme: scheme, Host: host}).ResolveReference(&url.URL{Path: flat.Path, RawPath: flat.RawPath}).EscapedPath()
	}
	if path == "" {
		path = "/"
	}
	return scheme + "://" + host + port + path, nil
}

// unescapeUnreserved decodes escapes of unreserved characters and writes the other
// escapes in upper case.
func unescapeUnreserved(path string) string {
	if !strings.Contains(path, "%") {
		return path
	}
	out := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		if path[i] != '%' || i+2 >= len(path) {
			out = append(out, path[i])
			continue
		}
		c := unhex(path[i+1])<<4 | unhex(path[i+2])
		if isUnreserved(c) {
			out = append(out, c)
		} else {
			const digits = "0123456789ABCDEF"
			out = append(out, '%', digits[c>>4], digits[c&15])
		}
		i += 2
	}
	return string(out)
}

// unhex returns the value of a hex digit that url.Parse has accepted.
func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}

// isUnreserved reports whether c is unreserved (RFC 3986 section 2.3).
func isUnreserved(c byte) bool {
	return c-'a' < 26 || c-'A' < 26 || c-'0' < 10 || c == '-' || c == '.' || c == '_' || c == '~'
}
