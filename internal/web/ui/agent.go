package ui

import (
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
)

// agents and systems are searched for in a User-Agent, in this order: most browsers also name other
// ones.
var agents = [][2]string{
	{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
	{"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"},
}

var systems = [][2]string{
	{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"},
	{"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"},
}

// Program returns a readable User-Agent, such as "Firefox on Linux". An unknown one is returned
// clipped.
func (p Page) Program(userAgent string) string {
	browser, system := firstMatch(agents, userAgent), firstMatch(systems, userAgent)
	switch {
	case browser != "" && system != "":
		return p.Say("agent.on", browser, system)
	case browser != "":
		return browser
	case strings.TrimSpace(userAgent) == "":
		return p.Say("agent.unknown")
	}
	return auth.Clip(userAgent, 60)
}

func firstMatch(list [][2]string, s string) string {
	for _, pair := range list {
		if strings.Contains(s, pair[0]) {
			return pair[1]
		}
	}
	return ""
}

// initial returns the letter of an account's avatar.
func initial(name string) string {
	for _, r := range name {
		return strings.ToUpper(string(r))
	}
	return "?"
}
