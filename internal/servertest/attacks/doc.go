// Package attacks holds tests and nothing else: what is done to a server like this
// one in the wild, tried on a whole one, over HTTP, on both databases.
//
// A test's name carries the id of the attack (AZ: the authorization endpoint and
// consent, BF: brute force and limits, DP: proofs of possession, EP: introspection,
// revocation, userinfo, discovery, registration and log-out, HT: the HTTP surface, JV:
// token verification, OP: operations and secrets, PW: passwords and links, RT: refresh
// tokens, SE: sessions and cookies, TK: the token endpoint, TN: tenants and rights) or
// of the fault (FL). Most tests run the server
// inside the test (servertest); those about the life and death of the process build
// the real binary. The rooms test many of the same lines closer to the code;
// coverage_test.go knows every id that must be tested, and fails when one is not.
//
// By default the expensive ones are small; WATCHWORD_TEST_ALL runs them in full.
package attacks

//go:generate go test -run ^TestDocument$ -update .
