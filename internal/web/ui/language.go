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

// The languages that we have, whole.
const (
	English Lang = "en"
	German  Lang = "de"
)

// Languages are those that we have, the default first.
var Languages = []Lang{English, German}

// Dir is the direction in which the language is written, for the dir attribute.
func (l Lang) Dir() string { return "ltr" }

// mostWanted bounds how many languages of a request are looked at.
const mostWanted = 20

// Language chooses one: the first that we have of the client's ui_locales (OpenID
// Connect Core §3.1.2.1), of the browser's Accept-Language (RFC 9110 §12.5.4), and
// of the tenant's locale; else English.
func Language(locales []string, acceptLanguage, tenant string) Lang {
	for _, tag := range locales[:min(len(locales), mostWanted)] {
		if l := have(tag); l != "" {
			return l
		}
	}
	if l := accepted(acceptLanguage); l != "" {
		return l
	}
	if l := have(tenant); l != "" {
		return l
	}
	return English
}

// have is the language of a tag such as "de-AT" (RFC 4647 §3.4), or "".
func have(tag string) Lang {
	primary, _, _ := strings.Cut(strings.TrimSpace(tag), "-")
	for _, l := range Languages {
		if strings.EqualFold(primary, string(l)) {
			return l
		}
	}
	return ""
}

// accepted is the best language of the header, or "". Weights are compared as text:
// "0.8" > "0.75", since a qvalue has one digit before the point.
func accepted(header string) Lang {
	var best Lang
	bestQ := "0"
	n := 0
	for item := range strings.SplitSeq(auth.Clip(header, 1024), ",") {
		if n++; n > mostWanted {
			break
		}
		tag, param, _ := strings.Cut(item, ";")
		q := "1"
		if w, ok := strings.CutPrefix(strings.TrimSpace(param), "q="); ok {
			q = strings.TrimRight(w, "0.")
		}
		if l := have(tag); l != "" && q > bestQ {
			best, bestQ = l, q
		}
	}
	return best
}

//go:embed words/*.txt
var wordFiles embed.FS

// words are the sentences of every language by key, read on first use.
var words = sync.OnceValue(func() map[Lang]map[Key]string {
	all := make(map[Lang]map[Key]string, len(Languages))
	for _, l := range Languages {
		// The files are part of the program; a test reads every line of them.
		text, _ := wordFiles.ReadFile("words/" + string(l) + ".txt")
		all[l] = readWords(string(text))
	}
	return all
})

// readWords reads lines of "key = sentence"; "#" begins a comment.
func readWords(text string) map[Key]string {
	m := make(map[Key]string, 256)
	for line := range strings.Lines(text) {
		key, sentence, ok := strings.Cut(strings.TrimSpace(line), " = ")
		if ok && !strings.HasPrefix(line, "#") {
			m[Key(key)] = sentence
		}
	}
	return m
}

// words finds the sentence for a key; English where the language lacks it, and the
// key itself where all do. A test sees to it that neither happens.
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

// Say is a sentence in the language of the page, as plain text. {1}, {2} … in it
// become args.
func (p Page) Say(k Key, args ...string) string {
	return fill(p.Language().words(k), args, func(s string) string { return s })
}

// T is Say for templates: the args are emphasized, are escaped and cannot turn the
// direction of the text around them.
func (p Page) T(k Key, args ...string) template.HTML {
	s := template.HTMLEscapeString(p.Language().words(k))
	return template.HTML(fill(s, args, func(a string) string {
		return "<b><bdi>" + template.HTMLEscapeString(a) + "</bdi></b>"
	}))
}

// fill puts args into the places of a sentence in one pass, so that an arg that
// looks like a place stays as it is.
func fill(s string, args []string, dress func(string) string) string {
	if len(args) == 0 {
		return s
	}
	pairs := make([]string, 0, 2*len(args))
	for i, a := range args {
		pairs = append(pairs, fmt.Sprintf("{%d}", i+1), dress(a))
	}
	return strings.NewReplacer(pairs...).Replace(s)
}

// Language is that of the page; English when none was chosen.
func (p Page) Language() Lang {
	if p.Lang == "" {
		return English
	}
	return p.Lang
}

// Date is a time as the language writes it. It is UTC and says so.
func (p Page) Date(t time.Time) string {
	if p.Language() == German {
		return t.UTC().Format("02.01.2006, 15:04 UTC")
	}
	return t.UTC().Format("2 Jan 2006, 15:04 UTC")
}

// Wait is how long it still takes, as the language says it after "in", rounded up so that it is
// never too early.
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

// Throttled is the page for who has to wait. again is where they can try again, or empty.
func (p Page) Throttled(after time.Duration, again string) Problem {
	page := p.Problem(TooOften)
	page.Text, page.Again = p.Say(TooOften+"_text", p.Wait(after)), again
	return page
}

// Refusal says in the language of the page what a service refused, a sentence for
// each reason. What we have no words for is shown as the service says it.
func (p Page) Refusal(e *auth.Error) []string {
	if len(e.Reasons) == 0 {
		return []string{p.refused(string(e.Code), e.Msg, e.Msg)}
	}
	var all []string
	for _, r := range e.Reasons {
		all = append(all, p.refused(r.Code, r.Msg, "it "+r.Msg)) // "must have at least …"
	}
	return all
}

// refused translates one reason. The only number in a message is its limit.
func (p Page) refused(code, msg, fallback string) string {
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

// sentence turns a message of a service into a sentence.
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
