// Package clients proves the provider by code that others have written: client
// libraries and a web server module sign people in at a whole server, over HTTP, as they
// would at any provider, and check what they get by their own understanding of the
// specifications. Nothing in them knows us.
//
// One of them is a whole provider: oidc-provider, which is certified, is asked the same as
// we are (peer_test.go), and every difference is listed with its reason.
//
// It holds tests and the small programs under testdata that use those libraries; each
// reads like the page of a manual. The tests need what scripts/test installs: Node.js
// with the packages of testdata/package-lock.json and bench/oidcprovider, Flask with
// Authlib, and Apache with mod_auth_openidc. What is not there is skipped, unless
// WATCHWORD_TEST_ALL is set.
package clients
