package ui

import (
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
)

// agents and systems are what a User-Agent is searched for, in this order: most
// browsers also claim to be other ones.
var agents = [][2]string{
	{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
	{"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"},
}

var systems = [][2]string{
	{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"},
	{"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"},
}

// Program makes a User-Agent readable: "Firefox on Linux". What is not recognised is
// shown as it is, for its owner may know it.
func (p Page) Program(userAgent string) string {
	browser, system := first(agents, userAgent), first(systems, userAgent)
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

func first(list [][2]string, s string) string {
	for _, e := range list {
		if strings.Contains(s, e[0]) {
			return e[1]
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
