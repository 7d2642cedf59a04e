// Package attacks holds only tests: known attacks on servers like this one, tried on a whole server over HTTP
// and on both databases.
//
// A test's name carries the id of the attack (AZ: the authorization endpoint and consent, BF: brute force and
// limits, DP: proofs of possession, EP: introspection, revocation, userinfo, discovery, registration and
// logout, HT: the HTTP surface, JV: token verification, OP: operations and secrets, PW: passwords and links,
// RT: refresh tokens, SE: sessions and cookies, TK: the token endpoint, TN: tenants and rights) or of the fault
// (FL). Most tests run the server inside the test (servertest). Those about the start and end of the process
// build the real binary. The packages test many of the same cases closer to the code. coverage_test.go lists
// every id that must be tested, and fails when one is not.
//
// By default expensive tests are small; WATCHWORD_TEST_ALL runs them in full.
package attacks

//go:generate go test -run ^TestDocument$ -update .
