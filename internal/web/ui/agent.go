package ui

import (
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
)

// Program returns a readable User-Agent, such as "Firefox on Linux".
func (p Page) Program(userAgent string) string {
	program, system := auth.ParseUserAgent(userAgent)
	switch {
	case program != "" && system != "":
		return p.Say("agent.on", program, system)
	case program+system != "":
		return program + system
	}
	return p.Say("agent.unknown")
}

// initial returns the letter of an account's avatar.
func initial(name string) string {
	for _, r := range name {
		return strings.ToUpper(string(r))
	}
	return "?"
}
