package config

import (
	"errors"
	"slices"
	"strings"
)

// Resource is an API that is open to every client, with its scopes.
type Resource struct {
	URL    string
	Scopes []string
}

// Resources is a list of APIs. Its text form separates them by commas; the scopes of each follow
// its URL.
type Resources []Resource

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Resources) UnmarshalText(text []byte) error {
	*r = nil
	for entry := range strings.SplitSeq(string(text), ",") {
		words := strings.Fields(entry)
		if len(words) == 0 {
			continue
		}
		if slices.ContainsFunc(*r, func(other Resource) bool { return other.URL == words[0] }) {
			return errors.New("has a resource twice")
		}
		*r = append(*r, Resource{URL: words[0], Scopes: words[1:]})
	}
	return nil
}

// String returns the text form.
func (r Resources) String() string {
	entries := make([]string, len(r))
	for i, v := range r {
		entries[i] = strings.Join(append([]string{v.URL}, v.Scopes...), " ")
	}
	return strings.Join(entries, ", ")
}

// URLs returns the resources without their scopes.
func (r Resources) URLs() []string {
	urls := make([]string, len(r))
	for i, v := range r {
		urls[i] = v.URL
	}
	return urls
}

// Scopes returns the scopes of each resource by its URL.
func (r Resources) Scopes() map[string][]string {
	scopes := map[string][]string{}
	for _, v := range r {
		scopes[v.URL] = v.Scopes
	}
	return scopes
}

// resourceText returns the text form of an entry of a YAML list: a URL, or an object
// with resource (or url) and scopes.
func resourceText(entry any) (string, bool) {
	if url, ok := entry.(string); ok {
		return url, !strings.ContainsAny(url, ", ")
	}
	object, ok := entry.(map[string]any)
	if !ok {
		return "", false
	}
	var words, scopes []string
	for name, v := range object {
		switch v := v.(type) {
		case string:
			if name != "resource" && name != "url" {
				return "", false
			}
			words = append(words, v)
		case []any:
			for _, scope := range v {
				s, ok := scope.(string)
				if !ok || name != "scopes" {
					return "", false
				}
				scopes = append(scopes, s)
			}
		default:
			return "", false
		}
	}
	if len(words) != 1 || slices.ContainsFunc(append(words, scopes...), func(w string) bool { return w == "" || strings.ContainsAny(w, ", ") }) {
		return "", false
	}
	return strings.Join(append(words, scopes...), " "), true
}
