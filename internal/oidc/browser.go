package oidc

import (
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/session"
)

// Browser is what a browser has shown of itself.
type Browser struct {
	Secret   string           // of the browser cookie; empty when there is none
	Sessions []session.Signed // that live, the current one first
	Actor    auth.Actor       // from where, for the audit lines of what it leads to
}
