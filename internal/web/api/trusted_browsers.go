package api

import (
	"context"
	"net/http"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

var (
	OpTrustedBrowsers = operation{id: "trusted-browsers", topic: "sessions",
		summary: "List trusted browsers",
		doc:     "The browsers in which the account needs no second factor."}
	OpTrustEnd = operation{id: "end-trust", topic: "sessions", status: http.StatusNoContent, errors: []int{http.StatusNotFound},
		summary: "Stop trusting a browser",
		doc:     "The next sign-in there needs a second factor. Sessions continue."}
)

// TrustedBrowser is a browser in which the account needs no second factor.
type TrustedBrowser struct {
	ID         string    `json:"id" doc:"Grants no rights."`
	IP         string    `json:"ip" doc:"IP address of the sign-in with which it began." example:"192.0.2.1"`
	Place      string    `json:"place,omitempty" doc:"Where the IP address is, in the language of the tenant, if the server has a database of places. A hint: it can be wrong." example:"Berlin, Germany"`
	UserAgent  string    `json:"user_agent" doc:"User-Agent of that sign-in."`
	CreatedAt  time.Time `json:"created_at"`
	LastUsedAt time.Time `json:"last_used_at"`
	ExpiresAt  time.Time `json:"expires_at"`
}

type trustedBrowsersOut struct {
	Body struct {
		TrustedBrowsers []TrustedBrowser `json:"trusted_browsers"`
	}
}

// TrustedBrowserList lists the trusted browsers of the account.
func (s *Handlers) TrustedBrowserList(ctx context.Context, _ *struct{}) (*trustedBrowsersOut, error) {
	ex := exchangeOf(ctx)
	all, err := s.logins.TrustedBrowsers(ctx, ex.Tenant.ID, ex.Actor.Account())
	if err != nil {
		return nil, err
	}
	var out trustedBrowsersOut
	out.Body.TrustedBrowsers = make([]TrustedBrowser, 0, len(all))
	for _, v := range all {
		out.Body.TrustedBrowsers = append(out.Body.TrustedBrowsers, TrustedBrowser{
			ID: string(v.ID), IP: v.IP, Place: s.places.Place(v.IP, ex.Tenant.Settings.Locale), UserAgent: v.UserAgent,
			CreatedAt: v.CreatedAt.UTC(), LastUsedAt: v.UsedAt.UTC(), ExpiresAt: v.ExpiresAt.UTC(),
		})
	}
	return &out, nil
}

// TrustEnd makes a browser need a second factor again.
func (s *Handlers) TrustEnd(ctx context.Context, in *struct {
	ID string `path:"id" doc:"ID of the trusted browser."`
}) (*nothing, error) {
	ex := exchangeOf(ctx)
	return nil, s.logins.EndTrust(ctx, ex.Tenant.ID, auth.TrustedBrowserID(in.ID), ex.RequestActor())
}
