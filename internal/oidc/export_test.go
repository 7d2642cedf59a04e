package oidc

// ValidVerifier is for the fuzzer.
var ValidVerifier = validVerifier
