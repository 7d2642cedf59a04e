package ui

import (
	"embed"
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

// Lang is a language of the pages.
type Lang string

// The languages of the pages.
const (
	English Lang = "en"
	German  Lang = "de"
)

// Languages lists all languages, the default first.
var Languages = []Lang{English, German}

// Dir returns the writing direction of the language, for the dir attribute.
func (l Lang) Dir() string { return "ltr" }

// maxRequested bounds how many languages of a request are examined.
const maxRequested = 20

// Language returns the first language of the pages among the client's ui_locales (OpenID Connect Core
// §3.1.2.1), the browser's Accept-Language (RFC 9110 §12.5.4) and the tenant's locale; else English.
func Language(locales []string, acceptLanguage, tenant string) Lang {
	for _, tag := range locales[:min(len(locales), maxRequested)] {
		if l := matchLanguage(tag); l != "" {
			return l
		}
	}
	if l := acceptedLanguage(acceptLanguage); l != "" {
		return l
	}
	if l := matchLanguage(tenant); l != "" {
		return l
	}
	return English
}

// matchLanguage returns the language of a tag such as "de-AT" (RFC 4647 §3.4), or empty.
func matchLanguage(tag string) Lang {
	primary, _, _ := strings.Cut(strings.TrimSpace(tag), "-")
	for _, l := range Languages {
		if strings.EqualFold(primary, string(l)) {
			return l
		}
	}
	return ""
}

// acceptedLanguage returns the language with the highest weight in Accept-Language, or empty. Weights
// are compared as text: "0.8" > "0.75", since a qvalue has one digit before the point.
func acceptedLanguage(header string) Lang {
	var best Lang
	bestQ := "0"
	n := 0
	for item := range strings.SplitSeq(auth.Clip(header, 1024), ",") {
		if n++; n > maxRequested {
			break
		}
		tag, param, _ := strings.Cut(item, ";")
		q := "1"
		if w, ok := strings.CutPrefix(strings.TrimSpace(param), "q="); ok {
			q = strings.TrimRight(w, "0.")
		}
		if l := matchLanguage(tag); l != "" && q > bestQ {
			best, bestQ = l, q
		}
	}
	return best
}

//go:embed words/*.txt
var wordFiles embed.FS

// words returns the texts of every language by key, parsed on first use.
var words = sync.OnceValue(func() map[Lang]map[Key]string {
	all := make(map[Lang]map[Key]string, len(Languages))
	for _, l := range Languages {
		// The files are part of the program; a test reads every line of them.
		text, _ := wordFiles.ReadFile("words/" + string(l) + ".txt")
		all[l] = readWords(string(text))
	}
	return all
})

// readWords parses lines of "key = text"; "#" begins a comment.
func readWords(text string) map[Key]string {
	m := make(map[Key]string, 256)
	for line := range strings.Lines(text) {
		key, text, ok := strings.Cut(strings.TrimSpace(line), " = ")
		if ok && !strings.HasPrefix(line, "#") {
			m[Key(key)] = text
		}
	}
	return m
}

// words returns the text of a key. It falls back to English and then to the key itself; a test checks
// that neither is needed.
func (l Lang) words(k Key) string {
	if s, ok := words()[l][k]; ok {
		return s
	}
	if s, ok := words()[English][k]; ok {
		return s
	}
	return string(k)
}

func (l Lang) has(k Key) bool {
	_, ok := words()[l][k]
	return ok
}

// Say returns the text of a key in the language of the page, without markup. Args replace {1}, {2} and
// so on.
func (p Page) Say(k Key, args ...string) string {
	return fill(p.Language().words(k), args, func(s string) string { return s })
}

// T is Say with markup, for templates: it escapes and emphasizes the args, and isolates them (bdi) from
// the direction of the text around them.
func (p Page) T(k Key, args ...string) template.HTML {
	s := template.HTMLEscapeString(p.Language().words(k))
	return template.HTML(fill(s, args, func(a string) string {
		return "<b><bdi>" + template.HTMLEscapeString(a) + "</bdi></b>"
	}))
}

// fill replaces the placeholders of a text in one pass, so that a placeholder within an arg is not
// replaced.
func fill(s string, args []string, format func(string) string) string {
	if len(args) == 0 {
		return s
	}
	pairs := make([]string, 0, 2*len(args))
	for i, a := range args {
		pairs = append(pairs, fmt.Sprintf("{%d}", i+1), format(a))
	}
	return strings.NewReplacer(pairs...).Replace(s)
}

// Language returns the language of the page; English if Lang is empty.
func (p Page) Language() Lang {
	if p.Lang == "" {
		return English
	}
	return p.Lang
}

// Date formats a time in the language of the page, in UTC.
func (p Page) Date(t time.Time) string {
	if p.Language() == German {
		return t.UTC().Format("02.01.2006, 15:04 UTC")
	}
	return t.UTC().Format("2 Jan 2006, 15:04 UTC")
}

// Wait formats a duration for use after "in", in the language of the page. It rounds up, so that the
// user is never too early.
func (p Page) Wait(d time.Duration) string {
	up := func(unit time.Duration) int { return int((max(d, 1) + unit - 1) / unit) }
	say := func(n int, one, many Key) string {
		if n == 1 {
			return p.Say(one)
		}
		return p.Say(many, strconv.Itoa(n))
	}
	switch {
	case d <= 50*time.Second:
		return p.Say("time.seconds", strconv.Itoa(10*up(10*time.Second)))
	case d <= 59*time.Minute:
		return say(up(time.Minute), "time.minute", "time.minutes")
	}
	return say(up(time.Hour), "time.hour", "time.hours")
}

// Throttled returns the page of a rate limit that ends after the duration. again is the URL to try
// again, or empty.
func (p Page) Throttled(after time.Duration, again string) Problem {
	page := p.Problem(TooOften)
	page.Text, page.Again = p.Say(TooOften+"_text", p.Wait(after)), again
	return page
}

// Refusal returns the reasons of an error in the language of the page, a sentence each. A reason without
// a text is the service's message.
func (p Page) Refusal(e *auth.Error) []string {
	if len(e.Reasons) == 0 {
		return []string{p.reason(string(e.Code), e.Msg, e.Msg)}
	}
	var all []string
	for _, r := range e.Reasons {
		all = append(all, p.reason(r.Code, r.Msg, "it "+r.Msg)) // "must have at least …"
	}
	return all
}

// reason translates one reason. The only number in msg is the limit.
func (p Page) reason(code, msg, fallback string) string {
	k := Key("refused." + code)
	if !p.Language().has(k) {
		return sentence(fallback)
	}
	number := strings.Trim(msg, strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, msg))
	return p.Say(k, number)
}

// sentence returns the message of a service as a sentence.
func sentence(s string) string {
	if s == "" {
		return s
	}
	if c := s[0]; c >= 'a' && c <= 'z' {
		s = string(c-'a'+'A') + s[1:]
	}
	if last := s[len(s)-1]; last != '.' && last != '!' && last != '?' {
		s += "."
	}
	return s
}
