package auth

import "net/url"

// A client that describes itself chooses any name, redirect URIs and logo. The proved part of its
// metadata decides what a user is shown and where a browser is redirected.

// SelfDescribed reports whether no operator has registered the client: it has registered itself
// (RFC 7591), or its client_id is the URL of its metadata document.
func (c Client) SelfDescribed() bool {
	return c.Settings.Registration != "" || !c.Settings.DocumentAt.IsZero()
}

// ProvedHost returns the host that is known to belong to the client in any flow: that of its
// metadata document, or the one that an operator has registered. It is empty for a
// self-registered client, whose redirect URI proves a host only in the code flow, where the code
// is sent there.
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

// webHost returns the host of an https URI, with its port; empty for any other URI.
func webHost(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "https" {
		return ""
	}
	return u.Host
}

// PairwiseSector returns the sector whose pairwise subjects the client shares (OpenID Connect
// Core §8.1); empty when it has subjects of its own. A redirect URI proves a sector only if all
// responses are sent there. The device grant responds to the calling program, so a client that
// describes itself has no sector when it may use that grant.
func (c Client) PairwiseSector() string {
	if c.SelfDescribed() && (c.Allows(GrantDeviceCode) || !c.Allows(GrantAuthorizationCode)) {
		return ""
	}
	return c.Settings.Sector
}
