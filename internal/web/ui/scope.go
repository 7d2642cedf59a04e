package ui

// access is one item of requested access: what it permits, and its limit.
type access struct {
	What, Limit string
	Name        string // of a scope without a text
}

// access explains scopes and resources. A scope without a text is shown by its name, since only its
// service knows its meaning.
func (p Page) access(scopes, resources []string) []access {
	var all []access
	for _, s := range scopes {
		k := Key("scope." + s)
		if describedScopes[s] {
			all = append(all, access{What: p.Say(k), Limit: p.Say(k + ".limit")})
			continue
		}
		all = append(all, access{Name: s, Limit: p.Say("scope.other.limit")})
	}
	for _, r := range resources {
		all = append(all, access{What: p.Say("scope.resource", r), Limit: p.Say("scope.resource.limit")})
	}
	return all
}

// describedScopes are the scopes with a text. Looking for a text is not enough, since a scope may be
// named "other" or "email.limit".
var describedScopes = map[string]bool{"openid": true, "profile": true, "email": true, "phone": true, "address": true, "offline_access": true}

// Access returns the requested access for the template.
func (p Consent) Access() []access { return p.access(p.Scopes, p.Resources) }

// Access returns the requested access for the template.
func (p DeviceConfirm) Access() []access { return p.access(p.Scopes, p.Resources) }

// Access returns the granted access of an app for the template.
func (p Apps) Access(scopes []string) []access { return p.access(scopes, nil) }
