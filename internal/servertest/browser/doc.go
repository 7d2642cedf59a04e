// Package browser tests the pages in a real browser: Debian's chromium, driven over its DevTools protocol, in
// front of a whole server. It tests what no other test can: that users get from one page to the next, with
// scripts and without; that the Content-Security-Policy allows the pages to work; that cookies are sent where
// they should be; and that axe-core finds nothing serious in any page, in light and in dark.
//
// It holds only tests. Screenshots of every page are written to the directory WATCHWORD_SCREENSHOTS (default
// .cache/screenshots). With WATCHWORD_TEST_ALL and without that directory there are only those of failures.
package browser
