// Package conformance asks a whole server what the OpenID Foundation's conformance suite
// asks of a provider, module by module: each test is a plan of the suite and each subtest
// one of its modules, under the module's name. It does the requests of the module and
// holds the answers to the conditions that the suite counts as failures; warnings, and
// pictures for a person to look at, are left to the suite itself, which
// docs/conformance.md says how to run. What the suite brings along (the addresses where
// clients publish keys, request objects and sectors, or are told of a log-out) is played
// by an HTTPS server of the test.
package conformance
