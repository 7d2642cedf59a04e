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

// parseURIs checks every address of a client. Those that a browser is sent to are kept
// exactly as given; those that the server asks by itself must be ones that it may
// ask, so a private address is refused here already and not only when it is asked.
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
			return err
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

// requestURI checks an address of request objects. Its fragment may name the digest of
// what is there (OpenID Connect Core §6.2).
func (s *Service) requestURI(u string) (string, error) {
	plain, _, _ := strings.Cut(u, "#")
	return u, s.checkReachable("request_uris", plain)
}

// redirectURI is the check of one redirect URI of a client of that type.
func (s *Service) redirectURI(t auth.ClientType) func(string) (string, error) {
	return func(u string) (string, error) { return auth.ParseRedirectURI(t, u, s.cfg.RedirectSchemes...) }
}

const maxRequestURIs = 16

// asFieldError gives a refusal of a redirect URI to another field.
func asFieldError(err error, field string) error {
	if e, ok := errors.AsType[*auth.Error](err); ok {
		return auth.Invalid(auth.CodeURIInvalid, field, e.Msg)
	}
	return err
}

// checkReachable checks a URL that the server itself will request.
func (s *Service) checkReachable(field, u string) error {
	if _, err := auth.ParseResource(u); err != nil {
		return asFieldError(err, field)
	}
	if err := s.cfg.Out.Check(u); err != nil {
		return auth.Invalid(auth.CodeURIInvalid, field, err.Error())
	}
	return nil
}

// sector is the host by which pairwise subjects of the client are told apart (OpenID
// Connect Core §8.1): that of its sector_identifier_uri, whose document has to list
// all its redirect URIs, or else the one host that they have in common.
func (s *Service) sector(ctx context.Context, c auth.Client) (string, error) {
	set := c.Settings
	switch set.SubjectType {
	case "", "pairwise":
	default:
		return "", auth.Invalid(auth.CodeSubjectTypeInvalid, "subject_type", "subjects are public or pairwise")
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
	case len(c.RedirectURIs) == 0: // it shares its subjects with nobody
		return "", nil
	}
	host := hostOf(c.RedirectURIs[0])
	if host == "" || slices.ContainsFunc(c.RedirectURIs, func(u string) bool { return hostOf(u) != host }) {
		return "", auth.Invalid(auth.CodeSectorInvalid, "sector_identifier_uri", "redirect URIs on several hosts need a sector_identifier_uri for pairwise subjects")
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
	a, err := s.cfg.Out.Get(ctx, from)
	if err != nil {
		return &auth.Error{Kind: auth.KindInvalid, Code: auth.CodeSectorInvalid, Field: "sector_identifier_uri", Msg: "the document at sector_identifier_uri could not be read", Err: err}
	}
	var listed []string
	if a.Status != 200 || len(a.Body) > maxDocument || json.Unmarshal(a.Body, &listed) != nil {
		return bad(fmt.Sprintf("there is no JSON array of redirect URIs at sector_identifier_uri (status %d)", a.Status))
	}
	missing := map[string]bool{}
	for _, u := range redirects {
		missing[u] = true
	}
	for _, u := range listed {
		delete(missing, u)
	}
	if len(missing) > 0 {
		return bad("the document at sector_identifier_uri does not list every redirect URI")
	}
	return nil
}
