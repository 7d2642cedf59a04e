package auth

import "strings"

// programs and systems are searched for in a User-Agent, in this order: most browsers also name other
// ones.
var programs = [][2]string{
	{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
	{"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
}

var systems = [][2]string{
	{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"},
	{"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"},
}

// maxProgram bounds the name of a program, in bytes.
const maxProgram = 32

// ParseUserAgent returns the program and the system that a User-Agent names, such as Firefox and Linux; empty
// for what it does not name. A program that is no known browser has the name of its first product, if that
// consists of letters, digits, dashes and underscores: a caller chooses it, and it is shown to users.
func ParseUserAgent(userAgent string) (program, system string) {
	program, system = firstMatch(programs, userAgent), firstMatch(systems, userAgent)
	if program != "" {
		return program, system
	}
	fields := strings.Fields(userAgent)
	if len(fields) == 0 {
		return "", ""
	}
	name, _, _ := strings.Cut(fields[0], "/")
	if name == "Mozilla" || len(name) > maxProgram || strings.ContainsFunc(name, isNoNameRune) {
		return "", system
	}
	return name, system
}

func isNoNameRune(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
}

func firstMatch(list [][2]string, s string) string {
	for _, pair := range list {
		if strings.Contains(s, pair[0]) {
			return pair[1]
		}
	}
	return ""
}
