package auth

import "net/url"

// A client that describes itself says whatever it likes: its name, its redirect URIs,
// its logo. What a person is shown about it, and where a browser is sent for it, depends
// on what of that is proved.

// SelfDescribed reports whether a stranger has described the client: it has registered
// itself (RFC 7591), or its id is the address of a document.
func (c Client) SelfDescribed() bool {
	return c.Settings.Registration != "" || !c.Settings.DocumentAt.IsZero()
}

// ProvedHost is the host that answers for the client whatever flow a person is in: that
// of its document, or the one that an operator has registered. It is empty for a client
// that has registered itself. Its redirect URI proves a host only in the code flow, where
// the code has to go there.
func (c Client) ProvedHost() string {
	switch {
	case !c.Settings.DocumentAt.IsZero():
		return webHost(string(c.ID))
	case c.SelfDescribed():
		return ""
	}
	for _, uri := range c.RedirectURIs {
		if host := webHost(uri); host != "" {
			return host
		}
	}
	return ""
}

// webHost is the host of an https URI, with its port; empty for any other URI.
func webHost(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "https" {
		return ""
	}
	return u.Host
}

// PairwiseSector is the sector whose pairwise subjects the client shares (OpenID Connect
// Core §8.1); empty for none but its own. A redirect URI proves a sector only if all
// answers go there. The device grant sends them to the program that asks, so a client that
// describes itself has no sector beside it.
func (c Client) PairwiseSector() string {
	if c.SelfDescribed() && (c.Allows(GrantDeviceCode) || !c.Allows(GrantAuthorizationCode)) {
		return ""
	}
	return c.Settings.Sector
}
