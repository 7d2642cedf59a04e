// Package browser looks at the pages with a real browser: Debian's chromium, driven
// over its DevTools protocol, in front of a whole server. It proves what no other
// test can: that people get from one page to the next, with scripts and without; that
// the Content-Security-Policy lets our own pages work; that cookies arrive where they
// should; and that axe-core finds nothing serious in any page, in light and in dark.
//
// It holds tests alone. Screenshots of every page on the way are written to the
// folder WATCHWORD_SCREENSHOTS names (default .cache/screenshots).
package browser
