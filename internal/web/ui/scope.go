package ui

// ask is one thing that a client asks for: a sentence, and where it ends.
type ask struct {
	What, Limit string
	Name        string // of a scope that we know nothing about
}

// asks says what scopes and resources mean. A scope without a sentence is shown by
// its name: only its service knows what it covers.
func (p Page) asks(scopes, resources []string) []ask {
	var all []ask
	for _, s := range scopes {
		k := Key("scope." + s)
		if known[s] {
			all = append(all, ask{What: p.Say(k), Limit: p.Say(k + ".limit")})
			continue
		}
		all = append(all, ask{Name: s, Limit: p.Say("scope.other.limit")})
	}
	for _, r := range resources {
		all = append(all, ask{What: p.Say("scope.resource", r), Limit: p.Say("scope.resource.limit")})
	}
	return all
}

// known are the scopes with sentences. A test on the words is not enough, since a
// scope may be called "other" or "email.limit".
var known = map[string]bool{"openid": true, "profile": true, "email": true, "phone": true, "address": true, "offline_access": true}

// Asks is what the template lists.
func (p Consent) Asks() []ask { return p.asks(p.Scopes, p.Resources) }

// Asks is what the template lists.
func (p DeviceConfirm) Asks() []ask { return p.asks(p.Scopes, p.Resources) }

// Asks is what the template lists for one app.
func (p Home) Asks(scopes []string) []ask { return p.asks(scopes, nil) }
