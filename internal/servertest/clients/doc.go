// Package clients tests the provider with other projects' software. Client libraries and a web server module
// sign users in at a whole server, over HTTP, and check the responses by their own reading of the
// specifications.
//
// One of them is a provider: oidc-provider, which is certified, gets the same requests as Watchword
// (peer_test.go), and every difference is listed with its reason.
//
// The package holds tests, and small programs under testdata that use those libraries. The tests need what
// scripts/test installs: Node.js with the packages of testdata/package-lock.json and bench/oidcprovider, Flask
// with Authlib, and Apache with mod_auth_openidc. A test without its library is skipped, unless
// WATCHWORD_TEST_ALL is set.
package clients
