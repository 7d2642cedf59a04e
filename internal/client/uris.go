package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
)

// parseURIs checks every URI of a client. URIs for browsers are stored exactly as given. A URI that
// the server itself will request is refused at registration if the server may not request it, such
// as one with a private address.
func (s *Service) parseURIs(c *auth.Client, r Registration) (err error) {
	set := &c.Settings
	if c.RedirectURIs, err = parseValues("redirect_uris", r.RedirectURIs, s.redirectURI(c.Type)); err != nil {
		return err
	}
	if set.PostLogoutURIs, err = parseValues("post_logout_redirect_uris", r.PostLogoutURIs, func(u string) (string, error) {
		_, err := s.redirectURI(c.Type)(u)
		return u, asFieldError(err, "post_logout_redirect_uris")
	}); err != nil {
		return err
	}
	for field, u := range map[string]string{"initiate_login_uri": r.InitiateLoginURI, "client_uri": r.ClientURI, "policy_uri": r.PolicyURI, "tos_uri": r.TermsURI, "logo_uri": r.LogoURI} {
		if u == "" {
			continue
		}
		if _, err := auth.ParseWebURI(field, u); err != nil {
			return inField(err, field)
		}
	}
	for field, u := range map[string]string{"logo_uri": r.LogoURI, "jwks_uri": r.JWKSURI, "sector_identifier_uri": r.SectorURI, "backchannel_logout_uri": r.BackchannelURI} {
		if err := s.checkReachable(field, u); u != "" && err != nil {
			return err
		}
	}
	if err := checkLength("request_uris", r.RequestURIs, maxRequestURIs); err != nil {
		return err
	}
	for _, u := range r.RequestURIs {
		if _, err := s.requestURI(u); err != nil {
			return err
		}
	}
	return nil
}

// requestURI checks the address of a request object. Its fragment may hold the digest of
// the object (OpenID Connect Core §6.2).
func (s *Service) requestURI(u string) (string, error) {
	plain, _, _ := strings.Cut(u, "#")
	return u, s.checkReachable("request_uris", plain)
}

// redirectURI returns the check of a redirect URI for a type of client.
func (s *Service) redirectURI(t auth.ClientType) func(string) (string, error) {
	return func(u string) (string, error) { return auth.ParseRedirectURI(t, u, s.cfg.RedirectSchemes...) }
}

const maxRequestURIs = 16

// asFieldError changes the field of a refusal.
func asFieldError(err error, field string) error {
	if e, ok := errors.AsType[*auth.Error](err); ok {
		return auth.Invalid(auth.CodeURIInvalid, field, field+": "+e.Msg)
	}
	return err
}

// checkReachable checks a URL that the server itself will request.
func (s *Service) checkReachable(field, u string) error {
	if _, err := auth.ParseResource(u); err != nil {
		return asFieldError(err, field)
	}
	if err := s.cfg.Out.Check(u); err != nil {
		return auth.Invalid(auth.CodeURIInvalid, field, field+": "+err.Error())
	}
	return nil
}

// sector returns the host by which pairwise subjects of the client are computed (OpenID
// Connect Core §8.1): that of its sector_identifier_uri, whose document must list
// all its redirect URIs, or otherwise their common host.
func (s *Service) sector(ctx context.Context, c auth.Client) (string, error) {
	set := c.Settings
	switch set.SubjectType {
	case "", "pairwise":
	default:
		return "", auth.Invalid(auth.CodeSubjectTypeInvalid, "subject_type", "subject_type: public or pairwise")
	}
	if set.SectorURI != "" {
		if err := s.checkSector(ctx, set.SectorURI, c.RedirectURIs); err != nil {
			return "", err
		}
	}
	switch {
	case set.SubjectType == "":
		return "", nil
	case set.SectorURI != "":
		return hostOf(set.SectorURI), nil
	case len(c.RedirectURIs) == 0: // there is nothing to correlate
		return "", nil
	}
	host := hostOf(c.RedirectURIs[0])
	if host == "" || slices.ContainsFunc(c.RedirectURIs, func(u string) bool { return hostOf(u) != host }) {
		return "", auth.Invalid(auth.CodeSectorInvalid, "sector_identifier_uri", "sector_identifier_uri: required for pairwise subjects and redirect URIs on several hosts")
	}
	return host, nil
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// checkSector fetches the list of a sector identifier URI.
func (s *Service) checkSector(ctx context.Context, from string, redirects []string) error {
	bad := func(msg string) error { return auth.Invalid(auth.CodeSectorInvalid, "sector_identifier_uri", msg) }
	response, err := s.cfg.Out.Get(ctx, from)
	if err != nil {
		return &auth.Error{Kind: auth.KindInvalid, Code: auth.CodeSectorInvalid, Field: "sector_identifier_uri", Msg: "sector_identifier_uri: the document could not be read", Err: err}
	}
	var listed []string
	if response.Status != 200 || len(response.Body) > maxDocument || json.Unmarshal(response.Body, &listed) != nil {
		return bad(fmt.Sprintf("sector_identifier_uri: the document must be a JSON array of redirect URIs (status %d)", response.Status))
	}
	missing := map[string]bool{}
	for _, u := range redirects {
		missing[u] = true
	}
	for _, u := range listed {
		delete(missing, u)
	}
	if len(missing) > 0 {
		return bad("sector_identifier_uri: the document must list every redirect URI")
	}
	return nil
}
