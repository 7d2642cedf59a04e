// Package conformance repeats the OpenID Foundation's conformance suite against a whole server. Each test is a
// plan of the suite and each subtest one of its modules, under the module's name. It sends the requests of the
// module and checks the conditions that the suite counts as failures. Warnings, and screenshots for review, are
// left to the suite itself; docs/conformance.md says how to run it. An HTTPS server of the test replaces what
// the suite provides: the addresses of clients' keys, request objects, sectors and logout notifications.
package conformance
