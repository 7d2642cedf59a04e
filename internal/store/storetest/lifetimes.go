package storetest

import (
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/config"
)

// Lifetimes returns the lifetimes of a server without a configuration.
func Lifetimes() auth.Lifetimes {
	c := config.Default()
	return auth.Lifetimes{
		Access: c.Tokens.AccessLifetime, RefreshIdle: c.Tokens.RefreshIdle, RefreshAbsolute: c.Tokens.RefreshLifetime,
		SessionIdle: c.Sessions.Idle, SessionAbsolute: c.Sessions.Lifetime, Remember: c.Sessions.Remember,
	}
}
