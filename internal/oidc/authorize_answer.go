package oidc

import (
	"cmp"
	"context"
	"net/url"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
)

// The ways in which an answer travels (OAuth 2.0 Multiple Response Types §2.1, OAuth 2.0
// Form Post Response Mode).
const (
	modeQuery    = "query"
	modeFragment = "fragment"
	modeFormPost = "form_post"
)

// responseMode is how an answer to such a request travels, also one that refuses it.
// Types that carry tokens are answered in the fragment (OAuth 2.0 Multiple Response Types
// §5). A mode that is not known is as good as none.
func responseMode(responseType, asked string) string {
	mode, signed := asked, ""
	if asked == modeSigned {
		mode, signed = "", signedSuffix
	} else if bare, ok := strings.CutSuffix(asked, signedSuffix); ok {
		mode, signed = bare, signedSuffix
	}
	carriesTokens := strings.Contains(responseType, "token")
	switch {
	case mode == modeFormPost:
	case mode == modeFragment || carriesTokens:
		mode = modeFragment
	case mode == modeQuery || mode == "":
		mode = modeQuery
	default:
		mode, signed = modeQuery, ""
	}
	return mode + signed
}

// Answer is what goes back to the client through the browser (RFC 6749 §4.1.2), with
// state as it came and with the issuer (RFC 9207 §2).
type Answer struct {
	RedirectURI string
	Mode        string // query, fragment or form_post
	Params      [][2]string
	// Asks says that the person is asked before the browser goes there (RFC 9700 §4.11.2).
	Asks bool
}

// FormPost reports whether the answer is a form that the browser posts to RedirectURI,
// with Params as its fields, instead of a redirect to Location.
func (a Answer) FormPost() bool { return a.Mode == modeFormPost }

// Location is where the browser is sent. The redirect URI's own query stays as it is
// (RFC 6749 §3.1.2).
func (a Answer) Location() string {
	var b strings.Builder
	b.WriteString(a.RedirectURI)
	switch {
	case a.Mode == modeFragment:
		b.WriteByte('#')
	case !strings.Contains(a.RedirectURI, "?"):
		b.WriteByte('?')
	case !strings.HasSuffix(a.RedirectURI, "?") && !strings.HasSuffix(a.RedirectURI, "&"):
		b.WriteByte('&')
	}
	for i, p := range a.Params {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p[0] + "=" + encodeParam(p[1]))
	}
	return b.String()
}

// encodeParam writes a space as %20, which every reader understands, also in a
// fragment.
func encodeParam(v string) string { return strings.ReplaceAll(url.QueryEscape(v), "+", "%20") }

// Get is a parameter of the answer, or empty.
func (a Answer) Get(name string) string {
	for _, p := range a.Params {
		if p[0] == name {
			return p[1]
		}
	}
	return ""
}

// answer makes the answer to a request of the client, signed if that was asked for.
func (s *Service) answer(ctx context.Context, tenant auth.TenantID, c auth.Client, r auth.AuthorizationRequest, params ...[2]string) (*Answer, error) {
	if r.State != "" {
		params = append(params, [2]string{"state", r.State})
	}
	params = append(params, [2]string{"iss", tenant.Issuer(s.cfg.Base)})
	mode, signed := strings.CutSuffix(r.ResponseMode, signedSuffix)
	if signed {
		jwt, err := s.signAnswer(ctx, tenant, c, params)
		if err != nil {
			return nil, err
		}
		params = [][2]string{{"response", jwt}}
	}
	return &Answer{RedirectURI: r.RedirectURI, Mode: cmp.Or(mode, modeQuery), Params: params}, nil
}

// refusal is an answer without a code. The description holds nothing of what was sent.
func (s *Service) refusal(ctx context.Context, tenant auth.TenantID, c auth.Client, r auth.AuthorizationRequest, code, desc string) (*Answer, error) {
	return s.answer(ctx, tenant, c, r, [2]string{"error", code}, [2]string{"error_description", desc})
}

// PageError is a refusal that is shown to the person instead of being sent to the
// client: who the client is, or where its answers go, is not certain (RFC 6749
// §4.1.2.1, RFC 9700 §4.11.2). It says the same of a client that is unknown and one that
// is shut.
type PageError struct {
	Code oauth.Code // for the client's developer; the page has words of its own for the person
	Desc string
}

func (e *PageError) Error() string { return string(e.Code) + ": " + e.Desc }

func page(code oauth.Code, desc string) *PageError { return &PageError{Code: code, Desc: desc} }
