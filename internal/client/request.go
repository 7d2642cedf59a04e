package client

import (
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
)

// Request is what a client sent to an endpoint.
type Request struct {
	Tenant        auth.TenantID
	Authorization []string // the values of the header of that name
	Proof         []string // the values of the header DPoP (RFC 9449 §4)
	Accept        []string // the values of the header of that name
	Method        string   // of the request
	URL           string   // of the endpoint, made from the issuer
	Form          oauth.Form
	Actor         auth.Actor // the origin; the client is not authenticated yet
}
